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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mamba2 import Mamba2, Shape
from places import BUILD, RESULTS
from prompts import VOCABULARY, Texts
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
BEYOND = (8, 16)
"""In training lengths, between which places a text is too long for the model."""


def recipe(length: int, seed: int) -> Recipe:
    """The first length from random weights, the others from the weights of the one before."""
    first = length == LENGTHS[0]
    steps, rate = (FIRST_STEPS, 3e-3) if first else (LATER_STEPS, 2e-3)
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
    """Of the same tokens in nats, each text's mean: `long` with all of the text before them, far beyond the training
    length; `fresh` with at most the training length before them; `within`: of a text's own second half of a training
    length.
    """
    begin, end = (factor * length for factor in BEYOND)
    tokens = torch.from_numpy(Texts(end + 1).batch(np.random.default_rng([9, length]), TEXTS)[0])

    def each(part: torch.Tensor) -> torch.Tensor:
        logits = model(part[:, :-1])
        flat = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), part[:, 1:].reshape(-1), reduction="none")
        return flat.reshape(len(part), -1)

    # [1, tokens] at a time, for the memory.
    whole = torch.cat([each(text[None]) for text in tokens])
    half = length // 2
    # Segments of a training length, each of which starts half a length after the one before.
    segments = tokens[:, begin - half :].unfold(1, length + 1, half)
    fresh = torch.stack([each(text)[:, half:].mean() for text in segments])
    return {
        "long": whole[:, begin:end].mean(dim=1).tolist(),
        "fresh": fresh.tolist(),
        "within": whole[:, half:length].mean(dim=1).tolist(),
    }


@torch.no_grad()
def state_growth(model: Mamba2, length: int) -> list[list[float]]:
    """By layer and head: the variance's maximum after the training length over that within it."""
    from collapse import growth  # noqa: PLC0415
    from recurrence import Model  # noqa: PLC0415

    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tokens = Texts(BEYOND[0] * length).batch(np.random.default_rng([10, length]), 2)[0]
    _, layers = Model(model.shape.config(), tensors).run(tokens, last=1, watch=True)
    return [growth(layer, length).tolist() for layer in layers]


def keep(path: Path, name: str, settings: dict[str, Any], answer: dict[str, Any]) -> None:
    """Among those of other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (BUILD / "grid.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = json.loads(path.read_text()) if path.is_file() else {"settings": settings, "models": {}}
        if kept["settings"] != settings:
            raise SystemExit(f"{path}: was made with {kept['settings']}, asked for are {settings}; remove it")
        kept["models"][name] = answer
        kept["models"] = dict(sorted(kept["models"].items(), key=lambda item: list(map(int, item[0].split("-")))))
        part = path.with_suffix(".part")
        part.write_text(json.dumps(kept, indent=1) + "\n")
        part.replace(path)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", type=int, default=STATES, metavar="N", help="fewer state sizes")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    settings = {"steps": [FIRST_STEPS, LATER_STEPS], "tokens_per_step": TOKENS_PER_STEP, "samples": SAMPLES,
                "texts": TEXTS, "beyond": list(BEYOND), "vocabulary": len(VOCABULARY)}  # fmt: skip
    path = RESULTS / "grid.json"
    for state in arguments.only:
        weights = None
        for length in LENGTHS:
            name = f"{state}-{length}-{arguments.seed}"
            checkpoint = BUILD / "grid" / f"{name}.pt"
            model = train(Shape(len(VOCABULARY), state, head=64), recipe(length, arguments.seed), checkpoint, weights)
            weights = model.state_dict()
            done = json.loads(path.read_text())["models"] if path.is_file() else {}
            if name in done:
                continue
            answer = {"recalled": passkeys(model), **text_losses(model, length), "growth": state_growth(model, length)}
            answer["seconds"] = torch.load(checkpoint)["seconds"]
            keep(path, name, settings, answer)
            print(name, answer["recalled"], np.round([np.mean(answer[k]) for k in ("within", "fresh", "long")], 3),
                  file=sys.stderr, flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
