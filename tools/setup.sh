#!/usr/bin/env bash
# Installs everything that building and testing Treble needs: Debian packages, a Python .venv in the checkout, the
# tokenizer's crates. Idempotent, and quick when nothing changed. Expects python3, cargo, g++ and cmake to be there.
#
#   tools/setup.sh             build, and test all but the report's page
#   tools/setup.sh --browser   Chromium as well, for the test of the report's page
#   tools/setup.sh --fuzz      clang with its sanitizer run-time as well
#   tools/setup.sh --docs      Doxygen as well, for the API reference
set -euo pipefail
cd "$(dirname "$0")/.."

apt_packages=(ninja-build pkg-config libhwy-dev libeigen3-dev nlohmann-json3-dev libcli11-dev libfmt-dev libssl-dev zlib1g-dev libzstd-dev
  libgtest-dev libbenchmark-dev)
for option in "$@"; do
  case "$option" in
    --browser)
      # tests/CMakeLists.txt looks for the same names.
      command -v chromium >/dev/null || command -v google-chrome >/dev/null || apt_packages+=(chromium) ;;
    --fuzz) apt_packages+=(clang-19 libclang-rt-19-dev) ;;
    --docs) apt_packages+=(doxygen) ;;
    *) echo "setup.sh: unknown option '$option'; there are --browser, --fuzz and --docs" >&2; exit 64 ;;
  esac
done

say() { printf 'setup: %s\n' "$*"; }

for program in python3 cargo g++ cmake; do
  command -v "$program" >/dev/null || { say "'$program' is missing; install it first" >&2; exit 69; }
done

# The page of reports is built with Node.js (18 or later); any that is there will do.
command -v node >/dev/null || apt_packages+=(nodejs)
command -v npm >/dev/null || apt_packages+=(npm)
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_packages+=(python3-venv)
missing=()
for package in "${apt_packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing Debian packages: ${missing[*]}"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The stamp holds what the .venv was made from, so a changed pin rebuilds it and nothing else does.
wanted="$(cat tools/requirements.txt; python3 --version)"
if [ "$(cat .venv/.treble-stamp 2>/dev/null)" != "$wanted" ]; then
  say "installing Python packages into .venv"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tools/requirements.txt
  printf '%s' "$wanted" >.venv/.treble-stamp
fi

if [ -f rust/tokenizers_ffi/Cargo.lock ]; then
  cargo fetch --quiet --locked --manifest-path rust/tokenizers_ffi/Cargo.toml
fi
say "ready"
