#!/usr/bin/env python3
"""Drives `incomplete_rg`: its three formats, the data of the figures, arguments that are wrong.

Needs nothing but the standard library: `test_program.py --program PROGRAM`.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(program="")
RESULTS = Path(__file__).resolve().parent / "results"
FILES = ("flows", "solitons", "transitions", "black_holes", "attractor", "convergence")
# What rounding leaves of a difference that has converged.
FLOOR = 1e-10


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.program, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=280, check=False)


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class Program(unittest.TestCase):
    def answer(self, *arguments: str | Path) -> str:
        done = run(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def refusal(self, code: int, *arguments: str | Path) -> str:
        done = run(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_formats_say_the_same(self) -> None:
        options = ("hawking-page", "--potential", "cosh", "--source", "1,2")
        as_json = json.loads(self.answer(*options, "--format", "json"))
        as_csv = read_csv(self.answer(*options, "--format", "csv"))
        table = self.answer(*options).splitlines()
        self.assertEqual(table[0].split(), list(as_csv[0]))
        self.assertEqual(len(as_json), len(as_csv))
        for record, row, line in zip(as_json, as_csv, table[1:], strict=True):
            self.assertEqual(list(record), list(row))
            self.assertEqual(line.split(), list(row.values()))
            self.assertAlmostEqual(record["pi_temperature"], math.pi * record["temperature"], delta=1e-14)
            self.assertAlmostEqual(float(row["radius"]), record["radius"], delta=1e-9)
        self.assertAlmostEqual(as_json[0]["radius"], 0.981015, delta=1e-6)
        self.assertLess(as_json[0]["difference"], 1e-9)

    def test_soliton_by_centre_and_by_source(self) -> None:
        options = ("soliton", "--potential", "cosh", "--format", "json")
        by_centre = json.loads(self.answer(*options, "--centre", "1"))
        self.assertAlmostEqual(by_centre["energy"], 0.168573, delta=1e-6)
        for method in ("both", "shooting", "collocation"):
            source = str(by_centre["source"])
            by_source = json.loads(self.answer(*options, "--source", source, "--method", method))
            for name in ("centre", "response", "energy", "length", "curvature_centre"):
                self.assertAlmostEqual(by_source[name], by_centre[name], delta=1e-9)

    def test_profiles(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "profile.csv"
            self.answer("soliton", "--potential", "quad", "--centre", "1", "--profile", path)
            soliton = read_csv(path.read_text())
            self.assertAlmostEqual(float(soliton[0]["phi"]), 1, delta=1e-6)
            self.assertAlmostEqual(float(soliton[0]["c_function"]), 6 / 7, delta=1e-6)
            self.answer("black-hole", "--potential", "quad", "--radius", "0.7", "--source", "1", "--profile", path)
            self.assertAlmostEqual(float(read_csv(path.read_text())[0]["r"]), 0.7, delta=1e-4)
            missing = Path(folder) / "missing" / "profile.csv"
            done = run("soliton", "--potential", "quad", "--centre", "1", "--profile", missing)
            self.assertEqual(done.returncode, 70)
            self.assertIn(f"cannot write {missing}: No such file", done.stderr)

    def test_scan_is_what_the_figures_show(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "new" / "results"
            summary = json.loads(self.answer("scan", "--out", out, "--format", "json"))
            self.assertLess(summary["largest_difference_solitons"], 1e-9)
            self.assertLess(summary["largest_difference_transitions"], 1e-9)
            for name in FILES:
                fresh = read_csv((out / f"{name}.csv").read_text())
                stored = read_csv((RESULTS / f"{name}.csv").read_text())
                self.assertEqual(len(fresh), summary[name])
                if name != "flows":  # their steps are the integrator's choice, which rounding may change
                    self.compare(name, fresh, stored)

    def compare(self, name: str, fresh: list[dict[str, str]], stored: list[dict[str, str]]) -> None:
        self.assertEqual(len(fresh), len(stored), name)
        for new, old in zip(fresh, stored, strict=True):
            self.assertEqual(list(new), list(old), name)
            for key, value in new.items():
                if key == "potential":
                    self.assertEqual(value, old[key])
                else:
                    close = math.isclose(float(value), float(old[key]), rel_tol=1e-7, abs_tol=FLOOR)
                    self.assertTrue(close, f"{name} {key}: {value} is not {old[key]}")

    def test_wrong_arguments(self) -> None:
        for arguments, said in (
            (("soliton", "--potential", "cosine", "--centre", "1"), "cosine"),
            (("soliton", "--potential", "quart", "--centre", "1.5"), "below 1.414214"),
            (("soliton", "--potential", "quad", "--centre", "-1"), "is -1, but must be at least 0"),
            (("soliton", "--potential", "quad", "--centre", "nan"), "is nan"),
            (("soliton", "--potential", "quad"), "--centre or --source"),
            (("soliton", "--potential", "quad", "--centre", "1", "--source", "1"), "--centre"),
            (("soliton", "--potential", "quad", "--centre", "1", "--method", "collocation"), "--source"),
            (("soliton", "--centre", "1"), "--potential is required"),
            (("black-hole", "--potential", "cosh", "--radius", "0", "--source", "1"), "is 0, but must be above 0"),
            (("black-hole", "--potential", "cosh", "--radius", "-2", "--source", "1"), "is -2, but must be above 0"),
            (("black-hole", "--potential", "cosh", "--radius", "inf", "--source", "1"), "is inf, but must be"),
            (("black-hole", "--potential", "cosh", "--radius", "1", "--source", "-1"), "is -1, but must be at least 0"),
            (("black-hole", "--potential", "cosh", "--radius", "1", "--source", "many"), "many"),
            (("hawking-page", "--potential", "cosh"), "--source is required"),
            (("hawking-page", "--potential", "cosh", "--source", "nan"), "source is nan"),
            (("scan",), "--out is required"),
            ((), "subcommand is required"),
        ):
            with self.subTest(arguments):
                self.assertIn(said, self.refusal(64, *arguments))

    def test_what_does_not_exist_or_converge(self) -> None:
        for arguments, said in (
            (("soliton", "--potential", "cosh", "--source", "100"), "sources up to 10.8"),
            (("black-hole", "--potential", "quart", "--radius", "1", "--source", "1e12"), "sources up to"),
            (("hawking-page", "--potential", "cosh", "--source", "1,100"), "no soliton with source 100"),
            (("hawking-page", "--potential", "quart", "--source", "1000", "--method", "shooting"), "to the digits"),
            (("soliton", "--potential", "cosh", "--source", "8"), "collocation does not converge"),
        ):
            with self.subTest(arguments):
                self.assertIn(said, self.refusal(1, *arguments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    known, rest = parser.parse_known_args()
    ARGUMENTS.program = known.program
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
