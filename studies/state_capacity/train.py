"""Trains one model, with checkpoints that a stopped run continues from."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mamba2 import Mamba2, Shape
from prompts import Texts, passkey_batch
from torch import Tensor
from torch.nn import functional as F

SAVE_EVERY = 50


@dataclass(frozen=True)
class Recipe:
    """AdamW; the rate rises for 100 steps and falls by a cosine to a twentieth."""

    length: int
    steps: int
    batch: int
    rate: float = 3e-3
    decay: float = 0.01
    text_weight: float = 0.5
    """Of the loss on ordinary tokens, where that on the keys asked for has 1."""
    seed: int = 0

    def rate_at(self, step: int) -> float:
        rise = min(1.0, (step + 1) / 100)
        return self.rate * rise * (0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * step / self.steps)))


def losses(model: Mamba2, tokens: Tensor, aims: Tensor) -> tuple[Tensor, Tensor]:
    """Mean negative log-likelihood of ordinary tokens and of keys asked for."""
    logits = model(tokens)[:, :-1]
    each = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none")
    asked = aims[:, 1:].reshape(-1)
    return each[~asked].mean(), each[asked].mean()


@torch.no_grad()
def recalled(model: Mamba2, length: int, samples: int, seed: int = 1) -> float:
    """Share of the passkey prompts of this length that the model answers."""
    right = 0
    prompts, keys = passkey_batch(length, samples, seed)
    for begin in range(0, samples, 8):
        said = model(torch.tensor(prompts[begin : begin + 8]), last=keys.shape[1]).argmax(-1).numpy()
        right += int((said == keys[begin : begin + 8]).all(axis=1).sum())
    return right / samples


def save(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def train(shape: Shape, recipe: Recipe, path: Path, start: dict[str, Tensor] | None = None) -> Mamba2:
    """The trained model; `path` keeps how far it is. `start`: weights to begin with instead of random ones."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    model = Mamba2(shape)
    if start is not None:
        model.load_state_dict(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay)
    settings = {"shape": asdict(shape), "recipe": asdict(recipe)}
    step, seconds = 0, 0.0
    if path.is_file():
        kept = torch.load(path)
        if kept["settings"] != settings:
            raise SystemExit(f"{path}: was made with {kept['settings']}, asked for are {settings}; remove it")
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        step, seconds = kept["step"], kept["seconds"]
    texts, begin = Texts(recipe.length), time.monotonic()
    while step < recipe.steps:
        tokens, aims = (
            torch.from_numpy(one) for one in texts.batch(np.random.default_rng([recipe.seed, step]), recipe.batch)
        )
        text, key = losses(model, tokens, aims)
        optimizer.zero_grad()
        (recipe.text_weight * text + key).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        optimizer.step()
        step += 1
        if step % SAVE_EVERY == 0 or step == recipe.steps:
            spent = seconds + time.monotonic() - begin
            save(path, {"settings": settings, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                        "step": step, "seconds": spent})  # fmt: skip
            print(
                f"{path.stem} step {step}: text {text:.3f}, key {key:.3f}, {spent:.0f} s", file=sys.stderr, flush=True
            )
    return model
