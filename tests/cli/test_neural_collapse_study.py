#!/usr/bin/env python3
"""Drives studies/neural_collapse in small: networks on made-up digits, a tiny model on made-up labelled texts.

Needs numpy: `PYTHON test_neural_collapse_study.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "studies" / "neural_collapse"
sys.path[:0] = [str(STUDY), str(ROOT / "tools" / "golden")]

import digits  # noqa: E402
from network import Network, Recipe  # noqa: E402

import layers  # noqa: E402
import neural_collapse as twin  # noqa: E402

ARGUMENTS = argparse.Namespace(treble="", golden="")
CLASSES, PIXELS = 3, 12


class Study(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.out = self.folder / "out"

    def script(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, STUDY / name, "--treble", ARGUMENTS.treble, "--out", self.out, *arguments]
        done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def made_up_digits(self) -> Path:
        """Classes of 20 to 22 items around means of their own, from 0 to 16 as scikit-learn's are."""
        generator = np.random.default_rng(4)
        classes = np.repeat(np.arange(CLASSES), [20, 21, 22])
        means = generator.uniform(0, 16, (CLASSES, PIXELS))
        pixels = np.clip(means[classes] + 4 * generator.standard_normal((len(classes), PIXELS)), 0, 16)
        file = self.folder / "digits.csv"
        np.savetxt(file, np.column_stack([pixels, classes]), delimiter=",")
        return file


class Digits(Study):
    """Networks are trained, measured by the program and held against the model."""

    def small(self, epochs: int = 30) -> list[str | Path]:
        sizes = ["--seeds", "1", "--epochs", str(epochs), "--width", "8", "--train", "12"]
        return ["--data", self.made_up_digits(), *sizes]

    def test_gradients_are_those_of_the_loss(self) -> None:
        generator = np.random.default_rng(7)
        network = Network(PIXELS, 6, CLASSES, generator)
        x = generator.standard_normal((10, PIXELS))
        labels = np.eye(CLASSES)[generator.integers(0, CLASSES, 10)]
        parameters = [*network.weights, *network.biases]
        for parameter, gradient in zip(parameters, network.gradients(x, labels), strict=True):
            by_differences = np.zeros_like(parameter)
            for at in np.ndindex(parameter.shape):
                before = parameter[at]
                losses = []
                for step in (1e-6, -1e-6):
                    parameter[at] = before + step
                    losses.append(network.loss(x, labels))
                parameter[at] = before
                by_differences[at] = (losses[0] - losses[1]) / 2e-6
            np.testing.assert_allclose(gradient, by_differences, rtol=0, atol=1e-8)

    def test_a_network_is_measured_as_it_is_and_trained_as_asked(self) -> None:
        self.script("digits.py", *self.small())
        folder = self.out / "digits" / "seed-0"
        answers = {setting: json.loads((folder / f"{setting.replace(' ', '-')}.json").read_text())["answer"]
                   for setting in digits.SETTINGS}  # fmt: skip
        self.assertEqual([point["epoch"] for point in answers["base"]], [0, 1, 3, 10, 30])
        self.assertLess(answers["base"][-1]["loss"], 0.5 * answers["base"][0]["loss"])
        ends = {setting: points[-1]["weight_norms"] for setting, points in answers.items()}
        for layer, low, high in ((2, "last layer x2", "last layer x0"), (1, "features x2", "features x0")):
            self.assertLess(ends[low][layer], ends["base"][layer])
            self.assertGreater(ends[high][layer], ends["base"][layer])

        # The base again, without the program.
        data = digits.split(*digits.load(self.folder / "digits.csv"), 12, np.random.default_rng([0, 0]))
        self.assertEqual(len(data.held_out), 63 - 3 * 12)
        network = Network(PIXELS, 8, CLASSES, np.random.default_rng([0, 1]))
        recipe = Recipe(30, digits.BASE_DECAY, digits.BASE_DECAY)
        for _ in network.train(data.train, data.labels, recipe, np.random.default_rng([0, 2])):
            pass
        for on, x, classes in (
            ("train", data.train, data.train_classes),
            ("held-out", data.held_out, data.held_out_classes),
        ):
            measured = answers["base"][-1][on]
            self.assertEqual(measured["accuracy"], np.mean(network.scores(x).argmax(axis=1) == classes))
            for features, found in zip(network.features(x), measured["layers"], strict=True):
                expected = twin.metrics(features, classes, digits.BASE_DECAY * CLASSES)
                for key in digits.METRICS:
                    self.assertAlmostEqual(found[key], expected[key], delta=1e-9 * max(1, abs(expected[key])))

    def test_the_model_is_as_collapsed_as_the_network(self) -> None:
        self.script("digits.py", *self.small(100))
        folder = self.out / "digits" / "seed-0"
        network = json.loads((folder / "base.json").read_text())["answer"][-1]
        model = json.loads((folder / "model-100.json").read_text())["answer"]
        self.assertIsNotNone(model["beta"])
        found = model["settings"]["base"][1]
        self.assertAlmostEqual(found["nc1_traces"] / network["train"]["layers"][1]["nc1_traces"], 1, delta=0.2)
        for points in model["settings"].values():
            for point in points:
                self.assertLess(point["residual"], 1e-9)

    def test_a_beta_beyond_the_path_is_none(self) -> None:
        path = [{"beta": beta, "collapse": {"nc1_traces": value}} for beta, value in ((10, 0.9), (1, 0.3), (0.1, 0.1))]
        self.assertAlmostEqual(digits.beta_for(0.3, path), 1)
        self.assertAlmostEqual(digits.beta_for(0.3**0.5 * 0.1**0.5, path), 10**-0.5)
        self.assertIsNone(digits.beta_for(0.09, path))
        self.assertIsNone(digits.beta_for(1.0, path))

    def test_what_is_done_is_not_done_again(self) -> None:
        first = self.script("digits.py", *self.small(3))
        files = {file: file.stat().st_mtime_ns for file in self.out.rglob("*.json")}
        self.assertEqual(len(files), len(digits.SETTINGS) + 1)
        again = self.script("digits.py", *self.small(3))
        self.assertEqual(again.stdout, first.stdout)
        self.assertEqual({file: file.stat().st_mtime_ns for file in self.out.rglob("*.json")}, files)
        self.script("digits.py", *self.small(4))
        trained = self.out / "digits" / "seed-0" / "base.json"
        self.assertNotEqual(trained.stat().st_mtime_ns, files[trained])


