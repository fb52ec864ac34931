"""docs/notebooks/corpus_to_baked_model.ipynb runs from top to bottom, and is committed without outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[4]
NOTEBOOK = ROOT / "docs/notebooks/corpus_to_baked_model.ipynb"


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert len(cells) == 10
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.fixture(scope="module")
def outputs() -> list[str]:
    """What each cell shows: its text, then its HTML."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # It finds the repository from where it lies, as it does for a reader.
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = []
    for cell in code_cells(notebook):
        parts = [output.get("text", "") for output in cell.outputs]
        parts += [
            output.data.get(kind, "")
            for output in cell.outputs
            if "data" in output
            for kind in ("text/plain", "text/html")
        ]
        shown.append("".join(parts))
    return shown


def test_each_cell_shows_what_it_is_for(outputs: list[str]) -> None:
    wanted = [
        "SentenceEncoder(",
        "600 texts; tokens: median",
        "(600, 384)",
        "<iframe",
        "0.8",
        "<iframe",
        "points [",
        "<table>",
        "baked-0.9",
        "baked at 0.9: largest difference",
    ]
    for cell, (output, part) in enumerate(zip(outputs, wanted, strict=True), 1):
        assert part in output, f"cell {cell} shows {output[:300]!r}"


def test_the_verdict_is_one_of_three(outputs: list[str]) -> None:
    assert any(word in outputs[6] for word in ("helps: ", "harms: ", "none: "))
