#!/bin/sh
# rust.sh CARGO: says what to do when this cargo is missing or older than Cargo.toml asks for. An old one itself would only
# complain about the edition or the lock file.
set -eu
cargo=$1
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
way="Install it with rustup (https://rustup.rs); the cargo of Debian 12 is too old."

command -v "$cargo" > /dev/null || { echo "There is no $cargo. Rust $wanted or newer is needed. $way" >&2; exit 1; }
found=$("$cargo" --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || { echo "Rust $wanted or newer is needed, and $cargo is $found. $way" >&2; exit 1; }
