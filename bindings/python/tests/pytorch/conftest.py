"""What the tests of treble.torch share: the models, and the program to compare with.

Run by `make test-integrations`. TREBLE names the program.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from peer_models import GOLDEN, NATIVE, ROOT, Embed, native_form, t5_as, texts


@pytest.fixture(scope="session")
def program() -> Path:
    """The built `treble`."""
    candidates = [Path(os.environ.get("TREBLE", "")), ROOT / "build/release/bin/treble"]
    found = next((path for path in candidates if path.is_file()), None)
    assert found, "the program is needed: make program"
    return found


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A model folder by name: a golden one, or one made of it in the form that transformers reads by itself."""

    def find(name: str) -> Path:
        if name in NATIVE:
            return native_form(name, tmp_path_factory.mktemp(name))
        if name in ("mt5", "umt5"):
            return t5_as(name, tmp_path_factory.mktemp(name))
        return GOLDEN / name / "model"

    return find


@pytest.fixture(scope="session")
def embed(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Embed:
    """The vectors of `treble embed` with further options."""
    scratch = tmp_path_factory.mktemp("embed")

    def run(folder: Path, *options: str) -> np.ndarray:
        source, output = scratch / "texts.jsonl", scratch / "vectors.npy"
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()), encoding="utf-8")
        command = [program, "embed", "--model", folder, "--format", "jsonl", "--force", "--quiet", "--threads", "1"]
        done = subprocess.run([*command, *options, source, "-o", output], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return np.load(output)

    return run
