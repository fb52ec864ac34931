"""docs/integrations.md: every block of Python runs and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def name_of(code: str) -> str:
    """The first package that a snippet imports."""
    return re.search(r"^(?:from|import) (?!os\b|treble)(\w+)", code, re.MULTILINE)[1]


def test_every_block_of_python_is_run() -> None:
    assert len(SNIPPETS) == PAGE.count("```python\n") == 12


@pytest.mark.parametrize(("code", "expected"), SNIPPETS, ids=[name_of(code) for code, _ in SNIPPETS])
def test_a_snippet_prints_what_the_page_says(
    code: str, expected: str, model_path: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "models").symlink_to(Path(model_path).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HAYSTACK_TELEMETRY_ENABLED": "False"}
    if "DATABASE_URL" in code:
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == expected
