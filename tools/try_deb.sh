#!/usr/bin/env bash
# Installs the Debian package in a clean Debian root and runs the program there: tools/try_deb.sh [FILE.deb]. As root; needs
# debootstrap. The root is a folder under build/ and is removed afterwards.
#
# DEBIAN_MIRROR names another mirror than deb.debian.org.
set -euo pipefail
cd "$(dirname "$0")/.."
deb=${1:-$(ls -t build/release/package/treble_*.deb 2>/dev/null | head -1 || true)}
[ -f "$deb" ] || { echo "try_deb.sh: no package '${deb:-build/release/package/treble_*.deb}'; make deb makes one" >&2; exit 66; }
root=$PWD/build/try_deb
command -v debootstrap >/dev/null || { echo "try_deb.sh: debootstrap is missing (apt-get install debootstrap)" >&2; exit 69; }
[ "$(id -u)" = 0 ] || { echo "try_deb.sh: needs root, for debootstrap and chroot" >&2; exit 69; }
say() { printf '== %s\n' "$*"; }
trap 'rm -rf --one-file-system "$root"' EXIT
rm -rf --one-file-system "$root"

say "a clean Debian 12"
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 ||
  { tail -5 "$root.log" >&2; exit 1; }
cp -L /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp "$deb" "$root/tmp/treble.deb"
cp -r tests/golden/bert/model "$root/tmp/model"

say "installing $deb"
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends /tmp/treble.deb >>"$root.log" 2>&1 ||
  { tail -5 "$root.log" >&2; exit 1; }

say "running it"
chroot "$root" treble --version
printf 'a letter from the harbour\n' | chroot "$root" treble embed --model /tmp/model >"$root/tmp/rows"
[ "$(wc -l <"$root/tmp/rows")" = 2 ]
chroot "$root" bash -c '
  set -e
  treble serve --model /tmp/model --hostname 127.0.0.1 --port 0 2>/tmp/serve.log &
  until grep -q "listening on" /tmp/serve.log; do kill -0 $! || { cat /tmp/serve.log >&2; exit 1; }; sleep 0.1; done
  port=$(sed -n "s/.*listening on .*:\([0-9]*\)$/\1/p" /tmp/serve.log)
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf "GET /health HTTP/1.0\r\n\r\n" >&3
  head -1 <&3 | grep -q " 200 "
  exec 3>&-
  kill $!
  wait $!
  library=$(ldd /usr/bin/treble | sed -n "s/.*libtreble[^ ]* => \([^ ]*\).*/\1/p")
  if ldd /usr/bin/treble "$library" | grep "not found"; then exit 1; fi
  ldd "$library" | grep "libdnnl.*/lib/.*treble/libdnnl"
  for file in man/man1/treble.1 bash-completion/completions/treble zsh/vendor-completions/_treble doc/treble/THIRD-PARTY-LICENSES \
      doc/treble/copyright doc/treble/deploy/treble.service; do
    grep -qx "/usr/share/$file" /var/lib/dpkg/info/treble.list || { echo "/usr/share/$file is missing" >&2; exit 1; }
  done
  bash -n /usr/share/bash-completion/completions/treble
  apt-get remove -y -qq treble >/dev/null 2>&1
  [ ! -e /usr/bin/treble ] && [ ! -e "$library" ]'
say "installed, ran, removed"
