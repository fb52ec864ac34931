"""Archives of arrays as numpy writes them, for the writer of .npz files to equal."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

ARRAYS = {
    "values": np.array([[1.0, -2.5, 0.0], [3e-9, 7.0, 1e30]], dtype="<f4"),
    "offsets": np.array([0, 1, 2], dtype="<i8"),
    "codes": np.array([[-128, 0], [1, 127]], dtype="i1"),
    "none": np.zeros((0, 5), dtype="<f4"),
    "format": np.array(b"csr"),
    "empty": np.array(b""),
}


def write_all(root: Path) -> None:
    """Write both archives; in the second one, 21 bytes are more than fit in 32 bits."""
    np.savez(root / "arrays.npz", **ARRAYS)
    limit = zipfile.ZIP64_LIMIT
    zipfile.ZIP64_LIMIT = 20
    try:
        np.savez(root / "arrays-zip64.npz", **ARRAYS)
    finally:
        zipfile.ZIP64_LIMIT = limit
    print("multi-vector: arrays.npz, arrays-zip64.npz written")
