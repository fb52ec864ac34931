"""What a family is to the generator, and the switches that most families share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from differential.case import ABSENT

Option = dict[str, Any]

Table = dict[str, list[Option]]

POSITIONS = 320  # for texts of about 300 tokens


@dataclass(frozen=True)
class Family:
    """What the generator needs to know."""

    tokenizer: str  # a folder of tests/golden
    config: dict[str, Any]
    switches: Table
    heads: tuple[str, ...] = ()  # transformers' classes a checkpoint may have been saved from
    twin: str = ""  # a class of tools/golden/twins, for published code that transformers does not have
    prefixes: tuple[str, ...] = ()  # put before every tensor's name by published checkpoints
    gain: float = 1.3
    widest: float = 3.2  # largest standard deviation of the attention logits that still tests something
    embedding_std: float = 0.7
    width_key: str = "hidden_size"
    defaults: dict[str, Any] = field(default_factory=dict)  # of a twin's published configuration class


def each(key: str, *values: Any) -> list[Option]:
    """One option a value."""
    return [{key: value} for value in values]


def without(table: Table, *names: str, **more: list[Option]) -> Table:
    """A copy with switches dropped and added; a keyword's underscores stand for hyphens."""
    kept = {name: options for name, options in table.items() if name not in names}
    return kept | {name.replace("_", "-"): options for name, options in more.items()}


DTYPE_FORMS: list[Option] = [
    {"torch_dtype": ABSENT, "dtype": "float32"},
    {"torch_dtype": ABSENT},
    {"torch_dtype": "bfloat16"},
]

HARMLESS: list[Option] = [
    {"use_cache": False, "classifier_dropout": 0.1, "gradient_checkpointing": False},
    {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "problem_type": None},
    {"_name_or_path": "somebody/something", "transformers_version": "5.24.0", "finetuning_task": None},
]

COMMON: Table = {"form-dtype": DTYPE_FORMS, "form-harmless": HARMLESS}

SIZES: list[Option] = [
    {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 40},
    {"hidden_size": 16, "num_attention_heads": 1, "intermediate_size": 64},
    {"hidden_size": 48, "num_attention_heads": 6, "intermediate_size": 33},
]
