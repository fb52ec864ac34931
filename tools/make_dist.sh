#!/usr/bin/env bash
# Writes build/dist/treble-VERSION.tar.gz: the sources of the commit that is checked out, with the pages built,
# so that whoever builds from it needs no Node.js. The same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
version="$(sed -n 's/^project(treble VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)"
name="treble-$version"
out="build/dist"
git diff --quiet HEAD || { echo "make_dist.sh: there are changes that are not committed; the archive would lack them" >&2; exit 65; }
rm -rf "${out:?}/$name"
mkdir -p "$out/$name/apps/web/built"
git archive HEAD | tar -x -C "$out/$name"
tools/build_pages.sh "$out/$name/apps/web/built"
tools/third_party_licenses.py --page-only --output "$out/$name/apps/web/built/LICENSES.txt"
git rev-parse --short=12 HEAD >"$out/$name/COMMIT"
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime="@$(git log -1 --format=%ct)" \
  -C "$out" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
rm -rf "${out:?}/$name"
echo "$out/$name.tar.gz"
