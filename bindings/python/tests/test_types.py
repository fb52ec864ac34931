"""mypy --strict and pyright over the modules that need no more than `make test` installs, and over a program with them.

The modules for other frameworks are checked where those are: integrations/test_package_types.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import type_checks
from type_checks import PACKAGE

OURS = [
    "__init__.py", "_adapter.py", "_facts.py", "_model.py", "_onnx_graph.py", "_progress.py", "_settings.py",
    "_shard_worker.py", "_shards.py", "_similarity.py", "_state.py", "_temperature.py", "analysis.py", "bake_onnx.py",
    "cli.py", "encoder.py", "encoding.py", "errors.py", "longembed.py", "outputs.py", "pull.py", "quantization.py",
    "read_parquet.py", "reranker.py", "results.py", "streaming.py", "write_parquet.py",
]  # fmt: skip
PROGRAM = """
import treble
encoder = treble.SentenceEncoder("model", temperature="log:128", dtype="auto")
report = encoder.inspect(["a"], [0.8, "log:64"])
verdict: str = report.verdict
means: list[float | None] = [one.mean for one in report.bucket_cosine[0]]
gain: float = encoder.sweep("folder").held_out_gain.low
counts: int = int(encoder.token_counts("a")[0, 1])
place: int = treble.Reranker("model", dtype="auto").rank("q", ["a"])[0]["corpus_id"]
profile: treble.TemperatureProfile = encoder.calibrate(["a"]).profile
"""


def files(folder: Path) -> list[Path]:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    return [*(PACKAGE / name for name in OURS), *sorted((PACKAGE / "convert").glob("*.py")), program]


def test_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert type_checks.mypy(files(tmp_path), tmp_path, "mypy") == ""


def test_pyright(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    assert type_checks.pyright(files(tmp_path), tmp_path) == ""
