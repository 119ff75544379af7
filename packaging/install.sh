#!/bin/sh
# Lays out what `make` has built, or takes it away again: install.sh install|uninstall BUILT. `make install` and `make
# uninstall` call it, with the places in DESTDIR, PREFIX, LIBDIR, BINDIR, INCLUDEDIR, DATADIR and ZSHDIR. One list serves both.
set -eu

action=$1
built=$2
cd "$(dirname "$0")/.."
: "${DESTDIR=}" "${PREFIX:=/usr/local}" "${LIBDIR:=$PREFIX/lib}" "${BINDIR:=$PREFIX/bin}"
: "${INCLUDEDIR:=$PREFIX/include}" "${DATADIR:=$PREFIX/share}" "${STRIP:=strip}"
: "${ZSHDIR:=$DATADIR/zsh/site-functions}"

# The interface implemented, which is what pkg-config and CMake are asked for.
version=1.2.1
cmake=$LIBDIR/cmake/nanomsg-$version

# What goes where. `code` is stripped, of its compilers' names as well.
everything() {
    code 644 "$built/libnanomsg.so" "$LIBDIR/libnanomsg.so.6.0.1"
    link libnanomsg.so.6.0.1 "$LIBDIR/libnanomsg.so.6"
    link libnanomsg.so.6 "$LIBDIR/libnanomsg.so"
    code 644 "$built/static/libnanomsg.so.5" "$LIBDIR/libnanomsg.so.5.1.0"
    link libnanomsg.so.5.1.0 "$LIBDIR/libnanomsg.so.5"
    file "$built/static/libnanomsg.a" "$LIBDIR/libnanomsg.a"
    for header in include/*/*.h; do file "$header" "$INCLUDEDIR/${header#include/}"; done
    # The C++ binding, headers only.
    for header in bindings/cpp/include/millrace/*.hpp bindings/cpp/include/millrace/qi/*.hpp; do
        file "$header" "$INCLUDEDIR/${header#bindings/cpp/include/}"
    done
    filled packaging/nanomsg.pc.in "$LIBDIR/pkgconfig/nanomsg.pc"
    filled packaging/nanomsg-config.cmake.in "$cmake/nanomsg-config.cmake"
    filled packaging/nanomsg-config-version.cmake.in "$cmake/nanomsg-config-version.cmake"
    for tool in nanobench nanocat nanoqi; do code 755 "$built/$tool" "$BINDIR/$tool"; done
    for source in bench/perf/*.c; do
        program=$(basename "$source" .c)
        code 755 "$built/perf/$program" "$BINDIR/$program"
    done
    for page in docs/man/*.[137]; do
        if [ -e "$page" ]; then file "$page" "$DATADIR/man/man${page##*.}/${page##*/}"; fi
    done
    # One page is for all six.
    for program in remote_lat local_thr remote_thr inproc_lat inproc_thr; do
        link local_lat.1 "$DATADIR/man/man1/$program.1"
    done
    for tool in nanocat nanoqi; do
        file "packaging/completions/$tool" "$DATADIR/bash-completion/completions/$tool"
        file "packaging/completions/_$tool" "$ZSHDIR/_$tool"
        file "packaging/completions/$tool.fish" "$DATADIR/fish/vendor_completions.d/$tool.fish"
    done
    # They are ours alone, so they go when they are empty.
    for ours in "$cmake" "$INCLUDEDIR/nanomsg" "$INCLUDEDIR/millrace/qi" "$INCLUDEDIR/millrace"; do directory "$ours"; done
}

# The way from one absolute directory to another, without links followed: from FROM TO.
from() {
    common=$1
    back=
    while [ "$common" != "" ] && [ "$2" != "$common" ] && [ "${2#"$common"/}" = "$2" ]; do
        common=${common%/*}
        back=../$back
    done
    rest=${2#"$common"}
    rest=${rest#/}
    way=$back$rest
    echo "${way:-.}"
}

# A directory as nanomsg.pc names it: relative to the prefix, if it lies there.
in_prefix() {
    case $1 in
        "$PREFIX"/*) echo "\${prefix}${1#"$PREFIX"}" ;;
        *) echo "$1" ;;
    esac
}

fill() {
    sed -e "s|@VERSION@|$version|" -e "s|@PREFIX@|$PREFIX|" \
        -e "s|@LIBDIR@|$(in_prefix "$LIBDIR")|" -e "s|@INCLUDEDIR@|$(in_prefix "$INCLUDEDIR")|" \
        -e "s|@TO_PREFIX@|$(from "$cmake" "$PREFIX")|" -e "s|@TO_LIBDIR@|$(from "$cmake" "$LIBDIR")|" \
        -e "s|@TO_BINDIR@|$(from "$cmake" "$BINDIR")|" -e "s|@TO_INCLUDEDIR@|$(from "$cmake" "$INCLUDEDIR")|" "$1"
}

case $action in
    install)
        place() { install -D -m "$1" "$2" "$DESTDIR$3"; }
        code() { place "$1" "$2" "$3" && "$STRIP" --strip-unneeded --remove-section=.comment "$DESTDIR$3"; }
        file() { place 644 "$1" "$2"; }
        link() { ln -sf "$1" "$DESTDIR$2"; }
        filled() { place 644 "$1" "$2" && fill "$1" > "$DESTDIR$2"; }
        directory() { :; }
        ;;
    uninstall)
        code() { rm -f "$DESTDIR$3"; }
        file() { rm -f "$DESTDIR$2"; }
        link() { rm -f "$DESTDIR$2"; }
        filled() { rm -f "$DESTDIR$2"; }
        directory() { rmdir "$DESTDIR$1" 2> /dev/null || true; }
        ;;
    *) echo "usage: install.sh install|uninstall BUILT" >&2; exit 1 ;;
esac
everything

# The loader's cache, where it is this system that was changed and we may.
if [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ] && command -v ldconfig > /dev/null; then ldconfig; fi
