#!/usr/bin/env bash
# Builds the page of apps/report and copies it to FILE, for CMake: tools/build_report.sh FILE. All build folders share one
# npm tree and one build, made anew when what they are made from changed; two builds at once wait for one another.
set -euo pipefail
out="$1"
cd "$(dirname "$0")/.."
project=apps/report
built=build/web/report
mkdir -p build/web "$(dirname "$out")"
exec 9>build/web/report.lock
flock 9

command -v npm >/dev/null || {
  echo "build_report.sh: npm was not found; the report's page is built with it. Run tools/setup.sh, or install nodejs (18 or later) and npm" >&2
  exit 69
}

# The stamp holds what was installed; it lies in what it describes, so that both go together.
wanted="$(sha256sum "$project/package-lock.json" | cut -d' ' -f1) node $(node --version)"
if [ "$(cat "$project/node_modules/.treble-stamp" 2>/dev/null)" != "$wanted" ]; then
  (cd "$project" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error) >&2
  printf '%s' "$wanted" >"$project/node_modules/.treble-stamp"
fi

inputs="$(find "$project" -path "$project/node_modules" -prune -o -path "$project/tests" -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
if [ "$(cat "$built.stamp" 2>/dev/null)" != "$inputs" ]; then
  rm -f "$built.stamp"
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  (cd "$project" && npm run --silent build -- --logLevel warn --outDir "../../$built") >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  printf '%s' "$inputs" >"$built.stamp"
fi
# Only when it changed: what is compiled from it stays as it is otherwise.
cmp -s "$built/index.html" "$out" || cp "$built/index.html" "$out"
