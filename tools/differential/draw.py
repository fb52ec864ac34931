"""Draws a case from a seed."""

from __future__ import annotations

import random
import re
from typing import Any

from differential import modules, texts, tokenizers
from differential.case import Case, Switches
from differential.families import FAMILIES, Table
from differential.folder import SAVING

CHANCES = {"config": 0.2, "saving": 0.15, "tokenizer": 0.15, "modules": 0.12}
SELDOM = {"modules.chat-template": 0.01, "tokenizer.form-chat-template": 0.05}  # mostly refused: little is compared


def stem(family: str) -> str:
    """What the names of a family's classes begin with."""
    return re.sub(r"(TextModel|EncoderModel|Model|ForMaskedLM)$", "", FAMILIES[family].config["architectures"][0])


def saving_table(name: str) -> Table:
    """The ways of saving that make sense for a family."""
    family = FAMILIES[name]
    table = dict(SAVING)
    table["form-head"] = [{"class": stem(name) + head} for head in family.heads]
    table["form-prefix"] = [{"prefix": prefix} for prefix in family.prefixes]
    if name not in ("bert", "electra", "jina-bert-v2"):
        table.pop("form-norm-names")
    return {switch: options for switch, options in table.items() if options}


def tables(family: str) -> dict[str, Table]:
    """Every switch of a family by area."""
    return {
        "config": FAMILIES[family].switches,
        "saving": saving_table(family),
        "tokenizer": tokenizers.table(family),
        "modules": modules.TABLE,
    }


def keys_of(area: str, option: Any) -> set[str]:
    """What an option touches; two options of a case never touch the same."""
    if area == "config":
        keys = set(option)
        return keys | {"num_hidden_layers"} if "layer_types" in keys else keys
    if area == "tokenizer":
        return {*option.get("config", {}), *option.get("tokenizer", {}), *(option.keys() - {"config", "tokenizer"})}
    return set()


def draw(seed: int) -> Case:
    """Families take turns; each switch is set with its area's chance."""
    names = list(FAMILIES)
    family = names[seed % len(names)]
    random_numbers = random.Random(seed)
    switches: Switches = {}
    for area, table in tables(family).items():
        touched: set[str] = set()
        shuffled = random_numbers.sample(sorted(table), len(table))
        for name in shuffled:
            option = random_numbers.choice(table[name])
            keys = keys_of(area, option)
            chance = SELDOM.get(f"{area}.{name}", CHANCES[area])
            if random_numbers.random() < chance and not keys & touched:
                switches[f"{area}.{name}"] = option
                touched |= keys
    return Case(family, seed, switches, texts.draw(random_numbers))


def singles(family: str) -> list[Case]:
    """One case an option, everything else at its default; the default itself comes first."""
    cases = [Case(family, 1, {}, texts.standard(every_kind=True))]
    for area, table in tables(family).items():
        standard = texts.standard(every_kind=area == "tokenizer")
        for name, options in table.items():
            cases += [Case(family, 1, {f"{area}.{name}": option}, standard) for option in options]
    return cases
