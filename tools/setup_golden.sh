#!/usr/bin/env bash
# Prepare an environment with PyTorch: by default .venv-golden, which writes reference data (tools/make_golden.py) and runs
# the peer in benchmarks. Neither building Treble nor `make test` needs one. Does nothing when it is up to date.
#
# Usage: tools/setup_golden.sh [FOLDER [REQUIREMENTS]]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${1:-$root/.venv-golden}"
requirements="${2:-$root/tools/requirements-golden.txt}"
stubs="$root/tools/golden/gpu_stubs.py"
marker="$venv/.complete"
wanted="$(cat "$requirements" "$stubs" | sha256sum)"

if [[ -f "$marker" && "$(cat "$marker")" == "$wanted" ]]; then
  exit 0
fi

for program in cc nm readelf; do
  command -v "$program" >/dev/null || { echo "setup_golden: $program is missing (apt: gcc binutils)" >&2; exit 1; }
done

python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --no-deps --only-binary :all: --requirement "$requirements"
"$venv/bin/python" "$stubs"
"$venv/bin/python" - <<'PYTHON'
import sentence_transformers
import torch

assert torch.equal(torch.ones(2, 2) @ torch.ones(2, 2), torch.full((2, 2), 2.0))
print(f"torch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}: ready")
PYTHON
printf '%s' "$wanted" >"$marker"
