"""Reading what `treble convert` wrote, and comparing it with tests/golden/convert."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[3] / "tests"
GOLDEN = TESTS / "golden"
sys.path.insert(0, str(TESTS))  # torch_pickles
CONVERT = GOLDEN / "convert"
EXPECTED: dict[str, dict[str, list[Any]]] = json.loads((CONVERT / "expected.json").read_text())


def read_safetensors(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """Type, shape and bytes of each tensor; the file must be whole, without gaps, its values aligned."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size])
    assert header.pop("__metadata__")["format"] == "pt"
    values, end, read = data[8 + size :], 0, {}
    for name, one in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, after = one["data_offsets"]
        assert begin == end, name
        end = after
        read[name] = (one["dtype"], one["shape"], values[begin:after])
    assert end == len(values)
    return read


def hashes(path: Path) -> dict[str, list[Any]]:
    """In the form of expected.json."""
    found = read_safetensors(path).items()
    return {name: [dtype, shape, hashlib.sha256(data).hexdigest()] for name, (dtype, shape, data) in found}


def folder_of(path: Path, name: str = "pytorch_model.bin", source: Path | bytes = b"") -> Path:
    """A model's folder with these weights."""
    path.mkdir(exist_ok=True, parents=True)
    (path / name).write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    return path
