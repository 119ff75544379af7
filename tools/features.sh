#!/bin/sh -eu
# Compiles all combinations of the cargo features, each with the tests that it has (`required-features` in Cargo.toml), and runs those
# of none and of each alone (all of them together are what `make check` and `make test` test). Used by `make features`.

: "${CARGO:=cargo}"

for ws in '' ws; do
  for tls in '' tls; do
    for qi in '' qi; do
      for tools in '' tools; do
        features="$ws $tls $qi $tools"
        echo "features: $features"
        $CARGO check --quiet --all-targets --no-default-features --features "$features"
      done
    done
  done
done

for features in '' ws tls qi tools json; do
  echo "tests with: $features"
  $CARGO test --quiet --tests --no-default-features --features "$features"
done
