"""mypy --strict and pyright over files, as test_types.py and integrations/test_package_types.py run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import treble
from golden_models import ROOT

PACKAGE = Path(treble.__file__).parent
"""Links to the sources, and the extension's stubs beside them."""


def mypy(files: list[Path], folder: Path, cache: str) -> str:
    """What mypy objects to; empty where it does not. `cache` is the name of a folder below build/."""
    options = ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / "build" / cache)]
    return _run([sys.executable, "-m", "mypy", *options, *map(str, files)], folder)


def pyright(files: list[Path], folder: Path) -> str:
    """What pyright objects to; empty where it does not. Its configuration is written into `folder`."""
    (folder / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{PACKAGE.parent}"], "pythonVersion": "3.10"}}')
    options = ["--pythonpath", sys.executable, "--project", str(folder)]
    return _run([sys.executable, "-m", "pyright", *options, *map(str, files)], folder)


def _run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent), "PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr
