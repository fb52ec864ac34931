#!/usr/bin/env python3
"""Every stored case gives sentence-transformers' vectors, or the named error; docs/differential.md.

Needs numpy: `test_stored.py --treble PROGRAM`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

try:
    import numpy  # noqa: F401
except ModuleNotFoundError:
    print("skipped: this Python has no numpy; tools/setup.sh prepares one that has")
    sys.exit(77)

from differential import stored  # noqa: E402
from differential.families import FAMILIES  # noqa: E402

ARGUMENTS = argparse.Namespace(treble=Path())


class StoredCases(unittest.TestCase):
    """One subtest a case."""

    def test_every_case(self) -> None:
        """The folder is made again from the case; nothing but numpy takes part."""
        for case in stored.load():
            with self.subTest(case.name), tempfile.TemporaryDirectory() as scratch:
                problem = case.problem(ARGUMENTS.treble, Path(scratch))
                self.assertEqual(problem, "", f"{case.name}: {case.case.switches}")

    def test_every_family_is_there(self) -> None:
        """At least two cases a family with vectors."""
        families = [case.case.family for case in stored.load() if not case.refused]
        for family in FAMILIES:
            self.assertGreaterEqual(families.count(family), 2, family)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True, type=Path)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
