"""The Python of README.md and docs/python.md runs as it stands."""

from __future__ import annotations

import re

import pytest
from golden_models import ROOT

MODEL = ROOT / "models/all-MiniLM-L6-v2"


@pytest.mark.skipif(not MODEL.exists(), reason="tools/fetch_model.py all-MiniLM-L6-v2 brings the model of the examples")
@pytest.mark.filterwarnings("ignore::treble.TrebleWarning")
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_examples_run(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
