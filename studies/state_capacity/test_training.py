#!/usr/bin/env python3
"""What of the study needs PyTorch: .venv-golden/bin/python studies/state_capacity/test_training.py (a minute)."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import grid
import numpy as np
import recurrence
import torch
import train as trainer
from export import write_expected, write_model
from mamba2 import Mamba2, Shape, chunked_scan
from prompts import VOCABULARY, Texts
from train import Recipe, losses, recalled, train

SHAPE = Shape(len(VOCABULARY), state=8, hidden=32, head=16, chunk=32)


class Training(unittest.TestCase):
    """In a folder of its own."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        torch.set_num_threads(1)
        torch.manual_seed(0)

    def test_chunks_and_recurrence_agree(self) -> None:
        for chunk in (1, 16, 64):
            x, b, c = 0.1 * torch.randn(2, 64, 3, 5), torch.randn(2, 64, 7), torch.randn(2, 64, 7)
            decay = torch.rand(2, 64, 3)
            found = chunked_scan(x, -decay, b, c, chunk).transpose(0, 1).numpy()
            inputs = [one.transpose(0, 1).numpy() for one in (x, torch.exp(-decay), b, c)]
            expected, _ = recurrence.scan(recurrence.Inputs(*inputs), recurrence.UNTOUCHED, watch=False)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    def test_gradients_are_those_of_the_recurrence(self) -> None:
        x, b, c = (torch.randn(shape, dtype=torch.double) for shape in ((1, 8, 2, 3), (1, 8, 4), (1, 8, 4)))
        inputs = [one.requires_grad_() for one in (x, -torch.rand(1, 8, 2, dtype=torch.double), b, c)]
        self.assertTrue(torch.autograd.gradcheck(lambda *given: chunked_scan(*given, 4), inputs))

    def test_a_length_that_is_no_multiple_of_the_chunk(self) -> None:
        model = Mamba2(SHAPE)
        tokens = torch.randint(0, len(VOCABULARY), (2, 70))
        torch.testing.assert_close(model(tokens)[:, :33], model(tokens[:, :33]), rtol=0, atol=1e-5)
        torch.testing.assert_close(model(tokens, last=3), model(tokens)[:, -3:])

    def test_a_stopped_run_continues(self) -> None:
        whole = train(SHAPE, Recipe(64, 60, 4), self.folder / "whole.pt")
        path = self.folder / "parts.pt"
        save = trainer.save

        def save_and_stop(*arguments: Any) -> None:
            save(*arguments)
            raise KeyboardInterrupt

        with mock.patch.object(trainer, "save", save_and_stop), self.assertRaises(KeyboardInterrupt):
            train(SHAPE, Recipe(64, 60, 4), path)
        self.assertEqual(torch.load(path)["step"], trainer.SAVE_EVERY)
        parts = train(SHAPE, Recipe(64, 60, 4), path)
        for name, tensor in whole.state_dict().items():
            torch.testing.assert_close(parts.state_dict()[name], tensor, rtol=0, atol=0)
        with self.assertRaises(SystemExit):
            train(SHAPE, Recipe(64, 61, 4), path)

    def test_it_learns_and_is_written_as_transformers_reads_it(self) -> None:
        recipe = Recipe(64, 100, 16)
        model = train(SHAPE, recipe, self.folder / "model.pt")
        made = [torch.from_numpy(one) for one in Texts(64).batch(np.random.default_rng(99), 32)]
        with torch.no_grad():
            before, after = (sum(losses(one, *made)) for one in (Mamba2(SHAPE), model))
        self.assertLess(after, 0.8 * before)
        write_model(model, self.folder / "model")
        with self.assertRaisesRegex(SystemExit, "is the key"):
            # It cannot recall yet, and this is noticed.
            write_expected(model, self.folder / "model", self.folder / "expected.safetensors")
        self.assertEqual(recalled(model, 64, 8), 0)

    def test_fresh_and_long_are_the_same_where_there_is_no_past(self) -> None:
        """A state that forgets at once makes the text before a segment worthless."""
        model = Mamba2(SHAPE)
        with torch.no_grad():
            for layer in model.backbone.layers:
                layer.mixer.A_log.fill_(10)
        found = grid.text_losses(model, 64)
        np.testing.assert_allclose(found["long"], found["fresh"], rtol=0, atol=1e-4)


if __name__ == "__main__":
    unittest.main()
