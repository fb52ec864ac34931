"""mypy --strict and pyright over the package and over a program that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import treble
from golden_models import ROOT

PACKAGE = Path(treble.__file__).parent
OURS = [
    "__init__.py", "_model.py", "_progress.py", "_similarity.py", "_temperature.py", "analysis.py", "cli.py",
    "encoder.py", "encoding.py", "errors.py", "quantization.py", "results.py", "streaming.py",
]  # fmt: skip
PROGRAM = """
import treble
encoder = treble.SentenceEncoder("model", temperature="log:128", dtype="auto")
report = encoder.inspect(["a"], [0.8, "log:64"])
verdict: str = report.verdict
means: list[float | None] = [one.mean for one in report.bucket_cosine[0]]
gain: float = encoder.sweep("folder").held_out_gain.low
counts: int = int(encoder.token_counts("a")[0, 1])
profile: treble.TemperatureProfile = encoder.calibrate(["a"]).profile
"""


def check(command: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent), "PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def files(tmp_path: Path) -> list[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return [*(str(PACKAGE / name) for name in OURS), str(tmp_path / "program.py")]


def test_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    check(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir",
         str(ROOT / "build/mypy"), *files(tmp_path)],
        tmp_path,
    )  # fmt: skip


def test_pyright(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{PACKAGE.parent}"], "pythonVersion": "3.10"}}')
    check(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", str(tmp_path), *files(tmp_path)],
        tmp_path,
    )
