#!/usr/bin/env python3
"""Drives `treble calibrate` on a tiny model: the profile it writes, and that `embed` takes it and says so.

Needs nothing but the standard library: `test_calibrate.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
TEXTS = "".join(
    f"{' '.join(f'the ferry {(word * (row + 3)) % 17} harbour' for word in range(60))}\n" for row in range(6)
)
SETTINGS = ("--reference-length", "16", "--lengths", "8,16,48", "--sample", "4")


def treble(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, text=True, capture_output=True, timeout=120, check=False, env=dict(os.environ)
    )


class Calibrate(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.model = Path(ARGUMENTS.golden) / "bert" / "model"

    def calibrate(self, name: str, *options: str) -> dict[str, object]:
        output = self.folder / name
        done = treble("calibrate", "--model", self.model, "-o", output, *SETTINGS, *options, "-", stdin=TEXTS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("logit scale", done.stdout)
        self.assertIn(f"match:{output}", done.stderr)
        profile = json.loads(output.read_text())
        self.check_direction(profile, done.stderr)
        return profile

    def check_direction(self, profile: dict, said: str) -> None:
        """Scales that flatten attention on texts longer than the reference are counted aloud."""
        beyond = [i for i, length in enumerate(profile["lengths"]) if length > profile["reference_length"]]
        scales = [head[i] for layer in profile["logit_scales"] for head in layer for i in beyond]
        flatter = sum(scale < 0.995 for scale in scales)
        if flatter:
            self.assertIn(f"{flatter} of {len(scales)} scales for texts longer than", said)
        else:
            self.assertNotIn("flatter", said)

    def embed(self, *options: str | Path) -> tuple[dict[str, object], list[list[float]]]:
        done = treble("embed", "--model", self.model, *options, stdin=TEXTS)
        self.assertEqual(done.returncode, 0, done.stderr)
        head, *rows = (json.loads(line) for line in done.stdout.splitlines())
        return head, [row["embedding"] for row in rows]

    def test_the_profile_says_where_it_comes_from(self) -> None:
        for match in ("filter-rate", "entropy"):
            profile = self.calibrate(f"{match}.json", "--match", match, "--seed", "7")
            self.assertEqual(profile["schema"], "treble.temperature_profile/1")
            self.assertEqual(profile["matched"], match.replace("-", "_"))
            self.assertEqual((profile["reference_length"], profile["texts"], profile["seed"]), (16, 4, 7))
            self.assertEqual(len(str(profile["weights_sha256"])), 64)
            self.assertEqual(profile["lengths"], [8, 16, 48])
            for heads in profile["logit_scales"]:
                self.assertEqual(len(heads), 1)
                self.assertEqual(heads[0][1], 1.0)

    def test_heads_apart_and_the_same_again_for_a_seed(self) -> None:
        first = self.calibrate("a.json", "--per-head")
        self.assertEqual(first["matched"], "entropy")
        self.assertEqual(first, self.calibrate("b.json", "--per-head"))
        self.assertEqual({len(heads) for heads in first["logit_scales"]}, {4})

    def test_embed_takes_and_records_it(self) -> None:
        self.calibrate("p.json")
        written = f"match:{self.folder / 'p.json'}"
        head, tempered = self.embed("--temperature", written)
        self.assertEqual(head["treble"]["temperature"], written)
        _, untouched = self.embed()
        self.assertNotEqual(tempered, untouched)

    def test_refusals(self) -> None:
        output = self.folder / "p.json"
        for code, needle, options, texts in (
            (64, "512", ("--lengths", "16,512"), TEXTS),
            (64, "have 48 tokens", SETTINGS, "short\n" * 5),
            (64, "--match", ("--match", "nothing"), TEXTS),
        ):
            done = treble("calibrate", "--model", self.model, "-o", output, *options, "-", stdin=texts)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(needle, done.stderr)
            self.assertFalse(output.exists())
        output.write_text("mine")
        done = treble("calibrate", "--model", self.model, "-o", output, *SETTINGS, "-", stdin=TEXTS)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--force", done.stderr)
        self.assertEqual(output.read_text(), "mine")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
