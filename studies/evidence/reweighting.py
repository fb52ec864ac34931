#!/usr/bin/env python3
"""Attention re-weighting (Gao et al., arXiv 2501.13428, second stage) on a trained encoder, without training.

  python3 studies/evidence/reweighting.py --model models/all-MiniLM-L6-v2 DATA/legal_summaries DATA/squality …

Needs torch, transformers and numpy. The attention weights a of a query over its n keys become
max(n a - 1, 0)^p / Σ: those of less than a uniform weight are dropped, the others sharpened. A power alone, a^p / Σ, is
the temperature 1/p, as softmax(x)^p / Σ = softmax(p x); the program checks that. Dropping needs the whole row's sum
before any weight is known, which an online softmax does not have: so this is measured here, outside of the engine.

A table goes to standard output: nDCG@10 of the untouched model and each setting's gain in points, with a 95 % interval
from 1,000 resamples of the documents asked for (a query goes with its most relevant document).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AutoModel, AutoTokenizer

RESAMPLES = 1000
TOP = 10

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Attention weights after the softmax, and how many keys each row has, to other weights."""


def power(exponent: float) -> Change:
    def change(weights: torch.Tensor, _keys: torch.Tensor) -> torch.Tensor:
        raised = weights**exponent
        return raised / raised.sum(-1, keepdim=True)

    return change


def reweighted(exponent: float) -> Change:
    def change(weights: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        kept = torch.relu(weights * keys - 1) ** exponent
        total = kept.sum(-1, keepdim=True)
        # Of a uniform row nothing is left; it stays as it is.
        return torch.where(total > 0, kept / total.clamp_min(torch.finfo(kept.dtype).tiny), weights)

    return change


SETTINGS: dict[str, tuple[float, Change | None]] = {
    "untouched": (1.0, None),
    "temperature 0.8": (0.8, None),
    "power 1.25 (the same)": (1.0, power(1.25)),
    "re-weighted, p = 1": (1.0, reweighted(1)),
    "re-weighted, p = 1.5": (1.0, reweighted(1.5)),
    "re-weighted, p = 2": (1.0, reweighted(2)),
    "re-weighted, p = 3": (1.0, reweighted(3)),
}


class Encoder:
    """Mean pooling, unit vectors, the attention as told."""

    def __init__(self, folder: Path, tokens: int) -> None:
        AttentionInterface.register("changed", self.attend)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder, attn_implementation="changed").eval()
        self.tokens = tokens
        self.temperature = 1.0
        self.change: Change | None = None
        self.mask = torch.empty(0)

    def attend(
        self,
        _module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        _mask: torch.Tensor | None,
        **_options: Any,
    ) -> tuple[torch.Tensor, None]:
        logits = query @ key.transpose(-1, -2) / (query.shape[-1] ** 0.5 * self.temperature)
        visible = self.mask[:, None, None, :]
        weights = torch.softmax(logits.masked_fill(~visible, float("-inf")), -1)
        if self.change:
            weights = self.change(weights, visible.sum(-1, keepdim=True))
        return (weights @ value).transpose(1, 2).contiguous(), None

    @torch.inference_mode()
    def vectors(self, texts: list[str], batch: int = 16) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: list[Any] = [None] * len(texts)
        for begin in range(0, len(order), batch):
            places = order[begin : begin + batch]
            inputs = self.tokenizer(
                [texts[place] for place in places],
                padding=True,
                truncation=True,
                max_length=self.tokens,
                return_tensors="pt",
            )
            self.mask = inputs["attention_mask"].bool()
            states = self.model(**inputs).last_hidden_state
            mask = self.mask[..., None]
            mean = (states * mask).sum(1) / mask.sum(1)
            for place, vector in zip(places, torch.nn.functional.normalize(mean, dim=1).numpy(), strict=True):
                found[place] = vector
        return np.stack(found)


def read(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Documents, queries and judgements of a BEIR folder."""

    def lines(name: str) -> dict[str, str]:
        rows = map(json.loads, (folder / name).read_text().splitlines())
        return {row["_id"]: f"{row.get('title') or ''} {row['text']}".strip() for row in rows}

    judged: dict[str, dict[str, int]] = defaultdict(dict)
    with (folder / "qrels" / "test.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                judged[row["query-id"]][row["corpus-id"]] = int(row["score"])
    return lines("corpus.jsonl"), lines("queries.jsonl"), judged


def ndcg(ranked: list[str], relevant: dict[str, int]) -> float:
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    gains = np.array([relevant.get(name, 0) for name in ranked[:TOP]], dtype=float)
    ideal = np.sort(np.array(list(relevant.values()), dtype=float))[::-1][:TOP]
    return float((gains * discounts[: len(gains)]).sum() / (ideal * discounts[: len(ideal)]).sum())


def interval(gains: np.ndarray, groups: list[str]) -> tuple[float, float]:
    """Percentiles over resamples of whole groups."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    sums = np.array([gains[places].sum() for places in members.values()])
    sizes = np.array([len(places) for places in members.values()])
    drawn = np.random.default_rng(1).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / sizes[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)


def judge(encoder: Encoder, folder: Path) -> None:
    corpus, queries, judged = read(folder)
    asked = [name for name in queries if name in judged]
    names = list(corpus)
    groups = [max(judged[name], key=lambda document: judged[name][document]) for name in asked]
    untouched = np.empty(0)
    seen: dict[str, np.ndarray] = {}
    for setting, (encoder.temperature, encoder.change) in SETTINGS.items():
        documents = encoder.vectors(list(corpus.values()))
        seen[setting] = documents
        similarities = encoder.vectors([queries[name] for name in asked]) @ documents.T
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :TOP]
        scores = np.array(
            [ndcg([names[place] for place in row], judged[name]) for name, row in zip(asked, order, strict=True)]
        )
        if setting == "untouched":
            untouched = scores
            print(f"| {folder.name} | {setting} | {100 * scores.mean():.2f} | |", flush=True)
            continue
        low, high = interval(scores - untouched, groups)
        gain = (scores - untouched).mean()
        points = f"{100 * gain:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
        print(f"| {folder.name} | {setting} | {100 * scores.mean():.2f} | {points} |", flush=True)
    difference = np.abs(seen["power 1.25 (the same)"] - seen["temperature 0.8"]).max()
    if difference > 1e-5:
        raise RuntimeError(f"{folder}: a power of 1.25 is not the temperature 0.8: vectors differ by {difference}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=512, help="where texts are cut")
    parser.add_argument("data", type=Path, nargs="+")
    arguments = parser.parse_args()
    encoder = Encoder(arguments.model, arguments.tokens)
    print("| data | setting | nDCG@10 | gain, points |\n|---|---|---|---|")
    for folder in arguments.data:
        judge(encoder, folder)


if __name__ == "__main__":
    main()
