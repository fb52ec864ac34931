"""The two synthetic tasks of LongEmbed (Zhu et al., arXiv 2404.12096, section 3), made here from a seed.

Passkey: each document is the filler of Mohtashami & Jaggi (arXiv 2305.16300) with a person's pass key somewhere in it,
and a query asks for the document with the key of a person. Needle: each document is a piece of real prose with a fact
somewhere in it, and a query asks for the fact. As in the paper, every length has documents and queries of its own, 100
and 50; only facts and prose differ: theirs were written by a language model, and essays under copyright.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treble._facts import FACTS, FAMILY_NAMES, GIVEN_NAMES, PLACES
from treble.errors import InvalidArgumentError

LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
TASKS = ("passkey", "needle")

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each text, special tokens included."""

_FILLER = ("The grass is green.", "The sky is blue.", "The sun is yellow.", "Here we go.", "There and back again.")


@dataclass(frozen=True)
class LongEmbedOptions:
    """What is generated. The same options, haystack and tokenizer give the same files, byte for byte."""

    lengths: Sequence[int] = LENGTHS
    """In tokens, from 128 on."""
    documents: int = 100
    """Of each length."""
    queries: int = 50
    """Of each length; at most as many as documents."""
    seed: int = 0


def default_haystack() -> str:
    """Some 450,000 characters of prose that every Python has: the chapters that its help() shows."""
    from pydoc_data.topics import topics  # noqa: PLC0415 - a megabyte that others do not need

    return "\n\n".join(topics[name] for name in sorted(topics))


def generate(
    folder: str | Path, count_tokens: CountTokens, options: LongEmbedOptions | None = None, haystack: str | None = None
) -> list[Path]:
    """Writes the tasks folder/passkey and folder/needle in LongEmbed's layout and returns their folders.

    count_tokens: of the tokenizer that documents are measured with; none has more tokens than its length, and all but a
        sentence of it. treble.SentenceEncoder's: `lambda texts: encoder.token_counts(texts)[:, 0]`.
    haystack: the prose of the needle task; None: default_haystack().
    """
    options = options or LongEmbedOptions()
    _check(options)
    prose = _sentences(haystack if haystack is not None else default_haystack())
    if len(prose) < 100:
        raise InvalidArgumentError(f"the haystack has {len(prose)} sentences; give it at least 100")
    makers: dict[str, tuple[Sequence[str], Callable[[random.Random, str], tuple[str, str]]]] = {
        "passkey": (_FILLER, _passkey),
        "needle": (prose, _needle),
    }
    folders = []
    for task, (sentences, hidden) in makers.items():
        stream = _Stream(sentences, count_tokens)
        rows: dict[str, list[dict[str, Any]]] = {"corpus": [], "queries": [], "qrels": []}
        for length in options.lengths:
            _add_length(rows, task, length, stream, hidden, options)
        folders.append(_write(Path(folder) / task, rows, options, sentences))
    return folders


def _check(options: LongEmbedOptions) -> None:
    if not options.lengths or min(options.lengths) < 128:
        raise InvalidArgumentError(f"lengths are at least one, from 128 tokens on; got {list(options.lengths)}")
    people = len(GIVEN_NAMES) * len(FAMILY_NAMES)
    if not 1 <= options.queries <= options.documents <= people:
        raise InvalidArgumentError(
            f"{options.queries} queries of {options.documents} documents: there are 1 to {people} documents, and "
            "at most as many queries"
        )


def _sentences(text: str) -> list[str]:
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    found = [one for paragraph in paragraphs for one in re.split(r"(?<=[.!?])\s+", paragraph)]
    # Headings, tables and code are no prose.
    return [one for one in found if 4 <= len(one.split()) <= 60 and one[0].isupper() and one[-1] in ".!?"]


def _passkey(generator: random.Random, person: str) -> tuple[str, str]:
    key = generator.randrange(10000, 100000)
    return (
        f"{person}'s pass key is {key}. Remember it. {key} is the pass key for {person}.",
        f"what is the passkey for {person}?",
    )


def _needle(generator: random.Random, person: str) -> tuple[str, str]:
    fact, query = generator.choice(FACTS)
    values = {
        "person": person,
        "place": generator.choice(PLACES),
        "year": generator.randrange(1500, 2000),
        "number": generator.randrange(11, 999),
    }
    return fact.format(**values), query.format(**values)


class _Stream:
    """Sentences without end, and how many tokens each adds."""

    def __init__(self, sentences: Sequence[str], count_tokens: CountTokens) -> None:
        self.sentences = list(sentences)
        self.count_tokens = count_tokens
        self._special = int(count_tokens([""])[0])
        self._tokens = [int(count) - self._special for count in count_tokens(self.sentences)]

    def document(self, length: int, hidden: str, generator: random.Random, start: int) -> str:
        """Sentences from `start` on, in a circle, with `hidden` between two of them, of `length` tokens at most."""
        left = length - int(self.count_tokens([hidden])[0])
        chosen: list[str] = []
        at = start
        while left >= self._tokens[at % len(self.sentences)]:
            left -= self._tokens[at % len(self.sentences)]
            chosen.append(self.sentences[at % len(self.sentences)])
            at += 1
        place = generator.randint(0, len(chosen))
        text = " ".join([*chosen[:place], hidden, *chosen[place:]])
        while int(self.count_tokens([text])[0]) > length and chosen:
            # Tokenizers that see words across a sentence's end count otherwise than the sum of the sentences.
            chosen.pop()
            place = min(place, len(chosen))
            text = " ".join([*chosen[:place], hidden, *chosen[place:]])
        return text


def _add_length(
    rows: dict[str, list[dict[str, Any]]],
    task: str,
    length: int,
    stream: _Stream,
    hidden: Callable[[random.Random, str], tuple[str, str]],
    options: LongEmbedOptions,
) -> None:
    # A generator for each: a length has the same documents whatever other lengths there are.
    generator = random.Random(f"{options.seed} {task} {length}")
    names = generator.sample(range(len(GIVEN_NAMES) * len(FAMILY_NAMES)), options.documents)
    for index, name in enumerate(names):
        person = f"{GIVEN_NAMES[name % len(GIVEN_NAMES)]} {FAMILY_NAMES[name // len(GIVEN_NAMES)]}"
        fact, query = hidden(generator, person)
        start = 0 if task == "passkey" else generator.randrange(len(stream.sentences))
        document = f"{task}_{length}_{index}"
        text = stream.document(length, fact, generator, start)
        rows["corpus"].append({"doc_id": document, "text": text, "context_length": length})
        if index < options.queries:
            rows["queries"].append({"qid": f"query_{document}", "text": query, "context_length": length})
            rows["qrels"].append({"qid": f"query_{document}", "doc_id": document, "context_length": length})


def _write(
    folder: Path, rows: dict[str, list[dict[str, Any]]], options: LongEmbedOptions, sentences: Sequence[str]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, of_file in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in of_file)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    made = {
        "seed": options.seed,
        "lengths": list(options.lengths),
        "documents": options.documents,
        "queries": options.queries,
        "sentences_sha256": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
    }
    (folder / "generated.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return folder
