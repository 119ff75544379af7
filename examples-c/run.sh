#!/bin/sh
# Builds the library and the examples and shows them at work; above all, a file goes through a pipeline between two processes
# over tcp. SIZE_MIB changes the size of the file.
set -eu
cd "$(dirname "$0")/.."

need() { command -v "$1" >/dev/null || { echo "$1 is needed: $2" >&2; exit 1; }; }
tools/rust.sh cargo
need cc "install gcc (Debian: apt-get install gcc libc6-dev)"

cargo build --release
# Absolute, because cargo understands a relative one from here and the loader from wherever it is.
mkdir -p "${CARGO_TARGET_DIR:-target}"
lib=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/release

tmp=$(mktemp -d)
receiver=
cleanup() {
    [ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

for example in reqrep pubsub qi_service qi_callback filepipe; do
    cc -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -I include "examples-c/$example.c" -o "$tmp/$example" -L "$lib" -lnanomsg
done
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

for example in reqrep pubsub qi_service qi_callback; do
    echo "--- $example"
    "$tmp/$example"
done

echo "--- filepipe"
# Random bytes, once made and then repeated: what is sent differs everywhere within a chunk, and it is made in no time.
dd if=/dev/urandom of="$tmp/seed" bs=1M count=16 status=none
i=0
while [ $i -lt "${SIZE_MIB:-256}" ]; do
    cat "$tmp/seed"
    i=$((i + 16))
done >"$tmp/file"

# A port that is free now; should somebody take it meanwhile, the receiver says so. Neither side waits for ever.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url="tcp://127.0.0.1:$port"
timeout 300 "$tmp/filepipe" recv "$tmp/copy" "$url" &
receiver=$!
timeout 300 "$tmp/filepipe" send "$tmp/file" "$url"
wait "$receiver"
receiver=
cmp "$tmp/file" "$tmp/copy"
