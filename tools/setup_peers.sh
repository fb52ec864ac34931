#!/usr/bin/env bash
# Prepare .venv-peers: the engines that `make bench-peers` compares Treble with. Nothing else needs it. Does nothing when
# it is up to date. torch comes without its GPU packages, as in tools/setup_golden.sh.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv-peers"
requirements=("$root/tools/requirements-golden.txt" "$root/tools/requirements-peers.txt")
from_source="$root/tools/requirements-peers-source.txt"
stubs="$root/tools/golden/gpu_stubs.py"
marker="$venv/.complete"
wanted="$(cat "${requirements[@]}" "$from_source" "$stubs" | sha256sum)"

if [[ -f "$marker" && "$(cat "$marker")" == "$wanted" ]]; then
  exit 0
fi

for program in cc c++ nm readelf; do
  command -v "$program" >/dev/null || { echo "setup_peers: $program is missing (apt: g++ binutils)" >&2; exit 1; }
done

python3 -m venv --clear "$venv"
for list in "${requirements[@]}"; do
  "$venv/bin/python" -m pip install --quiet --no-deps --only-binary :all: --requirement "$list"
done
"$venv/bin/python" "$stubs"

# llama.cpp is published as source alone. Its Python package is built for this CPU, without its tools and servers; the
# converter to its model format lies in the same archive and is kept beside it.
echo "setup_peers: building llama.cpp, some minutes"
sources="$(mktemp -d)"
trap 'rm -rf "$sources"' EXIT
"$venv/bin/python" -m pip download --quiet --no-deps --no-binary :all: --dest "$sources" --requirement "$from_source"
tar -xzf "$sources"/llama_cpp_python-*.tar.gz -C "$sources" --strip-components 1
CMAKE_ARGS="-DGGML_NATIVE=ON -DMTMD_BUILD=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF" \
  CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" "$venv/bin/python" -m pip install --quiet --no-deps "$sources"
rm -rf "$venv/llama.cpp" && mkdir "$venv/llama.cpp"
(cd "$sources/vendor/llama.cpp" && cp -r convert_hf_to_gguf.py conversion gguf-py "$venv/llama.cpp/")
"$venv/bin/python" -c "import ctranslate2, fastapi, fastembed, llama_cpp, matplotlib, nncf, onnxruntime, openvino, sentence_transformers, uvicorn"
printf '%s' "$wanted" >"$marker"
