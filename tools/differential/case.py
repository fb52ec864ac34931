"""A case: one model folder and its texts, described by a family and by the switches that differ from its defaults."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ABSENT = "<absent>"  # as a value: the key is left out

Switches = dict[str, Any]
TensorShapes = dict[str, list[int]]


@dataclass(frozen=True)
class Case:
    """Everything a folder depends on. `switches` maps "area.name" to the option chosen in place of the default."""

    family: str
    seed: int
    switches: Switches = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    tensors: TensorShapes | None = None  # names and shapes of the weights; only the family's own class knows them

    def without(self, switch: str) -> Case:
        """The case with one switch back at its default."""
        return replace(self, switches={key: value for key, value in self.switches.items() if key != switch})

    def area(self, name: str) -> Switches:
        """The switches of one area, by their short names."""
        prefix = name + "."
        return {key.removeprefix(prefix): value for key, value in self.switches.items() if key.startswith(prefix)}

    def to_json(self) -> dict[str, Any]:
        """The form in which cases are kept."""
        values = asdict(self) | {"texts": list(self.texts)}
        return {key: value for key, value in values.items() if value is not None}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Case:
        """Read what to_json wrote."""
        return Case(**(values | {"texts": tuple(values["texts"])}))

    @staticmethod
    def load(path: Path) -> Case:
        """Read one case's file."""
        return Case.from_json(json.loads(path.read_text(encoding="utf-8")))


def edited(values: dict[str, Any], changes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A copy of `values` with keys set, or left out where a change says so."""
    merged = dict(values)
    for change in changes:
        merged.update(change)
    return {key: value for key, value in merged.items() if value != ABSENT}


def write_json(path: Path, value: Any) -> None:
    """One form for every JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
