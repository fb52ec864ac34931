"""Texts of the benchmark: real prose cut to lengths in tokens."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent.parent
SEED = 7
CHARACTERS_A_TOKEN = 12  # more than any window of prose needs
EXTENDED_LENGTH = 4096


@dataclass(frozen=True)
class Workload:
    """What is embedded, and how: all texts at once, or one at a time."""

    name: str
    title: str
    count: int
    mean_tokens: int
    single: bool = False
    max_length: int = 512

    @property
    def extended(self) -> bool:
        """Texts beyond the models' positions."""
        return self.max_length > 512


WORKLOADS = {
    one.name: one
    for one in (
        Workload("W1", "texts of 8 to 40 tokens", 2000, 24),
        Workload("W2", "texts of 128 tokens", 500, 128),
        Workload("W3", "texts of 512 tokens", 150, 512),
        Workload("W4", "mixed: lognormal 8 to 512 tokens", 1000, 113),
        Workload("W5a", "one text of 16 tokens at a time", 400, 16, single=True),
        Workload("W5b", "one text of 256 tokens at a time", 150, 256, single=True),
        Workload("W6", "texts of 4096 tokens, positions interpolated", 16, 4096, max_length=EXTENDED_LENGTH),
    )
}


def token_lengths(workload: Workload, count: int) -> np.ndarray:
    """Lengths in tokens, special tokens included; the same for every run."""
    generator = np.random.default_rng(SEED)
    if workload.name == "W1":
        return generator.integers(8, 41, count)
    if workload.name == "W4":
        return np.clip(generator.lognormal(np.log(80), 0.9, count), 8, 512).astype(int)
    return np.full(count, workload.mean_tokens)


def read_prose(source: Path | None) -> str:
    """White space made single. A folder's text files, a file, or the docstrings of Python's standard library."""
    if source is None:
        command = [sys.executable, str(ROOT / "tools" / "stdlib_texts.py")]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        pieces = [json.loads(line)["text"] for line in lines]
    else:
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        pieces = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    random.Random(SEED).shuffle(pieces)
    return re.sub(r"\s+", " ", " ".join(pieces)).strip()


def cut_texts(prose: str, lengths: Sequence[int], tokenizer: Tokenizer) -> list[str]:
    """Consecutive pieces of the prose, begun anew where it ends, of whole words and at most these tokens."""
    texts, at = [], 0
    for length in lengths:
        if at + CHARACTERS_A_TOKEN * int(length) > len(prose):
            at = 0
        window = prose[at : at + CHARACTERS_A_TOKEN * int(length)]
        offsets = tokenizer.encode(window, add_special_tokens=False).offsets
        end = offsets[min(int(length) - 2, len(offsets) - 1)][0]
        text = window[:end].rsplit(" ", 1)[0]
        at += len(text) + 1
        texts.append(text)
    return texts


def build_texts(workload: Workload, count: int, tokenizer: Tokenizer, source: Path | None) -> tuple[list[str], int]:
    """The texts and their tokens."""
    texts = cut_texts(read_prose(source), token_lengths(workload, count), tokenizer)
    tokens = sum(min(len(one.ids), workload.max_length) for one in tokenizer.encode_batch(texts))
    return texts, tokens
