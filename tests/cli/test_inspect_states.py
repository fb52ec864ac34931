#!/usr/bin/env python3
"""Drives `treble inspect` and `treble calibrate --state-norms` on a tiny Mamba-2 model whose states are made to grow.

Needs nothing but the standard library: `test_inspect_states.py --treble PROGRAM --bert FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from growing_states import HEAD_DIM, HEADS, LAYERS, STATE, TRAINED, text_of, write_model

ARGUMENTS = argparse.Namespace(treble="", bert="")


class States(unittest.TestCase):
    """A folder with the model and some texts for all tests."""

    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        write_model(cls.folder / "model")
        lengths = [20, 40, 80, 150, 300, 1500, 1600, 1700, 1800]
        (cls.folder / "texts.txt").write_text("".join(f"{text_of(n, i)}\n" for i, n in enumerate(lengths)))
        (cls.folder / "short.txt").write_text(f"{text_of(90, 0)}\n{text_of(127, 1)}\n")

    def treble(self, *arguments: str | Path, model: str | Path = "model") -> subprocess.CompletedProcess[str]:
        command = [ARGUMENTS.treble, *map(str, arguments), "--model", str(model), "--threads", "2"]
        environment = {name: value for name, value in os.environ.items() if name != "TREBLE_MODEL"}
        return subprocess.run(
            command, text=True, capture_output=True, timeout=120, check=False, cwd=self.folder, env=environment
        )

    def inspect(self, *options: str) -> tuple[dict, str]:
        """The report and what the terminal shows."""
        done = self.treble("inspect", "texts.txt", "--bootstrap", "50", "--json", "-", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = self.treble("inspect", "texts.txt", "--bootstrap", "50", *options)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return json.loads(done.stdout), shown.stdout

    def refused(self, code: int, *arguments: str, model: str | Path = "model") -> str:
        done = self.treble(*arguments, model=model)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr

    def test_collapse_is_seen_and_a_window_is_without(self) -> None:
        report, shown = self.inspect("--training-length", str(TRAINED), "--state", f"window:{TRAINED}")
        self.assertEqual(report["settings"], ["none", f"window:{TRAINED}"])
        self.assertEqual((report["num_states"], report["num_temperatures"]), (2, 0))
        self.assertEqual(report["states_canonical"], report["settings"])
        self.assertEqual(report["attention"], [])
        states = report["states"]
        self.assertEqual(states["training_length"], TRAINED)
        self.assertEqual(states["positions"], list(range(64, 1793, 64)))
        self.assertEqual((states["texts"][0], states["texts"][-1]), (4, 1))
        for head in states["heads"]:
            for measure in ("mean", "variance", "rms", "retention"):
                self.assertEqual(len(head[measure]), len(states["positions"]))
            for mean, variance, rms in zip(head["mean"], head["variance"], head["rms"], strict=True):
                self.assertGreater(variance, 0)
                self.assertLess(abs(mean), 1.00001 * rms)
            collapses = head["setting"] == 0 and head["head"] == 0
            self.assertEqual(head["growth"]["collapse"] is not None, collapses, head["growth"])
            variances = head["variance"]
            trained = max(variances[:2])
            self.assertAlmostEqual(head["growth"]["largest"] * trained / max(variances[2:]), 1, places=3)
        untouched, windowed = states["findings"]
        self.assertEqual((untouched["head"], untouched["collapsed_heads"], windowed["collapse"]), (0, 2, None))
        self.assertIn(f"States grow from token {untouched['collapse']:,} on (layer ", report["verdict"])
        self.assertIn(f"with window:{TRAINED} they stay within", report["verdict"])
        self.assertIn("window:128 holds the states best", shown)
        self.assertIn("collapse from", shown)
        self.assertNotIn("tau", shown)
        self.assertNotIn("temperature", shown.lower())
        table = shown[shown.index("\nStates, ") :]
        self.assertLessEqual(max(map(len, table.splitlines())), 100)

    def test_without_a_training_length_nothing_is_claimed(self) -> None:
        report, shown = self.inspect()
        self.assertIsNone(report["states"]["training_length"])
        self.assertTrue(all(head["growth"] is None for head in report["states"]["heads"]))
        self.assertIn("is unknown (--training-length N)", report["verdict"])
        self.assertIn("--training-length N", report["advice"][-1])
        self.assertIn("training length (unknown)", shown)

    def test_the_page(self) -> None:
        done = self.treble(
            "inspect", "texts.txt", "--bootstrap", "50", "--training-length", str(TRAINED), "--html", "states.html"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"training_length":128', (self.folder / "states.html").read_text())

    def test_what_does_not_apply_is_refused(self) -> None:
        self.assertIn("temperature 0.8 would change nothing", self.refused(69, "inspect", "texts.txt", "-t", "0.8"))
        self.assertIn("write none, rri:A,B", self.refused(64, "inspect", "texts.txt", "--state", "0.8"))
        self.assertIn("must be at least 1", self.refused(64, "inspect", "texts.txt", "--training-length", "0"))
        for option in (("--state", "window:9"), ("--training-length", "64")):
            said = self.refused(69, "inspect", "texts.txt", *option, model=ARGUMENTS.bert)
            self.assertIn("only Mamba-2 models have", said)

    def test_norms_hold_the_states(self) -> None:
        done = self.treble(
            "calibrate", "--state-norms", "--training-length", str(TRAINED), "texts.txt", "-o", "norms.json", "--force"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("from 6 texts of 128 tokens; use it with --state norm:norms.json", done.stderr)
        self.assertIn("smallest head", done.stdout)
        norms = json.loads((self.folder / "norms.json").read_text())
        self.assertEqual(norms["schema"], "treble.state_norms/1")
        self.assertEqual((norms["tokens"], norms["texts"], norms["model"]), (TRAINED, 6, "model"))
        self.assertEqual([len(layer) for layer in norms["max_norms"]], [HEADS] * LAYERS)
        report, _ = self.inspect("--training-length", str(TRAINED), "--state", "norm:norms.json")
        self.assertTrue(report["states_canonical"][1].startswith("norms:"))
        for head in report["states"]["heads"]:
            if head["setting"] == 1:
                norm = norms["max_norms"][head["layer"]][head["head"]]
                largest = max(head["rms"]) * math.sqrt(STATE * HEAD_DIM)
                self.assertLess(largest, norm * 1.0001)
        self.assertIsNone(report["states"]["findings"][1]["collapse"])
        said = self.refused(64, "inspect", "texts.txt", "--state", "norm:norms.json", "--json", "norms.json", "--force")
        self.assertIn("norms.json", said)
        self.assertEqual(json.loads((self.folder / "norms.json").read_text()), norms)

    def test_norms_that_cannot_be_made(self) -> None:
        norms = ("calibrate", "--state-norms", "-o", "other.json")
        trained = ("--training-length", str(TRAINED))
        self.assertIn(
            "none of the 2 texts has the 128 tokens of the training length, the longest has 127",
            self.refused(64, *norms, *trained, "short.txt"),
        )
        self.assertIn("give the training length", self.refused(64, *norms, "texts.txt"))
        for option in (("--lengths", "32"), ("--match", "entropy"), ("--reference-length", "32"), ("--per-head",)):
            said = self.refused(64, *norms, *trained, *option, "texts.txt")
            self.assertIn(f"{option[0]} is for a temperature profile", said)
        self.assertIn("needs --state-norms", self.refused(64, "calibrate", *trained, "-o", "other.json", "texts.txt"))
        self.assertIn("no attention", self.refused(69, "calibrate", "-o", "other.json", "texts.txt"))
        self.assertIn("has no states", self.refused(69, *norms, *trained, "texts.txt", model=ARGUMENTS.bert))
        self.assertFalse((self.folder / "other.json").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--bert", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.bert = os.path.abspath(ARGUMENTS.treble), os.path.abspath(ARGUMENTS.bert)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
