#!/usr/bin/env bash
# Prepare .venv-peers: the engines that `make bench-peers` compares Treble with. Nothing else needs it. Does nothing when
# it is up to date. torch comes without its GPU packages, as in tools/setup_golden.sh.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv-peers"
requirements=("$root/tools/requirements-golden.txt" "$root/tools/requirements-peers.txt")
stubs="$root/tools/golden/gpu_stubs.py"
marker="$venv/.complete"
wanted="$(cat "${requirements[@]}" "$stubs" | sha256sum)"

if [[ -f "$marker" && "$(cat "$marker")" == "$wanted" ]]; then
  exit 0
fi

for program in cc nm readelf; do
  command -v "$program" >/dev/null || { echo "setup_peers: $program is missing (apt: gcc binutils)" >&2; exit 1; }
done

python3 -m venv --clear "$venv"
for list in "${requirements[@]}"; do
  "$venv/bin/python" -m pip install --quiet --no-deps --only-binary :all: --requirement "$list"
done
"$venv/bin/python" "$stubs"
"$venv/bin/python" -c "import ctranslate2, fastembed, matplotlib, nncf, onnxruntime, openvino, sentence_transformers"
printf '%s' "$wanted" >"$marker"
