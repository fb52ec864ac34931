"""Runs `treble embed` on a folder as a user would."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NAMED_ERRORS = range(64, 70)  # sysexits.h, as docs/cli.md lists them; 70 is a fault of Treble's own
SECONDS = 60.0


@dataclass(frozen=True)
class Result:
    """Vectors, or how the program ended."""

    vectors: np.ndarray | None
    code: int = 0
    message: str = ""

    @property
    def refused(self) -> bool:
        """Ended with an error that says why."""
        return self.vectors is None and self.code in NAMED_ERRORS and bool(self.message.strip())


def command(program: Path, folder: Path, texts: Path, output: Path, options: dict[str, str]) -> list[str]:
    """The command line."""
    words = [str(program), "embed", "--model", str(folder), "--format", "jsonl", "--force", "--quiet", "--threads", "1"]
    words += [word for name, value in options.items() for word in (f"--{name}", value)]
    return [*words, str(texts), "-o", str(output)]


def embed(program: Path, folder: Path, texts: tuple[str, ...], options: dict[str, str], scratch: Path) -> Result:
    """Vectors of the texts, each computed by one run of the program."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    source, output = scratch / "texts.jsonl", scratch / "vectors.npy"
    source.write_text(lines, encoding="utf-8")
    output.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            command(program, folder, source, output, options),
            capture_output=True,
            timeout=SECONDS,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return Result(None, -1000, f"no end after {SECONDS:g} s")
    if done.returncode != 0:
        return Result(None, done.returncode, done.stderr.strip())
    return Result(np.load(output))
