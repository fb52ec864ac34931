"""Writes the stored slice: some drawn cases of every family, and every switch that was once read wrongly."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from differential import folder as folders
from differential import stored, texts
from differential.case import Case
from differential.check import REFUSED, Checker
from differential.compare import SHAKY, TAUS, rows_apart
from differential.draw import draw, tables
from differential.families import FAMILIES
from differential.reference import Reference, with_tensors
from differential.stored import Stored

DRAWN = 2  # cases a family
SEEDS = range(10_000, 10_000 + 6 * len(FAMILIES))  # apart from those that `make differential` begins with
LONGEST_TEXT = 900  # characters: the file stays small
# Read wrongly once: (family, switch). All options of the switch are stored, each alone.
FOUND_WRONG: tuple[tuple[str, str], ...] = (
    ("albert", "config.embedding-size"),
    ("albert", "config.sizes"),
    ("albert", "tokenizer.lower-case"),
    ("bert", "modules.limit"),
    ("bert", "modules.no-modules"),
    ("bert", "modules.other-keys"),
    ("bert", "tokenizer.added"),
    ("bert", "tokenizer.chinese"),
    ("bert", "tokenizer.form-json"),
    ("bert", "tokenizer.lower-case"),
    ("bert", "tokenizer.map"),
    ("bert", "tokenizer.side"),
    ("bert", "tokenizer.stored-side"),
    ("camembert", "config.padding-id"),
    ("camembert", "tokenizer.prefix-space"),
    ("deberta-v2", "config.form-attention-type"),
    ("deberta-v2", "config.no-relative"),
    ("gemma3", "config.pattern"),
    ("gemma3", "config.rope-scaling"),
    ("gemma3", "config.rope-theta"),
    ("gte-native", "config.form-token-types"),
    ("gte-native", "config.rope-absent"),
    ("gte-native", "saving.form-head"),
    ("gte-new", "config.token-types"),
    ("llama", "config.form-window"),
    ("llama", "config.rope-both"),
    ("llama", "config.rope-scaling"),
    ("mistral", "config.bidirectional-window"),
    ("modernbert", "config.rope-scaling"),
    ("modernbert", "config.rope-theta"),
    ("mpnet", "tokenizer.accents"),
    ("mt5", "config.form-feed-forward"),
    ("nomic-native", "config.rope-absent"),
    ("nomic-native", "saving.form-head"),
    ("qwen2", "config.bidirectional-window"),
    ("qwen2", "config.form-window"),
    ("qwen3", "modules.chat-template"),
    ("qwen3", "tokenizer.prefix-space"),
    ("t5", "config.form-positions"),
    ("umt5", "config.layers"),
    ("xlm-roberta", "config.padding-id"),
)


def found_wrong() -> list[Case]:
    """Each option alone."""
    cases = []
    for family, name in FOUND_WRONG:
        area, switch = name.split(".")
        chosen = texts.stored(tokenizer=area == "tokenizer")
        cases += [Case(family, 1, {name: option}, chosen) for option in tables(family)[area][switch]]
    return cases


def shortened(case: Case) -> Case:
    """Four texts at most, none of them very long."""
    return replace(case, texts=tuple(text[:LONGEST_TEXT] for text in case.texts[:4]))


def stored_case(case: Case, scratch: Path) -> Stored:
    """The reference's vectors; its float64 where its float32 is shaky."""
    case = with_tensors(shortened(case), scratch)
    folder = scratch / "model"
    folders.write(case, folder)
    reference = Reference(case, folder)
    vectors = {tau: reference.encode(case.texts, tau) for tau in TAUS}
    double = reference.in_double()
    for tau, rows in vectors.items():
        exact = double.encode(case.texts, tau)
        if rows_apart(rows, exact).max() > SHAKY:
            vectors[tau] = exact
    name = f"{case.family} {case.seed} {', '.join(case.switches)}"
    return Stored(name, case, vectors)


def with_refusal(case: Stored, checker: Checker) -> Stored:
    """Where Treble refuses what is on the list of refusals, the error is what is expected."""
    outcome = checker.check(case.case)
    if outcome.status != "refused":
        return case
    patterns = [pattern for pattern, _ in REFUSED if outcome.expected_refusal and pattern]
    fitting = [pattern for pattern in patterns if stored.fits(pattern, outcome.message)]
    return replace(case, refused=fitting[0], vectors={}) if fitting else case


def stored_values(case: Case, checker: Checker) -> dict[str, Any]:
    """A candidate as plain values: the stored line, and what Treble gets wrong of it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            one = with_refusal(stored_case(case, scratch), checker)
            return {"line": one.to_json(), "problem": one.problem(checker.program, scratch)}
    except Exception as error:  # the reference cannot load every combination
        return {"line": None, "problem": f"{type(error).__name__}: {error}"}


def candidates() -> list[Case]:
    """More drawn cases than are kept, then what was once read wrongly."""
    return [*(draw(seed) for seed in SEEDS), *found_wrong()]


def write(candidates: list[dict[str, Any]]) -> int:
    """Rewrite the file with the cases that Treble gets right; returns how many it does not, and names them."""
    kept: list[Stored] = []
    wrong = 0
    for candidate in candidates:
        if candidate["line"] is None:
            continue
        one = Stored.from_json(candidate["line"])
        drawn = one.case.seed in SEEDS
        if drawn and one.refused:
            continue
        if drawn and sum(other.case.family == one.case.family and other.case.seed in SEEDS for other in kept) >= DRAWN:
            continue
        if candidate["problem"]:
            wrong += 1
            print(f"left out {one.name}: {candidate['problem']}")
        else:
            kept.append(one)
    stored.save(kept)
    print(f"{len(kept)} cases stored, {stored.FILE.stat().st_size / 1e6:.2f} MB")
    return wrong
