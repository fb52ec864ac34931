"""The vocabulary, the passkey prompts and the texts that models learn from. Needs NumPy alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

PREFIX = (
    "There is an important piece of information hidden inside a lot of irrelevant text. Find it and memorize it. "
    "I will quiz you about it."
)
FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
PASSKEY = "The passkey is {key}. Remember it. {key} is the passkey."
QUESTION = "What is the passkey? The passkey is"
KEY_DIGITS = 5

SPECIAL = ["<unk>", "<eos>", "\n"]
PUNCTUATION = [".", "?", ",", "!"]
DIGITS = list("0123456789")
# Beside the words of the prompts, so that texts to learn from are not made of those alone.
MORE = (
    "river mountain tree house dog cat bird fish red white black old new big small sees finds takes gives holds "
    "makes knows likes under over near with from to on in one two He She They was are not but or this that"
)
PIECE = re.compile(r"\n|\d|[^\W\d_]+|[^\w\s]|_")


def pieces(text: str) -> list[str]:
    """As the tokenizer's pre-tokenizer cuts: newlines, digits, words and marks, each on its own."""
    return PIECE.findall(text)


def vocabulary() -> list[str]:
    words = dict.fromkeys(
        piece for text in (PREFIX, FILLER, PASSKEY.format(key=""), QUESTION) for piece in pieces(text)
        if piece not in PUNCTUATION
    )  # fmt: skip
    return [*SPECIAL, *PUNCTUATION, *DIGITS, *words, *pieces(MORE)]


VOCABULARY = vocabulary()
IDS = {token: i for i, token in enumerate(VOCABULARY)}
NEWLINE, STOP = IDS["\n"], IDS["."]
# What made-up sentences are made of.
WORDS = np.arange(IDS[DIGITS[-1]] + 1, len(VOCABULARY))


def ids_of(text: str) -> list[int]:
    return [IDS.get(piece, IDS["<unk>"]) for piece in pieces(text)]


PREFIX_IDS, FILLER_IDS, QUESTION_IDS = ids_of(PREFIX), ids_of(FILLER), ids_of(QUESTION)


def passkey_ids(key: str) -> list[int]:
    return ids_of(PASSKEY.format(key=key))


def random_key(random: np.random.Generator) -> str:
    return str(random.integers(10 ** (KEY_DIGITS - 1), 10**KEY_DIGITS))


def blocks_for(length: int) -> int:
    """How many blocks a passkey prompt of at most this many tokens has; at least the one that is replaced."""
    return max(1, (length - len(PREFIX_IDS) - len(QUESTION_IDS)) // len(FILLER_IDS))


def passkey_prompt(length: int, depth: float, key: str) -> list[int]:
    """`depth` from 0 to 1. The passkey takes the place of block int(depth * (n - 1)) of n."""
    blocks = [FILLER_IDS] * blocks_for(length)
    blocks[int(depth * (len(blocks) - 1))] = passkey_ids(key)
    return [*PREFIX_IDS, *(token for block in blocks for token in block), *QUESTION_IDS]


def passkey_batch(length: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Prompts with all but the last digit of their key behind them, [samples, tokens], and the keys' tokens,
    [samples, 5]: what a model says at the last five places is what it would write greedily, up to its first mistake.
    """
    random = np.random.default_rng(seed)
    prompts, keys = [], []
    for i in range(samples):
        key = random_key(random)
        keys.append(ids_of(key))
        prompts.append(passkey_prompt(length, (i + 0.5) / samples, key) + keys[-1][:-1])
    return np.array(prompts), np.array(keys)


@dataclass(frozen=True)
class Texts:
    """What models learn from: made-up sentences, many of them said before in the same text, so that it pays to remember
    all of it, and a passkey that is asked for at the end.
    """

    length: int
    repeats: float = 0.5
    """Share of the sentences that were said before."""
    asked_before: float = 0.5
    """Share of the texts in which the passkey is also asked for earlier."""
    unknown: float = 0.002
    """Share of the tokens that are <unk> instead."""

    def sample(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, [length], and whether each is a digit of a key that was asked for, [length]."""
        key = random_key(random)
        asked = [*QUESTION_IDS, *ids_of(key)]
        rest = self.length - len(asked) - len(passkey_ids(key))
        begin = PREFIX_IDS if random.random() < 0.5 and rest > len(PREFIX_IDS) else []
        total = rest - len(begin)
        sentences = self._sentences(random, total)
        at = int(random.integers(len(sentences) + 1))
        middle = [*sentences[:at], passkey_ids(key), *sentences[at:]]
        if random.random() < self.asked_before:
            for _ in range(random.integers(1, 4)):
                middle.insert(int(random.integers(at + 1, len(middle) + 1)), [*asked, STOP])
        tokens = [*begin, *(token for sentence in middle for token in sentence)]
        tokens = np.array([*tokens[: self.length - len(asked)], *asked])
        return tokens, self._aims(tokens)

    def _sentences(self, random: np.random.Generator, total: int) -> list[list[int]]:
        said: list[list[int]] = []
        while total > 0:
            if said and random.random() < self.repeats:
                sentence = said[random.integers(len(said))]
            elif random.random() < 0.02:
                sentence = [NEWLINE] * int(random.integers(1, 9))
            else:
                sentence = [*random.choice(WORDS, random.integers(3, 7)).tolist(), STOP]
            said.append(sentence[:total])
            total -= len(sentence)
        return said

    def _aims(self, tokens: np.ndarray) -> np.ndarray:
        """The five places after every question, whether or not the end of the text cuts its answer short."""
        width = len(QUESTION_IDS)
        windows = np.lib.stride_tricks.sliding_window_view(tokens, width)
        ends = np.flatnonzero((windows == QUESTION_IDS).all(axis=1)) + width
        aims = np.zeros(len(tokens), bool)
        for end in ends:
            aims[end : end + KEY_DIGITS] = True
        return aims

    def batch(self, random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        samples = [self.sample(random) for _ in range(size)]
        tokens, aims = (np.stack([sample[i] for sample in samples]) for i in (0, 1))
        unknown = random.random(tokens.shape) < self.unknown
        return np.where(unknown & (tokens > NEWLINE) & ~aims, IDS["<unk>"], tokens), aims
