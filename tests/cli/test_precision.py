#!/usr/bin/env python3
"""`treble embed --precision`: every format holds the same numbers, runs resume, ranges belong to their vectors.

Needs numpy and pyarrow: `PYTHON test_precision.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

ARGUMENTS = argparse.Namespace(treble="", golden="")
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
DTYPES = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "uint8": np.uint8,
    "binary": np.int8,
    "ubinary": np.uint8,
}
TEXTS = 220


def as_numpy_does(vectors: np.ndarray, precision: str, ranges: np.ndarray) -> np.ndarray:
    """The formulas of sentence-transformers."""
    if precision in ("float32", "float16"):
        return vectors.astype(DTYPES[precision])
    if precision.endswith("binary"):
        bits = np.packbits(vectors > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    steps = (ranges[1] - ranges[0]) / 255
    levels = np.clip(np.floor((vectors - ranges[0]) / np.where(steps == 0, 1, steps)), 0, 255)
    return (levels if precision == "uint8" else levels - 128).astype(DTYPES[precision])


class Precision(unittest.TestCase):
    """A folder of its own for each test, with texts and the ranges of the first hundred of them."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        generator = random.Random(25)
        lines = [" ".join(generator.choices(WORDS, k=1 + i % 11)) for i in range(TEXTS)]
        self.texts = self.write("texts.txt", lines)
        self.few = self.write("few.txt", lines[:100])
        self.ranges = self.folder / "ranges.safetensors"
        self.out = self.folder / "v.npy"

    def write(self, name: str, lines: list[str]) -> Path:
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def run_treble(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [ARGUMENTS.treble, *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "TREBLE_PYTHON": sys.executable},
        )
        self.assertEqual(done.returncode, code, (command, done.stderr))
        return done

    def embed(self, *arguments: str | Path, code: int = 0) -> str:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        return self.run_treble("embed", "--model", model, *arguments, code=code).stderr

    def fit(self, *arguments: str | Path, code: int = 0) -> str:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        command = ("fit", "--model", model, "--transform", "ranges", "-o", self.ranges, *arguments)
        return self.run_treble(*command, code=code).stderr

    def options(self, precision: str) -> list[str | Path]:
        return ["--precision", precision, *(["--ranges", self.ranges] if precision.endswith("int8") else [])]

    def sidecar(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(Path(f"{self.out}.json").read_text())
        return result

    def reference(self, source: Path, *arguments: str | Path) -> np.ndarray:
        path = self.folder / "reference.npy"
        self.embed(source, "-o", path, "--force", "--quiet", *arguments)
        return np.load(path)

    def test_every_format_holds_what_numpy_would_make(self) -> None:
        said = self.fit(self.few)
        self.assertIn("the ranges of 32 dimensions in 100 texts", said)
        few = self.reference(self.few)
        ranges = np.stack([few.min(axis=0), few.max(axis=0)])
        vectors = self.reference(self.texts)
        for precision, dtype in DTYPES.items():
            expected = as_numpy_does(vectors, precision, ranges)
            columns = 4 if precision.endswith("binary") else 32
            said = self.embed(self.texts, "-o", self.out, "--force", *self.options(precision))
            self.assertIn(f"[{TEXTS}, {columns}] {precision}", said)
            found = np.load(self.out)
            self.assertEqual((found.dtype, found.shape), (np.dtype(dtype), (TEXTS, columns)))
            np.testing.assert_array_equal(found, expected, err_msg=precision)
            sidecar = self.sidecar()
            self.assertEqual((sidecar["precision"], sidecar["dim"]), (precision, 32))
            if precision.endswith("int8"):
                self.assertIn("lay outside the ranges and were clipped", said)
                stored = np.array([sidecar["ranges"]["min"], sidecar["ranges"]["max"]], dtype=np.float32)
                np.testing.assert_array_equal(stored, ranges)
                self.assertEqual(sidecar["ranges"]["fitted_on_texts"], 100)
            else:
                self.assertNotIn("ranges", sidecar)
            rows = self.folder / "v.jsonl"
            self.embed(self.texts, "-o", rows, "--force", *self.options(precision))
            lines = [json.loads(line) for line in rows.read_text().splitlines()]
            self.assertEqual(lines[0]["treble"]["precision"], precision)
            np.testing.assert_array_equal(np.array([row["embedding"] for row in lines[1:]], dtype=dtype), expected)
            table = self.folder / "v.parquet"
            self.embed(self.texts, "-o", table, "--force", *self.options(precision))
            column = pq.read_table(table).column("embedding").combine_chunks()
            self.assertEqual(column.type.list_size, columns)
            values = column.flatten().to_numpy(zero_copy_only=False)
            self.assertEqual(values.dtype, np.dtype(dtype))
            np.testing.assert_array_equal(values.reshape(-1, columns), expected)

    def test_bits_are_of_the_dimensions_that_were_kept(self) -> None:
        vectors = self.reference(self.texts)
        self.embed(self.texts, "-o", self.out, "--precision", "ubinary", "--dimensions", "13")
        found = np.load(self.out)
        np.testing.assert_array_equal(found, np.packbits(vectors[:, :13] > 0, axis=-1))
        self.assertEqual((found.shape[1], self.sidecar()["dim"]), (2, 13))

    def test_a_run_goes_on_in_its_precision(self) -> None:
        self.fit(self.few)
        for name in ("v.npy", "v.jsonl", "v.parquet"):
            self.out = self.folder / name
            for precision in ("int8", "binary", "float16"):
                whole = self.folder / f"whole_{name}"
                self.embed(self.texts, "-o", whole, "--force", *self.options(precision))
                self.embed(self.few, "-o", self.out, "--force", *self.options(precision))
                other = "ubinary" if precision == "binary" else "binary"
                refused = self.embed(self.texts, "-o", self.out, "--resume", "--precision", other, code=64)
                self.assertIn(f'precision = "{precision}", and this run has "{other}"', refused)
                self.embed(self.texts, "-o", self.out, "--resume", *self.options(precision))
                if name == "v.npy":
                    self.assertEqual(self.out.read_bytes(), whole.read_bytes())
                elif name == "v.jsonl":
                    rows = [path.read_text().splitlines()[1:] for path in (self.out, whole)]
                    self.assertEqual(*rows)
                else:
                    self.assertEqual(*(pq.read_table(path).to_pylist() for path in (self.out, whole)))

    def test_other_ranges_are_another_output(self) -> None:
        self.fit(self.few)
        self.embed(self.few, "-o", self.out, *self.options("int8"))
        moved = self.ranges.rename(self.folder / "moved.safetensors")
        self.embed(self.texts, "-o", self.out, "--resume", "--precision", "int8", "--ranges", moved)
        self.fit(self.texts)
        refused = self.embed(self.texts, "-o", self.out, "--resume", *self.options("int8"), code=64)
        self.assertIn("ranges/sha256", refused)

    def test_float32_is_what_it_was(self) -> None:
        self.embed(self.few, "-o", self.out)
        sidecar = self.sidecar()
        del sidecar["precision"]  # as an earlier version wrote it
        Path(f"{self.out}.json").write_text(json.dumps(sidecar))
        self.embed(self.texts, "-o", self.out, "--resume", "--precision", "float32")
        np.testing.assert_array_equal(np.load(self.out), self.reference(self.texts))

    def test_ranges_of_numpy(self) -> None:
        vectors = self.reference(self.texts)
        ranges = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
        np.save(self.folder / "ranges.npy", ranges)
        self.embed(self.texts, "-o", self.out, "--precision", "uint8", "--ranges", self.folder / "ranges.npy")
        np.testing.assert_array_equal(np.load(self.out), as_numpy_does(vectors, "uint8", ranges))
        for bad, message in (
            (ranges[:1], "an array of [1, 32]"),
            (ranges[::-1], "the minimum comes first"),
            (ranges[:, :8], "the ranges are of 8 dimensions, and the vectors have 32"),
        ):
            np.save(self.folder / "bad.npy", bad)
            code = 65 if "array" in message else 64
            command = (self.texts, "-o", self.out, "--force", "--precision", "int8")
            said = self.embed(*command, "--ranges", self.folder / "bad.npy", code=code)
            self.assertIn(message, said)
            self.assertIn("bad.npy", said)

    def test_ranges_belong_to_vectors(self) -> None:
        self.fit(self.few)
        for arguments, message in (
            (("--temperature", "0.7"), "fitted on vectors of temperature 1, these are of temperature 0.7"),
            (("--dimensions", "8"), "of 32 dimensions, and the vectors have 8"),
            (("--normalize=false",), "fitted on vectors of length 1, these are of length any"),
        ):
            said = self.embed(self.texts, "-o", self.out, *self.options("int8"), *arguments, code=64)
            self.assertIn(message, said)
            self.assertIn("ranges.safetensors", said)
        # Queries share the ranges of documents, whatever is put before them.
        self.embed(self.texts, "-o", self.out, *self.options("int8"), "--prompt", "query: ")

    def test_ranges_after_a_step(self) -> None:
        step = self.folder / "step.safetensors"
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        self.run_treble("fit", "--model", model, "--transform", "whitening:5", self.texts, "-o", step)
        self.fit(self.texts, "--post", step)
        self.embed(self.texts, "-o", self.out, "--post", step, *self.options("int8"))
        self.assertEqual(np.load(self.out).shape, (TEXTS, 5))
        vectors = self.reference(self.texts, "--post", step)
        ranges = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
        np.testing.assert_array_equal(np.load(self.out), as_numpy_does(vectors, "int8", ranges))
        said = self.embed(self.texts, "-o", self.out, "--force", *self.options("int8"), code=64)
        self.assertIn("of 5 dimensions, and the vectors have 32", said)
        said = self.embed(self.texts, "-o", self.out, "--force", "--post", self.ranges, code=65)
        self.assertIn("this is no transform", said)
        said = self.embed(self.texts, "-o", self.out, "--force", "--precision", "int8", "--ranges", step, code=65)
        self.assertIn("these are no ranges", said)

    def test_wrong_use_is_named_before_the_model_is_loaded(self) -> None:
        self.fit(self.few)
        for arguments, message in (
            (("--precision", "int8"), "treble fit --transform ranges"),
            (("--precision", "int4"), "float32, float16, int8, uint8, binary and ubinary"),
            (("--precision", "binary", "--ranges", self.ranges), "ranges are for int8 and uint8"),
            (("--ranges", self.ranges), "ranges are for int8 and uint8"),
        ):
            said = self.run_treble("embed", "--model", "nowhere", self.texts, *arguments, code=64).stderr
            self.assertIn(message, said)
        before = self.ranges.read_bytes()
        self.assertIn("exists", self.fit(self.texts, code=64))
        self.assertEqual(self.ranges.read_bytes(), before)
        one = self.write("one.txt", ["a letter"])
        self.assertIn("two texts", self.fit(one, "--force", code=64))
        two = self.write("two.txt", ["a letter", "a port"])
        self.assertIn("fit them on more", self.fit(two, "--force"))
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        command = ("fit", "--model", model, self.texts, "-o", self.folder / "x.safetensors")
        said = self.run_treble(*command, "--transform", "centring", "--post", "chunk-mean", code=64).stderr
        self.assertIn("--post goes with --transform ranges", said)
        self.assertIn("or ranges", self.run_treble(*command, "--transform", "median", code=64).stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args()
    vars(ARGUMENTS).update(vars(options))
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
