"""What the three parts of the study share: running the program, keeping what it cost to find out, tables."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the options that every part has."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--out", type=Path, default=ROOT / "build" / "study-neural-collapse", help="keeps the answers")
    result.add_argument("--treble", default=os.environ.get("TREBLE", str(ROOT / "build/release/bin/treble")))
    result.add_argument("--plots", type=Path, help="folder for the picture; needs matplotlib")
    return result


def answer(treble: str, *arguments: str | Path) -> dict[str, Any]:
    """The JSON report of a command."""
    command = [treble, *map(str, arguments), "--json", "-"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def kept(path: Path, settings: dict[str, Any], find_out: Callable[[], Any]) -> Any:
    """What `find_out` returned with these settings, from the file if it is there, so that a run can be resumed."""
    if path.is_file():
        before = json.loads(path.read_text())
        if before["settings"] == settings:
            return before["answer"]
    found = find_out()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"settings": settings, "answer": found}, indent=1) + "\n")
    part.replace(path)
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]) + "\n"


def save_picture(figure: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name, dpi=90)
