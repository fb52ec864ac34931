"""Weights of other formats made into model.safetensors: PyTorch's pickles (read without PyTorch) and GGUF.

    treble convert FOLDER -o NEW
    python -m treble.convert FOLDER -o NEW

Pickles are read as data: nothing in them is imported or called. Needs numpy; runs without the rest of Treble as well.
"""

from __future__ import annotations

from .conversion import Report, Written, convert
from .errors import ConvertError

__all__ = ["ConvertError", "Report", "Written", "convert"]
