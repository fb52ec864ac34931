#!/usr/bin/env python3
"""Trains models of four state sizes on ever longer texts and measures where each stops to recall and to predict.

  .venv-golden/bin/python studies/state_capacity/grid.py [--only N ...] [--seed S]

About an hour and a half on one core; stopped runs are continued. A model's answers go to results/grid.json.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mamba2 import Mamba2, Shape
from places import BUILD, RESULTS
from prompts import DIGITS, IDS, VOCABULARY, Texts
from recurrence import Model
from torch.nn import functional as F
from train import Recipe, recalled, train

if TYPE_CHECKING:
    from pathlib import Path

STATES = (4, 8, 16, 32)
LENGTHS = (64, 128, 256, 512, 1024)
TOKENS_PER_STEP = 4096
FIRST_STEPS, LATER_STEPS = 1000, 300
PROBE_LENGTHS = tuple(round(64 * 2 ** (i / 2)) for i in range(17))
"""Of passkey prompts, up to 16,384 tokens."""
SAMPLES, TEXTS = 40, 8
LOST = 0.3
"""Longer prompts are not tried once so few keys are recalled."""
BEYOND = (8192, 16384)
"""Between these tokens a text is far beyond every training length."""
OCTAVES = tuple(64 * 2**i for i in range(9))
GROWN = (6144, 7168)
"""And here the state is compared with what it is within the training length."""


def recipe(length: int, seed: int, first_steps: int) -> Recipe:
    """The first length from random weights, the others from the weights of the one before."""
    first = length == LENGTHS[0]
    steps, rate = (first_steps, 3e-3) if first else (LATER_STEPS, 2e-3)
    return Recipe(length, steps, TOKENS_PER_STEP // length, rate, seed=seed)


def passkeys(model: Mamba2) -> dict[str, float]:
    shares: dict[str, float] = {}
    for length in PROBE_LENGTHS:
        shares[str(length)] = recalled(model, length, SAMPLES, seed=length)
        if shares[str(length)] < LOST:
            break
    return shares


@torch.no_grad()
def text_losses(model: Mamba2, length: int) -> dict[str, Any]:
    """Mean negative log-likelihood of made-up texts in nats. `long`: of each text's tokens far beyond the training
    length; `fresh`: of the same tokens, each with half to all of a training length before it and no more; `within`: of
    each text's own second half of a training length; `octaves`: of all texts between the tokens of OCTAVES. `digits`:
    the probability that the first text's far tokens were given to be digits.
    """
    begin, end = BEYOND
    tokens = torch.from_numpy(Texts(end + 1).batch(np.random.default_rng(9), TEXTS)[0])
    half, long, fresh, within, octaves = length // 2, [], [], [], []
    for text in tokens:
        each = token_losses(model, text[None])[0]
        long.append(each[begin:end].mean().item())
        octaves.append([each[first:last].mean().item() for first, last in pairwise(OCTAVES)])
        within.append(each[half:length].mean().item())
        segments = text[begin - half :].unfold(0, length + 1, half)
        fresh.append(token_losses(model, segments)[:, half:].mean().item())
    far = model(tokens[:1, :end])[0, begin:].softmax(-1).mean(0)
    digits = sum(far[IDS[digit]].item() for digit in DIGITS)
    averages = {"octaves": np.mean(octaves, axis=0).tolist(), "digits": digits}
    return {"long": long, "fresh": fresh, "within": within, **averages}


def token_losses(model: Mamba2, tokens: torch.Tensor) -> torch.Tensor:
    """Of all tokens but the first, [texts, tokens - 1]."""
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.mT, tokens[:, 1:], reduction="none")


@torch.no_grad()
def state_growth(model: Mamba2, length: int) -> list[list[float]]:
    """By layer and head: the state's mean variance far beyond the training length over that of its second half."""
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tokens = Texts(GROWN[1], asked_before=0).batch(np.random.default_rng(10), TEXTS // 2)[0]
    _, layers = Model(model.shape.config(), tensors).run(tokens[:, : GROWN[1]], last=1, watch=True)
    return [
        (layer.variance[slice(*GROWN)].mean(axis=0) / layer.variance[length // 2 : length].mean(axis=0)).tolist()
        for layer in layers
    ]


def answers(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Of the models that were measured, by name."""
    kept = json.loads(path.read_text()) if path.is_file() else {"settings": settings, "models": {}}
    if kept["settings"] != settings:
        raise SystemExit(f"{path}: was made with {kept['settings']}, asked for are {settings}; remove it")
    return kept["models"]


def keep(path: Path, name: str, settings: dict[str, Any], answer: dict[str, Any]) -> None:
    """Among those of other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (BUILD / "grid.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        models = answers(path, settings) | {name: answer}
        models = dict(sorted(models.items(), key=lambda item: list(map(int, item[0].split("-")))))
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"settings": settings, "models": models}, indent=1) + "\n")
        part.replace(path)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", type=int, default=STATES, metavar="N", help="fewer state sizes")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--longest", type=int, default=LENGTHS[-1], metavar="T", help="train no further")
    options.add_argument("--first-steps", type=int, default=FIRST_STEPS, help=f"at {LENGTHS[0]} tokens")
    arguments = options.parse_args()
    settings = {"tokens_per_step": TOKENS_PER_STEP, "samples": SAMPLES, "texts": TEXTS}
    settings |= {"beyond": list(BEYOND), "grown": list(GROWN), "vocabulary": len(VOCABULARY)}
    path = RESULTS / "grid.json"
    for state in arguments.only:
        weights = None
        for length in (length for length in LENGTHS if length <= arguments.longest):
            name = f"{state}-{length}-{arguments.seed}"
            checkpoint = BUILD / "grid" / f"{name}.pt"
            plan = recipe(length, arguments.seed, arguments.first_steps)
            model = train(Shape(len(VOCABULARY), state, head=64), plan, checkpoint, weights)
            weights = model.state_dict()
            if name in answers(path, settings):
                continue
            answer = {"recalled": passkeys(model), **text_losses(model, length), "growth": state_growth(model, length)}
            answer |= {"steps": plan.steps, "seconds": torch.load(checkpoint)["seconds"]}
            keep(path, name, settings, answer)
            print(name, answer["recalled"], np.round([np.mean(answer[k]) for k in ("within", "fresh", "long")], 3),
                  file=sys.stderr, flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
