"""The stored slice: cases with the reference's vectors, checked with numpy alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from differential import folder as folders
from differential import modules, treble
from differential.case import Case
from differential.compare import TAUS, TOLERANCE, rows_apart

FILE = Path(__file__).resolve().parents[2] / "tests" / "differential" / "cases.jsonl"


@dataclass(frozen=True)
class Stored:
    """A case and what must come of it: vectors by temperature, or an error whose message fits `refused`."""

    name: str
    case: Case
    vectors: dict[float, np.ndarray]
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """One line of the file."""
        coded = {f"{tau:g}": encoded(rows) for tau, rows in self.vectors.items()}
        return {"name": self.name, "case": self.case.to_json(), "refused": self.refused, "vectors": coded}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Stored:
        """Read what to_json wrote."""
        case = Case.from_json(values["case"])
        vectors = {float(tau): decoded(text, len(case.texts)) for tau, text in values["vectors"].items()}
        return Stored(values["name"], case, vectors, values["refused"])

    def problem(self, program: Path, scratch: Path) -> str:
        """What is wrong with Treble's answer; empty when nothing is."""
        folder = scratch / "model"
        folders.write(self.case, folder)
        for tau in TAUS:
            options = modules.embed_options(self.case, tau)
            result = treble.embed(program, folder, self.case.texts, options, scratch)
            if self.refused:
                if not result.refused or not fits(self.refused, result.message):
                    return f"exit {result.code} {result.message!r}, wanted an error like {self.refused!r}"
            elif result.vectors is None:
                return f"tau {tau:g}: exit {result.code}: {result.message}"
            elif (apart := rows_apart(result.vectors, self.vectors[tau]).max()) > TOLERANCE:
                return f"tau {tau:g}: {apart:.2e} away from sentence-transformers"
        return ""


def fits(pattern: str, message: str) -> bool:
    """Whether an error says what it should."""
    return re.search(pattern, message) is not None


def encoded(rows: np.ndarray) -> str:
    """Little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(rows, dtype="<f4").tobytes()).decode()


def decoded(text: str, count: int) -> np.ndarray:
    """What encoded() wrote, a row a text."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").reshape(count, -1).astype(np.float64)


def load(path: Path = FILE) -> Iterator[Stored]:
    """Every stored case."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield Stored.from_json(json.loads(line))


def save(cases: list[Stored], path: Path = FILE) -> None:
    """Rewrite the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(stored.to_json(), ensure_ascii=True) for stored in cases)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
