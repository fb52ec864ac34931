"""Run as `python -m treble.convert`, or as a file: `python …/convert/__main__.py`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def load_alone(name: str = "treble_convert") -> None:
    """This folder as a package of its own, without the one that it is part of."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(name, here / "__init__.py", submodule_search_locations=[str(here)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    package = __package__
    if not package:
        # Modules of this folder are not to be found under their bare names.
        sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
        try:
            import numpy  # noqa: F401
        except ImportError as missing:
            sys.exit(f"treble: error: converting needs the package numpy, which {sys.executable} lacks ({missing})")
        package = "treble_convert"
        load_alone(package)
    sys.exit(importlib.import_module(f"{package}.command").main())
