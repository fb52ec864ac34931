"""The outcome of an evaluation as rows: text for a terminal, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A task, the items of a length, a temperature. Scores and gains are in points: hundredths of the main score."""

    task: str
    main_score: str
    tokens: str
    """"all", a range as "65-128", or one of LongEmbed's lengths."""
    items: int
    """Queries, pairs or texts."""
    truncated: float
    """Share of items with a text longer than the model reads."""
    temperature: str
    score: float | None
    """None where there are fewer than 10 items, or where it is not defined."""
    gain: float | None
    """Over temperature 1."""
    low: float | None
    """The gain's 95 % interval; None at temperature 1."""
    high: float | None


def to_csv(rows: Sequence[Row]) -> str:
    """A heading line, then one line a row; empty where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def to_text(rows: Sequence[Row]) -> str:
    """One table a task: a line for each length and temperature, gains with their intervals in brackets."""
    lines = []
    for task in dict.fromkeys(row.task for row in rows):
        of_task = [row for row in rows if row.task == task]
        lines += [f"{task}: {of_task[0].main_score}, points", *_aligned([_HEADING, *map(_cells, of_task)]), ""]
    return "\n".join(lines)


_HEADING = ("tokens", "items", "truncated", "temperature", "score", "gain", "95 %")


def _cells(row: Row) -> tuple[str, ...]:
    interval = f"[{row.low:+.2f}, {row.high:+.2f}]" if row.low is not None else ""
    score = "-" if row.score is None else f"{row.score:.2f}"
    gain = "" if row.gain is None or not interval else f"{row.gain:+.2f}"
    return (row.tokens, str(row.items), f"{row.truncated:.0%}", row.temperature, score, gain, interval)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cells[column]) for cells in table) for column in range(len(table[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table]


def write_tables(folder: Path, rows: Sequence[Row], about: dict[str, Any]) -> None:
    """table.txt, table.csv and table.json (`about` and "rows")."""
    content = {
        "txt": to_text(rows),
        "csv": to_csv(rows),
        "json": json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n",
    }
    for suffix, text in content.items():
        part = folder / f"table.{suffix}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / f"table.{suffix}")
