#!/bin/sh
# Makes the Debian packages of what `make` has built: build.sh BUILT DIRECTORY. `make deb` calls it.
#   libmillrace      the library, in place of libnanomsg5 and libnanomsg6: programs that need those run on it unchanged
#   libmillrace-dev  headers, nanomsg.pc, CMake package, static library, in place of libnanomsg-dev
#   millrace-utils   nanocat and the other tools, in place of nanomsg-utils
# Needed are dpkg-deb and dpkg-shlibdeps (package dpkg-dev). MAINTAINER in the environment says who answers for the packages.
set -eu

for tool in dpkg-deb dpkg-architecture dpkg-shlibdeps; do
    command -v $tool > /dev/null || { echo "There is no $tool: install dpkg-dev (on Debian: apt-get install dpkg-dev)" >&2; exit 1; }
done
built=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
umask 022

maintainer=${MAINTAINER:-Millrace maintainers <maintainers@users.noreply.millrace.example>}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
tuple=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
architecture=$(dpkg --print-architecture)
# Debian 12's build of nanomsg and its rebuild, and 1.2: packages ask for these, some of them for exactly these.
five='1.1.5+dfsg-1.1'
six='1.2.1'
# So that the same tree makes the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d "${TMPDIR:-/tmp}/deb.XXXXXX")
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/all PREFIX=/usr LIBDIR=/usr/lib/$tuple BINDIR=/usr/bin INCLUDEDIR=/usr/include DATADIR=/usr/share \
    ZSHDIR=/usr/share/zsh/vendor-completions packaging/install.sh install "$built"

# Takes files out of what was installed: take PACKAGE PATTERN...
take() {
    package=$1
    shift
    for pattern; do
        for file in "$work/all"/$pattern; do
            if [ ! -e "$file" ]; then continue; fi
            place=$work/$package/${file#"$work/all/"}
            mkdir -p "$(dirname "$place")"
            mv "$file" "$place"
        done
    done
}
take libmillrace "usr/lib/$tuple/libnanomsg.so.*"
take libmillrace-dev "usr/lib/$tuple" usr/include usr/share/man/man3 usr/share/man/man7
take millrace-utils usr/bin usr/share
left=$(find "$work/all" ! -type d)
[ -z "$left" ] || { printf 'in no package:\n%s\n' "$left" >&2; exit 1; }
mkdir -p "$work/libmillrace-dev/usr/share/doc/libmillrace-dev/examples"
cp examples-c/*.c examples-c/*.html "$work/libmillrace-dev/usr/share/doc/libmillrace-dev/examples"

# What a program's libraries are called among packages; those of our own making are left out.
needed() {
    mkdir -p "$work/debian"
    : > "$work/debian/control"
    (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$@" 2> /dev/null) | sed 's/^shlibs:Depends=//'
}
# Rounded up to KiB, as dpkg counts.
size() { du -k -s --apparent-size "$work/$1" | cut -f1; }

# Writes what all packages have and builds one: package NAME < the rest of its control file.
package() {
    root=$work/$1
    doc=$root/usr/share/doc/$1
    mkdir -p "$root/DEBIAN" "$doc"
    cp packaging/debian/copyright "$doc/copyright"
    { printf 'millrace (%s) unstable; urgency=medium\n\n' "$version"
      printf '  * The changes of each version are in CHANGELOG.md of the source.\n\n'
      printf ' -- %s  %s\n' "$maintainer" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")"; } > "$doc/changelog"
    gzip -9n "$doc/changelog"
    find "$root/usr/share/man" -type f -exec gzip -9n {} + 2> /dev/null || true
    for page in $(find "$root/usr/share/man" -type l 2> /dev/null); do
        ln -s "$(readlink "$page").gz" "$page.gz"
        rm "$page"
    done
    if [ -e "packaging/debian/$1.lintian-overrides" ]; then
        install -D -m 644 "packaging/debian/$1.lintian-overrides" "$root/usr/share/lintian/overrides/$1"
    fi
    { printf 'Package: %s\nSource: millrace\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %s\nPriority: optional\n' \
          "$1" "$version" "$architecture" "$maintainer" "$(size "$1")"
      cat; } > "$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
    find "$root" -type d -exec chmod 755 {} +
    dpkg-deb --root-owner-group --build "$root" "$out/$1_${version}_$architecture.deb"
}

# Programs that are built against us ask for nanomsg, so that they run on either; what only we have asks for us.
mkdir -p "$work/libmillrace/DEBIAN"
printf 'libnanomsg 5 libnanomsg5 (>= 1.1.5)\nlibnanomsg 6 libnanomsg6 (>= 1.2)\n' > "$work/libmillrace/DEBIAN/shlibs"
echo 'activate-noawait ldconfig' > "$work/libmillrace/DEBIAN/triggers"
library=$work/libmillrace/usr/lib/$tuple/libnanomsg.so.6.0.1
# The old name has no symbols of its own: nothing is linked with it any more.
{ printf 'libnanomsg.so.5 libnanomsg5 #MINVER#\n* Build-Depends-Package: libmillrace-dev\n'
  printf 'libnanomsg.so.6 libnanomsg6 #MINVER#\n| libmillrace #MINVER#\n* Build-Depends-Package: libmillrace-dev\n'
  nm -P -D --defined-only "$library" | cut -d' ' -f1 | LC_ALL=C sort | sed -E -e 's/^nn(qi|x)_.*/ &@Base 0.1.0 1/' -e 's/^nn_.*/ &@Base 1.2/'
} > "$work/libmillrace/DEBIAN/symbols"

package libmillrace << END
Section: libs
Multi-Arch: same
Depends: $(needed "$library")
Provides: libnanomsg5 (= $five+b1), libnanomsg5 (= $five), libnanomsg6 (= $six)
Conflicts: libnanomsg5, libnanomsg6
Replaces: libnanomsg5, libnanomsg6
Description: nanomsg's C library on a Rust engine
 A drop-in for libnanomsg: the same functions, ABI and bytes on the wire, for
 programs that were linked with version 1.1 or 1.2. Request and reply,
 publish and subscribe, pipelines, surveys, buses and pairs, within a process,
 between processes, over TCP and WebSocket.
 .
 On the same engine runs the object bus of libqi (QiMessaging, NAOqi robots).
END

package libmillrace-dev << END
Section: libdevel
Multi-Arch: same
Depends: libmillrace (= $version)
Provides: libnanomsg-dev (= $six)
Conflicts: libnanomsg-dev
Replaces: libnanomsg-dev
Description: nanomsg's C library on a Rust engine - development files
 Headers, static library, pkg-config file and CMake package of Millrace, which
 takes the place of nanomsg: programs include <nanomsg/nn.h> and link with
 -lnanomsg.
END

package millrace-utils << END
Section: net
Multi-Arch: foreign
Depends: libmillrace (= $version), $(needed "$work"/millrace-utils/usr/bin/nano*)
Provides: nanomsg-utils (= $five+b1)
Conflicts: nanomsg-utils
Replaces: nanomsg-utils
Description: Scalability Protocols on the command line
 nanocat sends and prints messages, in all the patterns of nanomsg; nanoqi
 talks to the object bus of libqi (QiMessaging, NAOqi robots). nanobench,
 local_lat, remote_lat, local_thr, remote_thr, inproc_lat and inproc_thr
 measure.
END
