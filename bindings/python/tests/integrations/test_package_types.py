"""mypy --strict over the package, with the frameworks installed that its modules are for.

Those that need onnx are checked where that is: ../test_types.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import type_checks
from type_checks import PACKAGE

WITH_ONNX = ("bake_onnx.py", "_onnx_graph.py")


def files() -> list[Path]:
    # The folders in it are links too.
    walk = os.walk(PACKAGE, followlinks=True)
    found = [Path(folder, name) for folder, _, names in walk for name in names if name.endswith(".py")]
    assert PACKAGE / "mteb" / "_encoder.py" in found
    return sorted(path for path in found if path.name not in WITH_ONNX)


def test_mypy(tmp_path: Path) -> None:
    assert type_checks.mypy(files(), tmp_path, "mypy-integrations") == ""
