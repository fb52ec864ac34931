#!/usr/bin/env bash
# Every style and static check; nothing is changed.
#
#   tools/lint.sh                       all files
#   tools/lint.sh --changed [--minutes N]
#                                       clang-tidy, which takes the longest, over what changed since the commit where this
#                                       branch left origin/main; on main itself since the last tag, and without a tag over
#                                       all files. The latest changes come first, and after N minutes it stops and says how
#                                       many files it did not see. All other checks see all files.
#   tools/lint.sh --quick               all but clang-tidy
#   tools/lint.sh --style               formatting, ruff and includes alone: seconds, and one of the tests
#
# clang-tidy sees headers through the .cc files that include them. Tests and src/kernels/simd are left out: what it objects to
# there are plain tables and Highway's idioms (aligned C arrays, a namespace for each instruction set).
set -euo pipefail
cd "$(dirname "$0")/.."
changed=
minutes=
while [ $# -gt 0 ]; do
  case "$1" in
    --fix) fix=1 ;;
    --changed) changed=1 ;;
    --quick) quick=1 ;;
    --style) style=1 ;;
    --minutes)
      shift
      minutes=${1:?"--minutes needs a number"} ;;
    *) echo "lint.sh: unknown option '$1'; there are --changed, --minutes, --quick, --style and --fix" >&2; exit 64 ;;
  esac
  shift
done
manifest=rust/tokenizers_ffi/Cargo.toml
mapfile -t cpp < <(git ls-files -co --exclude-standard '*.cc' '*.h' | grep -v '^rust/')
if [ -n "${fix:-}" ]; then
  .venv/bin/clang-format -i "${cpp[@]}"
  .venv/bin/ruff format .
  cargo fmt --manifest-path "$manifest"
  exit 0
fi

say() { printf 'lint: %s\n' "$*"; }

say "formatting, ruff, includes"
.venv/bin/clang-format --dry-run --Werror "${cpp[@]}"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
python3 tools/check_includes.py
cargo fmt --check --manifest-path "$manifest"
[ -z "${style:-}" ] || exit 0
say "clippy"
CARGO_TARGET_DIR=build/cargo cargo clippy --quiet --locked --release --all-targets --manifest-path "$manifest" -- -D warnings

[ -z "${quick:-}" ] || exit 0

# The commit since which files count as changed; nothing if there is no such.
base() {
  local commit
  commit="$(git merge-base HEAD origin/main 2>/dev/null || true)"
  if [ -n "$commit" ] && [ "$commit" != "$(git rev-parse HEAD)" ]; then
    echo "$commit"
  else
    git describe --tags --abbrev=0 2>/dev/null || true
  fi
}

is_source() { grep -E '^(src|apps|studies)/.*\.cc$' | grep -v -e '_test\.cc$' -e '^src/kernels/simd/' || true; }

mapfile -t sources < <(printf '%s\n' "${cpp[@]}" | is_source)
if [ -n "$changed" ]; then
  since="$(base)"
  # The latest changed first, so that a limit of time leaves out the oldest. A header stands for the .cc file of its name.
  mapfile -t latest < <({
    git diff --name-only HEAD
    git ls-files -o --exclude-standard
    git log --format= --name-only ${since:+"$since..HEAD"}
  } | sed 's/\.h$/.cc/' | awk '!seen[$0]++' | is_source)
  sources=()
  for file in "${latest[@]}"; do
    [ -f "$file" ] && sources+=("$file")
  done
  say "clang-tidy over ${#sources[@]} files changed since ${since:-the beginning}${minutes:+, for at most $minutes minutes}"
else
  say "clang-tidy over ${#sources[@]} files"
fi
[ ${#sources[@]} -gt 0 ] || exit 0

deadline=$(($(date +%s) + 60 * ${minutes:-100000}))
export deadline
skipped="$(mktemp)"
export skipped
trap 'rm -f "$skipped"' EXIT
# A folder that is configured only: clang-tidy needs each file's own command, which a unity build has not, and no
# precompiled headers, which clang passes over with a warning.
cmake --preset release -B build/lint -DTREBLE_UNITY_BUILD=OFF -DTREBLE_PRECOMPILED_HEADERS=OFF >build/lint-configure.log 2>&1 ||
  { cat build/lint-configure.log; exit 1; }
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
  if [ "$(date +%s)" -ge "$deadline" ]; then echo "$1" >>"$skipped"; exit 0; fi
  .venv/bin/clang-tidy --quiet -p build/lint "$1" 2> >(grep -v "warnings\? generated" >&2)' tidy
[ ! -s "$skipped" ] || say "time was up: clang-tidy did not see $(wc -l <"$skipped") of these files; make lint sees all"
