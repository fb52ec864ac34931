"""Models and expected values: tests/golden, written by tools/make_golden.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests/golden"


def read_safetensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    types = {"F32": np.float32, "I32": np.int32, "I64": np.int64}
    return {
        name: np.frombuffer(data[8 + size :][slice(*one["data_offsets"])], types[one["dtype"]]).reshape(one["shape"])
        for name, one in json.loads(data[8 : 8 + size]).items()
        if name != "__metadata__"
    }


class Golden:
    """A tiny model with what sentence-transformers computes from it."""

    def __init__(self, name: str) -> None:
        self.path = GOLDEN / name / "model"
        self.cases = json.loads((GOLDEN / name / "cases.json").read_text())
        self.expected = read_safetensors(GOLDEN / name / "expected.safetensors")
        self.texts: list[str] = self.cases["texts"]
