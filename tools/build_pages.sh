#!/usr/bin/env bash
# Builds the pages of apps/web and copies them to FOLDER, for CMake: tools/build_pages.sh FOLDER gives FOLDER/report.html and,
# of the server's page, FOLDER/page/{index.html,app.js,style.css,favicon.svg}. All build folders share one npm tree and one
# build, made anew when what they are made from changed; two builds at once wait for one another.
set -euo pipefail
out="$1"
cd "$(dirname "$0")/.."
project=apps/web
built=build/web
mkdir -p "$built" "$out/page"
exec 9>"$built/pages.lock"
flock 9

command -v npm >/dev/null || {
  echo "build_pages.sh: npm was not found; the pages are built with it. Run tools/setup.sh, or install nodejs (18 or later) and npm" >&2
  exit 69
}

# The stamp holds what was installed; it lies in what it describes, so that both go together.
wanted="$(sha256sum "$project/package-lock.json" | cut -d' ' -f1) node $(node --version)"
if [ "$(cat "$project/node_modules/.treble-stamp" 2>/dev/null)" != "$wanted" ]; then
  (cd "$project" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error) >&2
  printf '%s' "$wanted" >"$project/node_modules/.treble-stamp"
fi

inputs="$(find "$project" -path "$project/node_modules" -prune -o -path "$project/tests" -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat "$built/pages.stamp" 2>/dev/null)" != "$inputs" ]; then
  rm -f "$built/pages.stamp"
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  (cd "$project" && npm run --silent build) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  printf '%s' "$inputs" >"$built/pages.stamp"
fi
# Only what changed: what is compiled from the others stays as it is.
cmp -s "$built/report/index.html" "$out/report.html" || cp "$built/report/index.html" "$out/report.html"
for file in index.html app.js style.css favicon.svg; do
  cmp -s "$built/page/$file" "$out/page/$file" || cp "$built/page/$file" "$out/page/$file"
done
