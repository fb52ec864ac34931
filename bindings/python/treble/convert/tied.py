"""Output heads that are the word embeddings again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tensors import Tensor, are_equal

HEADS = (
    "lm_head.weight",
    "lm_head.decoder.weight",
    "cls.predictions.decoder.weight",
    "vocab_projector.weight",
    "predictions.decoder.weight",
    "generator_lm_head.weight",
)
EMBEDDINGS = (
    "word_embeddings.weight",
    "embed_tokens.weight",
    "shared.weight",
    "wte.weight",
    "backbone.embedding.weight",
    "backbone.embeddings.weight",
)


def tied_heads(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, str]:
    """Heads that can be left out, each with the embeddings that it equals: whoever loads them ties them again.

    safetensors files cannot hold one tensor under two names, so that it would be written twice.
    """
    if config.get("tie_word_embeddings") is False:
        return {}
    tables = [name for name in tensors if name.endswith(EMBEDDINGS)]
    found = {}
    for head in (name for name in tensors if name in HEADS):
        table = next((name for name in tables if are_equal(tensors[head], tensors[name])), None)
        if table is not None:
            found[head] = table
    return found
