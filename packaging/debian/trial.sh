#!/bin/sh
# Tries the packages in a whole Debian 12, beside Debian's programs that need nanomsg: trial.sh PACKAGES ROOT
#   PACKAGES  a directory with the packages, as `make deb` leaves it
#   ROOT      a directory for the system; debootstrap makes it if it is not there, and it stays
# Debian's programs run on Debian's library, then on ours, then on Debian's again; and a program is built with our packages.
# Needs root, debootstrap, and Debian's archive. Prints what each step took.
set -eu

[ $# = 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 1; }
packages=$(cd "$1" && pwd)
root=$2
here=$(cd "$(dirname "$0")" && pwd)
began=$(date +%s)
step() { echo "[$(($(date +%s) - began)) s] $*"; }

step 'a fresh Debian 12'
[ -e "$root/bin/sh" ] || debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian > "$root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# Servers are installed, not started.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
mkdir -p "$root/trial"
cp "$here"/trial/* "$packages"/*.deb "$root/trial"

inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -euc "cd /trial; $*"; }
install() {
    step "apt-get install $*"
    inside "apt-get install -y --no-install-recommends --allow-downgrades $*" > "$root.log" 2>&1 || { cat "$root.log"; exit 1; }
}
# same TEXT COMMAND: prints what the command prints, which must be that.
same() {
    expected=$1
    shift
    printed=$(inside "timeout 100 $*" 2>&1 || true)
    [ "$printed" = "$expected" ] || { echo "$*: expected '$expected' and got: $printed" >&2; exit 1; }
    echo "    $printed"
}
# What Debian's programs do, on the library that is of this package.
on() {
    step "Debian's programs on $1"
    same "$1" "dpkg -S \$(readlink -f /usr/lib/*/libnanomsg.so.5) | cut -d: -f1"
    same 'perl: Invalid argument' perl perl.pl
    same 'Tested: 2 | Passing: 2' "./criterion 2>&1 | sed -n 's/.*Synthesis: \(Tested: . | Passing: .\).*/\1/p'"
    same '{"janus":"pong","transaction":"42"}' sh janus.sh
    inside 'dpkg --audit && apt-get check' > /dev/null
}

inside apt-get update > "$root.log"
install libnanomsg5 nanomsg-utils libnanomsg-raw-perl libcriterion-dev janus gcc libc6-dev pkg-config man-db
inside gcc criterion.c -o criterion -lcriterion
on libnanomsg5
install ./libmillrace_*.deb
on libmillrace
install './*.deb'
on libmillrace
step 'a program with our packages'
same "the server got: hello
the client got: hello yourself" \
    'gcc /usr/share/doc/libmillrace-dev/examples/hello.c -o hello $(pkg-config --cflags --libs nanomsg) && ./hello'
same 'hello' 'nanocat --pull -L 5555 -A --count 1 & nanocat --push -l 5555 -D hello; wait'
same 'nn_send - send a message' "man -k . > /dev/null 2>&1; lexgrog /usr/share/man/man3/nn_send.3.gz | sed 's/.*\"\(.*\)\"/\1/'"
install libnanomsg5 nanomsg-utils
on libnanomsg5
step 'done'