class Layers(Study):
    """A tiny model on texts of three classes, each with words of its own."""

    def setUp(self) -> None:
        super().setUp()
        words = (("ferry", "harbour", "sea"), ("letter", "port", "wind"), ("the", "again", "leaves"))
        generator = random.Random(3)
        lines = [
            json.dumps({"text": " ".join(generator.choices(words[i % 3], k=4 + i % 5)), "label": f"class {i % 3}"})
            for i in range(48)
        ]
        for name, part in (("train", lines[:30]), ("test", lines[30:])):
            (self.folder / "made_up").mkdir(exist_ok=True)
            (self.folder / "made_up" / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in part))

    def layers(self, *options: str) -> subprocess.CompletedProcess[str]:
        small = ("--only", "model", "--sets", "made_up", "--dtype", "float32", "--bootstrap", "50")
        models = Path(ARGUMENTS.golden) / "bert"
        return self.script("layers.py", "--data", self.folder, "--models", models, *small, *options)

    def test_tables_are_what_the_program_answered(self) -> None:
        done = self.layers()
        kept = self.out / "layers" / "model" / "made_up.json"
        report = json.loads(kept.read_text())["answer"]
        self.assertEqual((report["classes"]["labelled_texts"], report["settings"]), (48, ["1", "0.9", "0.8", "0.7"]))
        one = layers.Inspected("model", "made_up", report)
        self.assertEqual(one.final()["texts"], 48)
        self.assertEqual([layer["layer"] for layer in one.layers(3)], list(range(len(one.layers()))))
        final = one.final()["accuracy"]
        self.assertIn(layers.interval(final, 100, 1), done.stdout)
        for found in one.findings["tighter_by_temperature"][1:]:
            self.assertIn(layers.interval(found), done.stdout)
        ratio = one.final()["nc1_traces"]["value"] / one.final(3)["nc1_traces"]["value"]
        self.assertAlmostEqual(one.findings["tighter_by_temperature"][3]["value"], ratio, delta=1e-3 * ratio)

        before = kept.stat().st_mtime_ns
        self.assertEqual(self.layers().stdout, done.stdout)
        self.assertEqual(kept.stat().st_mtime_ns, before)
        self.layers("--bootstrap", "40")
        self.assertNotEqual(kept.stat().st_mtime_ns, before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
