#!/bin/sh
# Makes a static library that exports the public functions only: localise.sh IN.a OUT.a
#
# What cargo builds brings the Rust runtime with all its names. Here everything the public functions need is
# linked into one object and every other name made local, so that two such libraries fit into one program.
set -eu

input=$1
output=$2
headers=$(dirname "$0")/../include

work=$(mktemp -d "${TMPDIR:-/tmp}/localise.XXXXXX")
trap 'rm -rf "$work"' EXIT

sed -n 's/^NN_EXPORT [^(]*[ *]\(nn_[a-z_]*\|nnx_[a-z_]*\|nnqi_[a-z_]*\)(.*/\1/p' "$headers"/*/*.h > "$work/public"
[ -s "$work/public" ] || { echo "no functions in $headers" >&2; exit 1; }

# Groups shared between objects (COMDAT) go by name as well, so they are dissolved.
ld -r --gc-sections --force-group-allocation $(sed 's/^/--undefined=/' "$work/public") -o "$work/nanomsg.o" "$input"
# Names without a use would still be looked for, and the bitcode that objects carry irritates link-time plugins.
objcopy --keep-global-symbols="$work/public" --strip-unneeded --remove-section=.llvmbc --remove-section=.llvmcmd \
    --remove-section=.comment "$work/nanomsg.o"
ar crs "$work/libnanomsg.a" "$work/nanomsg.o"
mv "$work/libnanomsg.a" "$output"
