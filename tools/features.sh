#!/bin/sh -eu
# Compiles all combinations of the cargo features, each with its tests, and runs the unit tests of none and of each alone (all of
# them together are what `make check` tests). Used by `make features`.

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
  echo "unit tests with: $features"
  $CARGO test --quiet --lib --no-default-features --features "$features"
done
