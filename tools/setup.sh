#!/usr/bin/env bash
# Installs what building Treble needs: Debian packages, a Python .venv in the checkout (oneDNN's wheels), the tokenizer's
# crates. Idempotent, and quick when nothing changed. Expects python3, cargo, g++ and cmake to be there.
#
#   tools/setup.sh             build the program
#   tools/setup.sh --python    what `pip install .` needs as well: Python's headers
#   tools/setup.sh --tests     build and run the tests, lint, models that come as ONNX
#   tools/setup.sh --browser   Chromium as well, for the test of the report's page
#   tools/setup.sh --fuzz      clang with its sanitizer run-time as well
#   tools/setup.sh --java      a Java for Spark as well, for make test-integrations
#   tools/setup.sh --docs      Doxygen as well, for the API reference
set -euo pipefail
cd "$(dirname "$0")/.."

apt_packages=(ninja-build pkg-config libhwy-dev libeigen3-dev nlohmann-json3-dev libcli11-dev libboost1.81-dev prometheus-cpp-dev libfmt-dev libssl-dev zlib1g-dev libzstd-dev)
requirements=(tools/requirements.txt)
python_headers() {
  python3 -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    apt_packages+=(python3-dev)
}
for option in "$@"; do
  case "$option" in
    --python) python_headers ;;
    --tests)
      python_headers
      apt_packages+=(libgtest-dev)
      requirements+=(tools/requirements-dev.txt) ;;
    --browser)
      # tests/CMakeLists.txt looks for the same names.
      command -v chromium >/dev/null || command -v google-chrome >/dev/null || apt_packages+=(chromium) ;;
    --fuzz) apt_packages+=(clang-19 libclang-rt-19-dev) ;;
    --java) command -v java >/dev/null || apt_packages+=(openjdk-17-jre-headless) ;;
    --docs) apt_packages+=(doxygen) ;;
    *) echo "setup.sh: unknown option '$option'; there are --python, --tests, --browser, --fuzz, --java and --docs" >&2; exit 64 ;;
  esac
done

say() { printf 'setup: %s\n' "$*"; }

for program in python3 cargo g++ cmake; do
  command -v "$program" >/dev/null || { say "'$program' is missing; install it first" >&2; exit 69; }
done

# The pages are built with Node.js (18 or later); any that is there will do. A release archive carries them built.
if [ ! -f apps/web/built/report.html ]; then
  command -v node >/dev/null || apt_packages+=(nodejs)
  command -v npm >/dev/null || apt_packages+=(npm)
fi
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

# A stamp for each list holds what was installed from it, so a changed pin is installed and nothing else is.
for list in "${requirements[@]}"; do
  stamp=".venv/.$(basename "$list" .txt)-stamp"
  wanted="$(cat "$list"; python3 --version)"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing Python packages of $list into .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$list"
    # Its first run fetches pyright itself from npm; a test should find it there.
    [ ! -x .venv/bin/pyright ] || .venv/bin/pyright --version >/dev/null
    printf '%s' "$wanted" >"$stamp"
  fi
done

cargo fetch --quiet --locked --manifest-path rust/tokenizers_ffi/Cargo.toml
say "ready"
