#!/usr/bin/env bash
# `make wheel`: the wheel for this Python in dist/, with the libraries and the program of build/release inside it.
#
# The extension is built in build/release too, so nothing is compiled twice and the wheel carries what was tested. What the
# platform's wheels may not rely on is copied in by auditwheel, which also finds out how old a system the wheel runs on.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
raw=build/wheel
rm -rf "$raw"
mkdir -p "$raw" dist

"$python" tools/third_party_licenses.py --wheel --output build/release/THIRD-PARTY-LICENSES
"$python" -m pip wheel . --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$raw" \
  -C build-dir=build/release -C cmake.define.TREBLE_BUILD_TESTS=ON
wheel=$(ls "$raw"/*.whl)
# The wheel's own library is found by its place in the package; oneDNN is inside already.
PATH="$(dirname "$(realpath -s "$python")"):$PATH" "$python" -m auditwheel repair --strip --wheel-dir dist "$wheel"
ls -l dist/*.whl
