#!/bin/sh
# Sees to what the tests need beside cargo, gcc and python3: the genuine nanomsg and other peers, a C++ compiler,
# valgrind. Installs what is missing if it may, and says what to install if not.
set -eu

missing=
need() { # PACKAGE TEST...
    package=$1
    shift
    "$@" > /dev/null 2>&1 || missing="$missing $package"
}
need libnanomsg-dev test -e /usr/include/nanomsg/nn.h
need nanomsg-utils which nanocat
need libnanomsg-raw-perl perl -MNanoMsg::Raw -e 1
need libnng-dev test -e /usr/include/nng/nng.h
need libzmq3-dev test -e /usr/include/zmq.h
need g++ which g++
need abigail-tools which abidiff
need clang which clang
need valgrind which valgrind
need openssl which openssl
need cmake which cmake
need pkg-config which pkg-config
need dpkg-dev which dpkg-shlibdeps
need lintian which lintian
need libuv1-dev test -e /usr/include/uv.h
need mandoc which mandoc
need zsh which zsh
need fish which fish
need python3-venv python3 -c 'import ensurepip'
need python3-dev python3 -c 'import os, sysconfig; os.stat(sysconfig.get_paths()["include"] + "/Python.h")'
need ruby which ruby
need nix-bin which nix-instantiate
need nodejs node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18)'
need npm which npm
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && which apt-get > /dev/null 2>&1; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends $missing > /dev/null 2>&1 ||
        { apt-get update && apt-get install -y --no-install-recommends $missing; }
else
    echo "The tests need these packages (their Debian names):$missing" >&2
    echo "Install them, on Debian or Ubuntu with: sudo apt-get install$missing" >&2
    exit 1
fi
