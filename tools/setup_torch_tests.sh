#!/usr/bin/env bash
# Prepare .venv-torch-tests: pytest on top of the packages of .venv-golden (PyTorch, transformers,
# sentence-transformers), in which bindings/python/tests/torch runs. Does nothing when it is up to date.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv-torch-tests"
requirements="$root/tools/requirements-torch-tests.txt"
marker="$venv/.complete"

"$root/tools/setup_golden.sh"
wanted="$(cat "$requirements" "$root/.venv-golden/.complete" | sha256sum)"
if [[ -f "$marker" && "$(cat "$marker")" == "$wanted" ]]; then
  exit 0
fi

python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --no-deps --only-binary :all: --requirement "$requirements"
packages="$("$root/.venv-golden/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
printf '%s\n' "$packages" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/golden.pth"
"$venv/bin/python" -c 'import pytest, torch, sentence_transformers'
printf '%s' "$wanted" >"$marker"
