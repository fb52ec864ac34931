#!/usr/bin/env bash
# Every style and static check; nothing is changed. `tools/lint.sh --fix` formats instead.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t cpp < <(git ls-files -co --exclude-standard '*.cc' '*.h' | grep -v '^rust/')
if [ "${1:-}" = --fix ]; then
  .venv/bin/clang-format -i "${cpp[@]}"
  .venv/bin/ruff format .
  cargo fmt --manifest-path rust/tokenizers_ffi/Cargo.toml
  exit 0
fi
.venv/bin/clang-format --dry-run --Werror "${cpp[@]}"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
cargo fmt --check --manifest-path rust/tokenizers_ffi/Cargo.toml
CARGO_TARGET_DIR=build/cargo cargo clippy --quiet --locked --release --all-targets --manifest-path rust/tokenizers_ffi/Cargo.toml -- -D warnings
mapfile -t sources < <(printf '%s\n' "${cpp[@]}" | grep -E '^(src|apps)/.*\.cc$' | grep -v -e _test.cc -e '^src/kernels/simd/')
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" .venv/bin/clang-tidy --quiet -p build/release
python3 tools/check_includes.py
