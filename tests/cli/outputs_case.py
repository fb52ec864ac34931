"""What the tests of sparse and multi-vector outputs share: a folder, the program, and .npz files without NumPy."""

from __future__ import annotations

import argparse
import ast
import json
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.Namespace(treble="", golden="")
FORMATS = {"<f4": "f", "|i1": "b", "<i4": "i", "<i8": "q"}


def read_array(content: bytes) -> Any:
    """A .npy of one dimension, of two as a list of rows, or of one text."""
    (size,) = struct.unpack("<H", content[8:10])
    header = ast.literal_eval(content[10 : 10 + size].decode())
    data = content[10 + size :]
    if header["descr"].startswith("|S"):
        return data.rstrip(b"\0").decode()
    kind = FORMATS[header["descr"]]
    values = list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))
    if len(header["shape"]) == 1:
        assert header["shape"] == (len(values),), header
        return values
    rows, width = header["shape"]
    assert rows * width == len(values), header
    return [values[at * width : (at + 1) * width] for at in range(rows)]


def read_npz(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name.removesuffix(".npy"): read_array(archive.read(name)) for name in archive.namelist()}


class OutputsCase(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write(self, texts: list[str]) -> Path:
        path = self.folder / "texts.jsonl"
        lines = [json.dumps({"id": f"t{index}", "text": text}) + "\n" for index, text in enumerate(texts)]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def run_treble(self, *arguments: str | Path, fails: bool = False) -> subprocess.CompletedProcess[str]:
        command = [ARGUMENTS.treble, *map(str, arguments)]
        done = subprocess.run(
            command, text=True, encoding="utf-8", capture_output=True, timeout=120, check=False, cwd=self.folder
        )
        self.assertEqual(done.returncode != 0, fails, done.stderr)
        return done


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
