"""tokenizer.json of XLM-R's SentencePiece vocabulary in a GGUF file, which calls this kind "t5"."""

from __future__ import annotations

import base64
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ConvertError, shown
from .vocabulary import UNUSED, added_tokens, numbered, read_tokens, special_tokens, template

PADDING = re.compile(r"\[PAD\d+\]")
ROLES = {
    "bos_token": ("<s>", ("bos_token_id",)),
    "pad_token": ("<pad>", ("padding_token_id",)),
    "eos_token": ("</s>", ("eos_token_id",)),
    "unk_token": ("<unk>", ("unknown_token_id",)),
    "mask_token": ("<mask>", ("mask_token_id",)),
}


class Unigram:
    """XLM-R's tokenizer."""

    def __init__(self, path: Path, metadata: dict[str, Any]) -> None:
        """Read it. Raises ConvertError."""
        pieces, types = read_tokens(path, metadata)
        scores = metadata.get("tokenizer.ggml.scores")
        if not isinstance(scores, list) or len(scores) != len(pieces):
            raise ConvertError(f"{path}: there are {len(pieces)} tokens, but not as many tokenizer.ggml.scores")
        bad = next((score for score in scores if type(score) is not float or not math.isfinite(score)), None)
        if bad is not None:
            raise ConvertError(f"{path}: one of tokenizer.ggml.scores is {shown(bad)}, no finite number")
        # Rows of the weights' table that no token has are filled up.
        count = len(pieces)
        while count and types[count - 1] == UNUSED and PADDING.fullmatch(pieces[count - 1]):
            count -= 1
        self.ids = numbered(path, pieces[:count])
        self.special = special_tokens(path, metadata, pieces[:count], ROLES, ("mask_token",))
        # -6.0045 is stored as the float32 that is nearest to it.
        self.scores = [float(str(np.float32(score))) for score in scores[:count]]
        self.charsmap = _charsmap(path, metadata.get("tokenizer.ggml.precompiled_charsmap", []))
        self.prefix = "always" if metadata.get("tokenizer.ggml.add_space_prefix", True) else "never"

    @property
    def padding_id(self) -> int:
        """That of the padding token."""
        return self.ids[self.special["pad_token"]]

    def files(self, max_length: int) -> dict[str, Any]:
        """tokenizer.json and tokenizer_config.json."""
        return {"tokenizer.json": self.tokenizer_json(), "tokenizer_config.json": self.tokenizer_config(max_length)}

    def tokenizer_json(self) -> dict[str, Any]:
        """As transformers makes it of an XLM-R vocabulary."""
        bos, eos = self.special["bos_token"], self.special["eos_token"]
        space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": self.prefix, "split": True}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added_tokens(self.ids, self.special),
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": self.charsmap} if self.charsmap else None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]},
            "post_processor": template(self.ids, bos, eos, (eos,), 0),
            "decoder": space,
            "model": {
                "type": "Unigram",
                "unk_id": self.ids[self.special["unk_token"]],
                "vocab": [[piece, score] for piece, score in zip(self.ids, self.scores, strict=True)],
                "byte_fallback": False,
            },
        }

    def tokenizer_config(self, max_length: int) -> dict[str, Any]:
        """tokenizer_config.json beside it."""
        return {
            "tokenizer_class": "XLMRobertaTokenizer",
            "add_prefix_space": self.prefix == "always",
            "model_max_length": max_length,
            **self.special,
            "cls_token": self.special["bos_token"],
            "sep_token": self.special["eos_token"],
        }

    def notes(self) -> list[str]:
        """Nothing is assumed."""
        return []


def _charsmap(path: Path, values: Any) -> str:
    """SentencePiece's table of characters that are replaced, in base64."""
    if not isinstance(values, list) or not all(type(value) is int and -128 <= value < 256 for value in values):
        raise ConvertError(f"{path}: tokenizer.ggml.precompiled_charsmap is no list of bytes")
    return base64.b64encode(bytes(value & 255 for value in values)).decode()
