#!/usr/bin/env python3
"""What treble.torch.temper costs in eager PyTorch: the same model as it is and tempered, in turn, in one process.

    .venv-golden/bin/python benchmarks/bench_torch.py [--model models/all-MiniLM-L6-v2] [--rounds 15]

Batches of random token ids of one length, and one of mixed lengths that is padded. Prints for each schedule the median
of the ratios tempered / plain, each of two runs side by side, with the range from the first to the third quartile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bindings/python"))

from treble.torch import temper  # noqa: E402

SHAPES = ((32, 16), (32, 128), (8, 512))
SCHEDULES = ("0.8", "log:64")


def batch(texts: int, tokens: int, mixed: bool) -> dict[str, torch.Tensor]:
    """Seeded."""
    generator = torch.Generator().manual_seed(texts * tokens)
    ids = torch.randint(1000, 20000, (texts, tokens), generator=generator)
    lengths = torch.full((texts,), tokens)
    if mixed:
        lengths[1:] = torch.randint(tokens // 4, tokens + 1, (texts - 1,), generator=generator)
    return {"input_ids": ids, "attention_mask": (torch.arange(tokens)[None] < lengths[:, None]).long()}


@torch.no_grad()
def seconds(model: Any, inputs: dict[str, torch.Tensor], schedule: str | None) -> float:
    """Of one pass."""
    with temper(model, schedule) if schedule else nullcontext():
        start = time.perf_counter()
        model(**inputs)
        return time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="The cost of treble.torch.temper in eager PyTorch.")
    parser.add_argument("--model", type=Path, default=ROOT / "models/all-MiniLM-L6-v2")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--attention", default="sdpa", choices=("sdpa", "eager"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = {"dtype": torch.float32, "attn_implementation": arguments.attention}
    model = AutoModel.from_pretrained(arguments.model, **options).eval()
    for texts, tokens in SHAPES:
        for mixed in (False, True):
            inputs = batch(texts, tokens, mixed)
            seconds(model, inputs, None)
            ratios: dict[str, list[float]] = {schedule: [] for schedule in SCHEDULES}
            for _ in range(arguments.rounds):
                for schedule, found in ratios.items():
                    plain = seconds(model, inputs, None)
                    tempered = seconds(model, inputs, schedule)
                    again = seconds(model, inputs, None)
                    found.append(2 * tempered / (plain + again))
            for schedule, found in ratios.items():
                low, median, high = statistics.quantiles(found, n=4)
                kind = "padded" if mixed else "full"
                what = f"{texts:3} texts of {tokens:3} tokens, {kind:6}, {schedule:7}"
                print(f"{what} {median:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
