#!/usr/bin/env bash
# Installs the wheel of `make wheel` into a clean virtual environment, in which there is no compiler, no cmake, no cargo and
# no node, and uses it: the program, the package, what the program needs Python for, the licences.
#
#   tools/try_wheel.sh [WHEEL]
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=$(realpath "${1:-$(ls -t dist/treble-*.whl | head -1)}")
python="${PYTHON:-.venv/bin/python}"
model="$PWD/tests/golden/bert/model"
size=$(stat --format %s "$wheel")
[ "$size" -le 60000000 ] || { echo "try_wheel: $wheel has $size bytes, the limit is 60,000,000" >&2; exit 1; }

scratch=$(mktemp -d)
trap '/bin/rm -rf "$scratch"' EXIT
"$python" -m venv "$scratch/venv"
cd "$scratch"
export PATH="$scratch/venv/bin"
for tool in gcc g++ c++ cc clang cmake ninja cargo node npm; do
  if command -v "$tool" >/dev/null; then echo "try_wheel: $tool can be found, so this proves nothing" >&2; exit 1; fi
done
start=$EPOCHREALTIME
python -m pip install --quiet --disable-pip-version-check "$wheel"
treble --help >help.txt
python - "$model" >vectors.txt <<'PYTHON'
import sys, treble
print(treble.SentenceEncoder(sys.argv[1]).encode(["a letter from the harbour", "hi"]).shape)
PYTHON
/bin/echo "try_wheel: installed and used in $(( (${EPOCHREALTIME/./} - ${start/./}) / 1000 )) ms"
[ "$(<vectors.txt)" = "(2, 32)" ]

python - "$model" <<'PYTHON'
import importlib.metadata, os, pathlib, subprocess, sys, treble
from treble import cli

model = sys.argv[1]
assert importlib.metadata.version("treble") == treble.__version__
assert [str(need).split(";")[0].split(">")[0] for need in importlib.metadata.requires("treble") if "extra" not in need] == ["numpy"]
done = subprocess.run(["treble", "embed", "-m", model, "-q"], input="the cat\n", capture_output=True, text=True, check=True)
assert '"embedding"' in done.stdout, done.stdout
package = pathlib.Path(treble.__file__).parent
assert cli.program().is_relative_to(package)
# Every library that the wheel brings is in its licences.
licences = (package / "THIRD-PARTY-LICENSES").read_text()
carried = [path.name for folder in ("treble", "treble.libs") for path in (package.parent / folder).rglob("*.so*")]
owners = {"libdnnl": "oneDNN", "libfmt": "libfmt", "libhwy": "libhwy", "libcrypto": "libssl", "libgomp": "libgomp",
          "libzstd": "libzstd", "libz": "zlib", "libprometheus": "libprometheus-cpp-core", "_treble": "nanobind", "libtreble": "tokenizers"}
for name in carried:
    stem = name.split(".")[0].split("-")[0]
    assert owners[stem] in licences, f"{name} is carried, and THIRD-PARTY-LICENSES says nothing of it"
# Nothing of it comes from the machine that built it, or is found anywhere but in the wheel.
loaded = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
system = ("libc.so", "libm.so", "libstdc++", "libgcc_s", "libpthread", "libdl", "ld-linux", "librt", "libz.so", "libutil")
for path in loaded:
    if "site-packages" in path or "lib-dynload" in path or "libpython" in path: continue
    assert pathlib.Path(path).name.startswith((*system, "libcrypt", "libssl", "libffi", "libbz2", "liblzma", "libuuid", "libexpat", "libmpdec")), path
print("try_wheel:", len(carried), "libraries in", package)
PYTHON
python - "$model" <<'PYTHON'
import json, re, subprocess, sys, urllib.request
import treble

command = ["treble", "serve", "-m", sys.argv[1], "--hostname", "127.0.0.1", "--port", "0"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
    address = next(found[1] for line in server.stderr if (found := re.search(r"listening on (\S+)", line)))
    request = urllib.request.Request(address + "/embed", b'{"inputs": "the cat"}', {"Content-Type": "application/json"})
    vector = json.load(urllib.request.urlopen(request))[0]
    server.terminate()
    server.stderr.read()
assert server.returncode == 0, server.returncode
assert max(abs(treble.SentenceEncoder(sys.argv[1]).encode("the cat") - vector)) < 1e-6
PYTHON
python -m pip install --quiet --disable-pip-version-check pyarrow
python - "$model" <<'PYTHON'
import subprocess, sys
import pyarrow as pa, pyarrow.parquet as pq, numpy as np, treble
pq.write_table(pa.table({"text": ["the cat", "a dog"]}), "texts.parquet")
subprocess.run(["treble", "embed", "-m", sys.argv[1], "-q", "texts.parquet", "-o", "vectors.npy"], check=True)
np.testing.assert_allclose(np.load("vectors.npy"), treble.SentenceEncoder(sys.argv[1]).encode(["the cat", "a dog"]), atol=1e-6)
PYTHON
/bin/echo "try_wheel: $wheel is fine: $size bytes"
