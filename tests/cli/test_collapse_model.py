#!/usr/bin/env python3
"""Drives `treble collapse-model`: published figures, its three outputs, files that are wrong.

Needs nothing but the standard library: `test_collapse_model.py --treble PROGRAM`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="")
FLOW = {1: 4.720394, 3: 4.001532, 10: 2.832139, 30: 1.576463, 100: 0.364305}
PATH = {
    0.1: (3.261262, 0.05595186),
    1: (4.916972, 0.08456224),
    10: (5.563077, 0.10942157),
    100: (5.709470, 0.11412406),
    1000: (5.726076, 0.11463049),
}


def treble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, "collapse-model", *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=120, check=False, env=dict(os.environ))


def npy(rows: list[list[float]], kind: str = "<f8", header: str = "") -> bytes:
    text = header or f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    letter = {"<f4": "f", "<f8": "d"}.get(kind, "d")
    numbers = [value for row in rows for value in row]
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(text))
        + text.encode()
        + struct.pack(f"<{len(numbers)}{letter}", *numbers)
    )


class CollapseModel(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.rows = [[math.sin(0.7 * (a + 1) * (b + 1)) + (a == b // 10) for a in range(10)] for b in range(40)]
        self.features = self.folder / "features.npy"
        self.features.write_bytes(npy(self.rows))
        self.labels = self.folder / "labels.txt"
        self.labels.write_text("".join(f"class {b // 10}\n" for b in range(40)))

    def model(self, *arguments: str | Path) -> dict:
        done = treble(self.features, "--labels", self.labels, *arguments, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_reference_run(self) -> None:
        lambdas = ("--lambda-w", "0.05", "--lambda-h", "0.01")
        table = self.folder / "metrics.csv"
        report = self.model(*lambdas, "--beta", ",".join(map(str, PATH)), "--flow", "1,3,10,30,100", "--csv", table)
        self.assertEqual((report["kind"], report["items"], report["dim"]), ("collapse-model", 40, 10))
        self.assertEqual(report["classes"][2], {"label": "class 2", "items": 10})
        for key, value in {
            "within": 4.513910, "between": 0.788050, "nc1_traces": 5.727945, "nc1": 1.274827, "nc2": 0.247542,
            "nc3": 0.110340,
        }.items():  # fmt: skip
            self.assertAlmostEqual(report["given"][key], value, delta=5e-7)
        self.assertEqual([point["time"] for point in report["flow"]], list(FLOW))
        for point in report["flow"]:
            self.assertAlmostEqual(point["collapse"]["nc1_traces"], FLOW[point["time"]], delta=5e-7)
        for point in report["path"]:
            nc1, objective = PATH[point["beta"]]
            self.assertAlmostEqual(point["collapse"]["nc1_traces"], nc1, delta=5e-7)
            self.assertAlmostEqual(point["objective"], objective, delta=5e-9)
            self.assertLess(point["residual"], 1e-13)
            self.assertEqual(sum(one["count"] for one in point["perturbation"]["diagonal_block"]), 100)
        with table.open() as file:
            lines = list(csv.DictReader(file))
        self.assertEqual([line["kind"] for line in lines], ["given", *["beta"] * 5, *["time"] * 5])
        self.assertEqual(float(lines[-1]["nc1_traces"]), report["flow"][-1]["collapse"]["nc1_traces"])

    def test_the_study_of_the_theory(self) -> None:
        script = Path(__file__).resolve().parents[2] / "studies" / "neural_collapse" / "theory.py"
        command = [sys.executable, script, "--treble", ARGUMENTS.treble, "--out", self.folder / "study"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        readme = (script.parent / "README.md").read_text()
        for row in (
            "4.720394 | 0.828361 | 0.214375 | 0.009629",
            "3.261262 | 0.360561 | 0.142351 | 0.002658",
            "0.99539422",
        ):
            self.assertIn(row, done.stdout)
            self.assertIn(row, readme)

    def test_table_page_and_float32(self) -> None:
        self.features.write_bytes(npy(self.rows, "<f4"))
        page = self.folder / "page.html"
        done = treble(self.features, "--labels", self.labels, "--beta", "2", "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("40 items of 4 classes", "given (H0)", "beta 2", "eigenvalues of the diagonal block"):
            self.assertIn(words, done.stdout)
        self.assertIn('"kind":"collapse-model"', page.read_text().replace(" ", ""))
        again = treble(self.features, "--labels", self.labels, "--html", page)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("--force", again.stderr)

    def test_fortran_order_is_the_same_matrix(self) -> None:
        columns = [list(column) for column in zip(*self.rows, strict=True)]
        for kind in ("<f8", "<f4"):
            self.features.write_bytes(npy(self.rows, kind))
            expected = self.model("--beta", "2")
            header = f"{{'descr': '{kind}', 'fortran_order': True, 'shape': (40, 10), }}"
            self.features.write_bytes(npy(columns, kind, header))
            self.assertEqual(self.model("--beta", "2"), expected)

    def test_classes_of_several_sizes_say_why_there_is_no_first_order(self) -> None:
        self.labels.write_text("a\n" * 30 + "b\n" * 10)
        report = self.model("--beta", "0.5,5")
        self.assertIn("10 to 30 items", report["path"][0]["perturbation"]["unsupported"])
        self.assertLess(report["path"][0]["residual"], 1e-12)

    def test_labels_as_editors_and_shells_leave_them(self) -> None:
        plain = self.model("--beta", "2")
        windows = "\ufeff" + self.labels.read_text().replace("\n", "\r\n")
        self.labels.write_bytes(windows.encode())
        self.assertEqual(self.model("--beta", "2"), plain)
        self.labels.with_suffix(".gz").write_bytes(gzip.compress(windows.encode()))
        self.labels = self.labels.with_suffix(".gz")
        self.assertEqual(self.model("--beta", "2"), plain)

    def test_refusals(self) -> None:
        short = self.folder / "short.txt"
        short.write_text("a\nb\n")
        gap = self.folder / "gap.txt"
        gap.write_text("a\n\n" + "b\n" * 38)
        one = self.folder / "one.txt"
        one.write_text("a\n" * 40)
        cut = self.folder / "cut.npy"
        cut.write_bytes(npy(self.rows)[:-9])
        flat = self.folder / "flat.npy"
        flat.write_bytes(npy([[1.0, 2.0]], header="{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"))
        ints = self.folder / "ints.npy"
        ints.write_bytes(npy([[1.0, 2.0]], "<i8"))
        huge = self.folder / "huge.npy"
        huge.write_bytes(
            npy(self.rows, header="{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999999, 9), }")
        )
        nan = self.folder / "nan.npy"
        nan.write_bytes(npy([[math.nan] * 10, *self.rows[1:]]))
        for words, features, labels, options in (
            ("has 2 labels", self.features, short, ()),
            ("line 2 is empty", self.features, gap, ()),
            ("40 items of 1 classes", self.features, one, ()),
            ("there are 3191 bytes", cut, self.labels, ()),
            ("two dimensions", flat, self.labels, ()),
            ("<i8", ints, self.labels, ()),
            ("999999999999999 x 9", huge, self.labels, ()),
            ("number 0 of item 0", nan, self.labels, ()),
            ("not a .npy file", self.labels, self.labels, ()),
            ("nowhere", self.folder / "nowhere.npy", self.labels, ()),
            ("lambda_h must be above 0", self.features, self.labels, ("--lambda-h", "0")),
            ("beta must be at least 0", self.features, self.labels, ("--beta", "1,-1")),
            ("times must rise", self.features, self.labels, ("--flow", "3,1")),
        ):
            done = treble(features, "--labels", labels, *options)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(words, done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble = parsed.treble
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
