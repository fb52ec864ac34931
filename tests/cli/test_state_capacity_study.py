#!/usr/bin/env python3
"""Drives studies/state_capacity without PyTorch: the recurrence on the committed model, the stored results and tables.

Needs numpy: `PYTHON test_state_capacity_study.py`. Training is tried by studies/state_capacity/test_training.py.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "studies" / "state_capacity"
sys.path.insert(0, str(STUDY))

import collapse  # noqa: E402
import laws  # noqa: E402
import prompts  # noqa: E402
import recurrence  # noqa: E402
import report  # noqa: E402
from laws import Bracket  # noqa: E402
from places import MODEL, RESULTS, TRAINING_LENGTH  # noqa: E402
from recurrence import Control, Inputs, Model  # noqa: E402

TOLERANCE = 1e-5


class Recurrence(unittest.TestCase):
    """Against transformers, against sums written out."""

    def setUp(self) -> None:
        self.model = Model.load(MODEL)
        self.expected = recurrence.read_tensors(MODEL.parent / "expected.safetensors")

    def inputs(self, tokens: int) -> Inputs:
        generator = np.random.default_rng(3)

        def normal(*shape: int) -> np.ndarray:
            return generator.standard_normal((tokens, 2, *shape)).astype(np.float32)

        return Inputs(normal(3, 4), generator.uniform(0.5, 1, (tokens, 2, 3)).astype(np.float32), normal(5), normal(5))

    def by_hand(self, inputs: Inputs, window: int) -> np.ndarray:
        """The sum over the last `window` tokens, each decayed by all that came after it."""
        y = np.zeros(inputs.x.shape)
        for t in range(len(y)):
            for s in range(max(0, t - window + 1), t + 1):
                decay = np.prod(inputs.alpha[s + 1 : t + 1].astype(float), axis=0)
                weight = (inputs.b[s].astype(float) * inputs.c[t]).sum(axis=-1)
                y[t] += decay[..., None] * weight[:, None, None] * inputs.x[s]
        return y

    def test_logits_are_those_of_transformers(self) -> None:
        for length in (1, 65, 200):
            logits, _ = self.model.run(self.expected[f"ids/{length}"][None])
            np.testing.assert_allclose(logits[0], self.expected[f"logits/{length}"], rtol=0, atol=TOLERANCE)

    def test_a_text_is_the_same_alone_and_in_a_batch(self) -> None:
        tokens, _ = prompts.passkey_batch(128, 3, 1)
        together, _ = self.model.run(tokens, Control.parse("norm:4"))
        alone, _ = self.model.run(tokens[1:2], Control.parse("norm:4"))
        np.testing.assert_allclose(together[1:2], alone, rtol=0, atol=TOLERANCE)

    def test_controlled_logits_are_those_stored(self) -> None:
        names = [name for name in self.expected if name.startswith("control/")]
        self.assertEqual(len(names), 5)
        for name in names:
            control = Control.parse(name.removeprefix("control/"))
            logits, _ = self.model.run(self.expected["ids/control"][None], control, last=5)
            np.testing.assert_allclose(logits[0], self.expected[name], rtol=0, atol=2 * TOLERANCE)
        changed = [np.abs(self.expected[name] - self.expected["control/none"]).max() for name in names[1:]]
        self.assertGreater(min(changed), 0.1)

    def test_a_window_is_the_sum_over_it(self) -> None:
        inputs = self.inputs(40)
        for window in (1, 7, 39, 40):
            y, _ = recurrence.scan(inputs, Control(window=window), watch=False)
            np.testing.assert_allclose(y, self.by_hand(inputs, window), rtol=0, atol=TOLERANCE)

    def test_controls_that_change_nothing_are_exact(self) -> None:
        inputs = self.inputs(30)
        untouched, _ = recurrence.scan(inputs, Control(), watch=False)
        for name in ("rri:1,1", "window:30", "window:99", "norm:inf"):
            y, _ = recurrence.scan(inputs, Control.parse(name), watch=False)
            np.testing.assert_array_equal(y, untouched, err_msg=name)

    def test_retaining_and_inserting_less(self) -> None:
        inputs = self.inputs(20)
        less = Inputs(inputs.x, inputs.alpha * np.float32(0.9), inputs.b * np.float32(0.5), inputs.c)
        y, _ = recurrence.scan(inputs, Control.parse("rri:0.9,0.5"), watch=False)
        np.testing.assert_allclose(y, self.by_hand(less, 20), rtol=0, atol=TOLERANCE)

    def test_a_norm_is_held(self) -> None:
        inputs = self.inputs(30)
        _, free = recurrence.scan(inputs, Control(), watch=True)
        limit = float(np.median(free.norm))
        _, held = recurrence.scan(inputs, Control(norm=limit), watch=True)
        self.assertGreater(free.norm.max(), 1.1 * limit)
        self.assertLess(held.norm.max(), limit * (1 + 1e-5))
        first = int(np.argmax(free.norm.max(axis=1) > limit))
        np.testing.assert_array_equal(held.norm[:first], free.norm[:first])

    def test_a_state_is_watched_as_it_is(self) -> None:
        inputs = self.inputs(12)
        _, watched = recurrence.scan(inputs, Control(), watch=True)
        state = recurrence.State(inputs)
        for t in range(12):
            state.step(t)
            np.testing.assert_allclose(
                watched.mean[t], state.value.mean(axis=(2, 3)).mean(axis=0), rtol=1e-4, atol=1e-6
            )
            np.testing.assert_allclose(watched.variance[t], state.value.var(axis=(2, 3)).mean(axis=0), rtol=1e-4)
            retention = np.prod(inputs.alpha[1 : t + 1], axis=0).mean(axis=0)
            np.testing.assert_allclose(watched.retention[t], retention, rtol=1e-4)

    def test_controls_that_are_none(self) -> None:
        for text in ("", "rri", "rri:1", "window:x", "decay:1"):
            with self.assertRaises(ValueError, msg=text):
                Control.parse(text)


class Prompts(unittest.TestCase):
    """The tokenizer's file and the prompts agree."""

    def test_the_vocabulary_is_that_of_the_tokenizer(self) -> None:
        file = json.loads((MODEL / "tokenizer.json").read_text())
        self.assertEqual(file["model"]["vocab"], prompts.IDS)
        self.assertEqual(json.loads((MODEL / "config.json").read_text())["vocab_size"], len(prompts.VOCABULARY))
        self.assertEqual(prompts.pieces("a 12\n\nb."), ["a", "1", "2", "\n", "\n", "b", "."])
        self.assertEqual(prompts.ids_of("zebra"), [prompts.IDS["<unk>"]])

    def test_the_passkey_takes_a_block_s_place(self) -> None:
        blocks = prompts.blocks_for(400)
        self.assertEqual(blocks, (400 - 28 - 8) // 24)
        for depth in (0.0, 0.49, 0.975):
            prompt = prompts.passkey_prompt(400, depth, "12345")
            at = 28 + 24 * int(depth * (blocks - 1))
            self.assertEqual(
                prompt[at : at + 21], prompts.ids_of("The passkey is 12345. Remember it. 12345 is the passkey.")
            )
            rest = prompt[:at] + prompts.FILLER_IDS + prompt[at + 21 :]
            self.assertEqual(rest, prompts.PREFIX_IDS + prompts.FILLER_IDS * blocks + prompts.QUESTION_IDS)

    def test_texts_to_learn_from_ask_for_the_key_they_have(self) -> None:
        tokens, aims = prompts.Texts(256).batch(np.random.default_rng(1), 50)
        self.assertEqual(tokens.shape, (50, 256))
        digits = {prompts.IDS[digit] for digit in prompts.DIGITS}
        for text, asked in zip(tokens, aims, strict=True):
            keys = text[asked].reshape(-1, prompts.KEY_DIGITS)
            self.assertTrue(set(keys[-1].tolist()) <= digits)
            for key in keys[:-1]:
                # An earlier answer may be cut short by the question at the end.
                of_key = int(np.isin(key, list(digits)).sum())
                self.assertEqual(key[:of_key].tolist(), keys[-1][:of_key].tolist())
            block = prompts.passkey_ids("".join(prompts.VOCABULARY[digit] for digit in keys[-1]))
            self.assertIn(block, np.lib.stride_tricks.sliding_window_view(text, len(block)).tolist())
        self.assertTrue(1 < aims.sum(axis=1).mean() / prompts.KEY_DIGITS < 4)


class Collapse(unittest.TestCase):
    """The committed model again, in part."""

    def setUp(self) -> None:
        self.results = json.loads((RESULTS / "passkey.json").read_text())
        self.model = Model.load(MODEL)

    def test_what_is_stored_is_what_is_measured(self) -> None:
        settings = self.results["settings"]
        for name, length in (("none", 128), ("none", 512), ("window:256", 512)):
            stored = self.results["controls"][name]["recalled"][settings["lengths"].index(length)]
            again = collapse.recalled(self.model, length, settings["samples"], Control.parse(name))
            self.assertAlmostEqual(again, stored, delta=1.01 / settings["samples"], msg=f"{name}, {length}")
        for name in ("none", "window:128"):
            again = collapse.text_loss(self.model, settings["edges"], settings["texts"], Control.parse(name))
            stored = self.results["controls"][name]["text_loss"]
            np.testing.assert_allclose(again, stored, rtol=0, atol=1e-3, err_msg=name)

    def test_it_collapses_and_control_mends_it(self) -> None:
        controls, lengths = self.results["controls"], self.results["settings"]["lengths"]
        untouched = dict(zip(lengths, controls["none"]["recalled"], strict=True))
        self.assertEqual(min(share for length, share in untouched.items() if length <= TRAINING_LENGTH), 1)
        self.assertLess(untouched[1024], 0.05)
        windowed = dict(zip(lengths, controls["window:256"]["recalled"], strict=True))
        self.assertGreater(windowed[1024], untouched[1024] + 0.1)
        self.assertGreater(controls["none"]["text_loss"][-1], controls["none"]["text_loss"][0] + 0.5)
        for name in ("window:128", "norm:4", "rri:0.995,1"):
            self.assertLess(controls[name]["text_loss"][-1], controls["none"]["text_loss"][-1] - 0.5, name)
        tokens, _ = prompts.passkey_batch(1024, 1, 1)
        for name, collapses in (("none", True), ("window:128", False)):
            _, layers = self.model.run(tokens, Control.parse(name), last=1, watch=True)
            begins = [collapse.collapse_from(layer, TRAINING_LENGTH) for layer in layers]
            self.assertEqual(any(begins), collapses, name)
            self.assertEqual(max(collapse.growth(layer, TRAINING_LENGTH).max() for layer in layers) > 10, collapses)


class Laws(unittest.TestCase):
    """Sizes, thresholds, fits and the tables."""

    def test_sizes_are_those_of_the_paper(self) -> None:
        shapes = {"130M": (24, 24, 64, 128), "370M": (48, 32, 64, 128), "780M": (48, 48, 64, 128)}
        sizes = {name: round(laws.state_size(*shape) / 1e6, 2) for name, shape in shapes.items()}
        self.assertEqual(sizes, {"130M": 4.85, "370M": 12.91, "780M": 19.35})

    def test_the_paper_s_fits_go_through_its_points(self) -> None:
        for points, law in ((laws.PAPER_FORGET, laws.paper_forget), (laws.PAPER_RECALL, laws.paper_recall)):
            x, y = np.array(points).T
            explained = 1 - ((y - law(x)) ** 2).sum() / ((y - y.mean()) ** 2).sum()
            self.assertGreater(explained, 0.98)

    def test_fits_find_what_made_the_points(self) -> None:
        x = np.array([1.8, 2.9, 5.0, 9.3])
        line = laws.linear_fit(x, 3 * x - 2)
        np.testing.assert_allclose(line.parameters, (3, -2), rtol=1e-6)
        curve = laws.exponential_fit(x, 4 * (1.5**x - 1) + 7)
        np.testing.assert_allclose(curve.parameters, (4, 1.5, 7), rtol=0.02)
        self.assertLess(curve.residual, 0.1 * laws.linear_fit(x, 4 * (1.5**x - 1) + 7).residual)
        low, high = laws.slope_interval(x, 3 * x - 2 + np.array([0.1, -0.1, 0.1, -0.1]))
        self.assertTrue(low < 3 < high)
        self.assertLess(high - low, 0.5)

    def test_thresholds(self) -> None:
        def model(excess: float, shares: list[float]) -> dict:
            recalled = {str(64 * 2**i): share for i, share in enumerate(shares)}
            growth = [[1.0, 20.0 if excess else 2.0], [1.0, 1.0]]
            return {"long": [3 + excess, 3 + excess], "fresh": [3.0, 3.0], "recalled": recalled, "growth": growth}

        models = {
            64: model(0.5, [1, 1, 0.5]),
            128: model(0.01, [1, 0.5, 1]),
            256: model(0.2, [0.5]),
            512: model(0.0, [1]),
        }
        self.assertEqual(laws.forget_threshold(models), Bracket(256, 512))
        self.assertEqual(laws.growth_threshold(models), Bracket(256, 512))
        self.assertEqual(laws.growth_threshold({64: models[64], 128: models[128]}), Bracket(128, None))
        self.assertEqual([laws.recall_length(one) for one in models.values()], [128, 64, 0, 64])
        self.assertEqual(laws.recall_threshold(models), 128)
        models[256]["long"] = copy.copy(models[256]["fresh"])
        self.assertEqual(laws.forget_threshold(models), Bracket(64, 128))
        models[512]["long"] = [4.0, 4.0]
        self.assertEqual(laws.forget_threshold(models), Bracket(512, None))
        self.assertEqual(laws.forget_threshold({128: models[128]}), Bracket(0, 128))

    def test_lines_through_brackets(self) -> None:
        x = np.array([1.0, 2.0, 4.0])
        low, high = laws.slopes_through(x, [Bracket(0, 64), Bracket(64, 128), Bracket(192, 256)])
        self.assertAlmostEqual(low, 128 / 3, delta=0.5)
        self.assertAlmostEqual(high, 96, delta=0.5)
        self.assertEqual(laws.slopes_through(x[:2], [Bracket(0, 64), Bracket(0, 128)]), (-np.inf, np.inf))
        self.assertIsNone(laws.slopes_through(x, [Bracket(0, 64), Bracket(128, 256), Bracket(0, 64)]))
        self.assertEqual(laws.slopes_through(x[:2], [Bracket(0, 64), Bracket(64, None)])[1], np.inf)

    def test_the_readme_has_the_tables_of_the_results(self) -> None:
        done = subprocess.run(
            [sys.executable, STUDY / "report.py", "--check"], check=False, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        made = report.tables()
        with self.assertRaises(SystemExit):
            report.with_tables("no place for any", made)
        text = "\n".join(f"<!-- {name} -->\nbefore it\n<!-- end -->" for name in made)
        self.assertNotIn("before it", report.with_tables(text, made))


if __name__ == "__main__":
    unittest.main()
