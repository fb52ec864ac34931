#!/usr/bin/env python3
"""Drives `treble fit` and `treble embed --post`: the numbers, what the output says, refusals, resuming.

Needs nothing but the standard library: `test_fit.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")


def treble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=120, check=False, env=dict(os.environ))


def model(name: str = "bert") -> tuple[str, Path]:
    return "--model", Path(ARGUMENTS.golden) / name / "model"


class Fit(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        generator = random.Random(3)
        self.texts = self.folder / "texts.txt"
        lines = [" ".join(generator.choices(WORDS, k=1 + i % 17)) for i in range(700)]
        self.texts.write_text("\n".join(lines) + "\n")
        self.post = self.folder / "post.safetensors"

    def done(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = treble(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def fit(self, transform: str, *arguments: str | Path) -> None:
        self.done("fit", *model(), "--transform", transform, self.texts, "-o", self.post, "--force", *arguments)

    def vectors(self, *arguments: str | Path) -> list[list[float]]:
        rows = [json.loads(line) for line in self.done("embed", *model(), self.texts, *arguments).stdout.splitlines()]
        return [row["embedding"] for row in rows if "embedding" in row]

    def test_centring_is_what_it_says(self) -> None:
        plain = self.vectors("--normalize=true")
        self.fit("centring", "--normalize=true")
        mean = [sum(column) / len(plain) for column in zip(*plain, strict=True)]
        for before, after in zip(plain, self.vectors("--normalize=true", "--post", self.post), strict=True):
            centred = [x - m for x, m in zip(before, mean, strict=True)]
            length = math.hypot(*centred)
            for x, y in zip(centred, after, strict=True):
                self.assertAlmostEqual(x / length, y, delta=2e-6)

    def test_whitening_keeps_as_many_dimensions_as_asked(self) -> None:
        self.fit("whitening:5")
        output = self.folder / "v.npy"
        self.done("embed", *model(), "--post", self.post, self.texts, "-o", output)
        sidecar = json.loads((self.folder / "v.npy.json").read_text())
        self.assertEqual((sidecar["dim"], sidecar["count"]), (5, 700))
        self.assertEqual((sidecar["post"]["transform"], sidecar["post"]["fitted_on_texts"]), ("whitening:5", 700))

    def test_without_a_step_the_output_says_none(self) -> None:
        output = self.folder / "v.npy"
        self.done("embed", *model(), self.texts, "-o", output)
        self.assertIsNone(json.loads((self.folder / "v.npy.json").read_text())["post"])

    def test_other_vectors_are_refused(self) -> None:
        self.fit("centring")
        for words, arguments in (
            ("temperature 1", ("embed", *model(), "--temperature", "0.8")),
            ("weights", ("embed", *model("roberta"))),
            ("dimensions", ("embed", *model(), "--dimensions", "8")),
        ):
            done = treble(*arguments, "--post", self.post, self.texts)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr)

    def test_another_fit_does_not_resume(self) -> None:
        output = self.folder / "v.npy"
        self.fit("all-but-the-top")
        self.done("embed", *model(), "--post", self.post, self.texts, "-o", output)
        self.done("embed", *model(), "--post", self.post, self.texts, "-o", output, "--resume")
        self.fit("all-but-the-top:2")
        done = treble("embed", *model(), "--post", self.post, self.texts, "-o", output, "--resume")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("post", done.stderr)

    def test_pieces(self) -> None:
        whole = self.vectors()
        pieces = self.vectors("--post", "chunk-mean:10")
        late = self.vectors("--post", "late-chunk:10")
        self.assertTrue(late not in (whole, pieces))
        short = [i for i, line in enumerate(self.texts.read_text().splitlines()) if len(line.split()) <= 2]
        self.assertGreater(len(short), 10)
        for i in short:
            self.assertEqual(whole[i], pieces[i])
            self.assertEqual(whole[i], late[i])
        self.assertNotEqual(whole, pieces)
        output = self.folder / "v.npy"
        self.done("embed", *model(), "--post", "chunk-mean:10", self.texts, "-o", output)
        sidecar = json.loads((self.folder / "v.npy.json").read_text())
        self.assertEqual((sidecar["post"], sidecar["tokens_lost"]), ({"transform": "chunk-mean:10"}, 0))
        done = treble("embed", *model(), "--post", "chunk-mean:11", self.texts, "-o", output, "--resume")
        self.assertIn("post", done.stderr)

    def test_refusals(self) -> None:
        one = self.folder / "one.txt"
        one.write_text("the sea\n")
        same = self.folder / "same.txt"
        same.write_text("the sea\n" * 9)
        for code, words, arguments in (
            (64, "no transform", ("--transform", "centering", self.texts)),
            (64, "at least 2 texts", ("--transform", "centring", one)),
            (64, "differ", ("--transform", "whitening", same)),
            (64, "different lengths", ("--transform", "length-direction", same)),
            (66, "absent", ("--transform", "centring", self.folder / "absent.txt")),
        ):
            done = treble("fit", *model(), *arguments, "-o", self.post)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertFalse(self.post.exists())
        self.fit("centring")
        done = treble("fit", *model(), "--transform", "centring", self.texts, "-o", self.post)
        self.assertIn("--force", done.stderr)
        self.post.write_bytes(self.post.read_bytes()[:-5])
        done = treble("embed", *model(), "--post", self.post, self.texts)
        self.assertEqual(done.returncode, 65, done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
