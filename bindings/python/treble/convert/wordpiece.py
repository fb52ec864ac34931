"""tokenizer.json of the WordPiece vocabulary in a GGUF file.

llama.cpp marks where a word begins instead of where it goes on: "hello" stands there as "▁hello", "##ing" as "ing";
control tokens such as [CLS] stand as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .vocabulary import CONTROL, NORMAL, UNUSED, added_tokens, numbered, read_tokens, special_tokens, template

WORD_START = "\u2581"
BRACKETED = re.compile(r"\[[^\[\]\s]+\]")
PADDING = re.compile(r"\[PAD\d+\]")
ROLES = {
    "pad_token": ("[PAD]", ("padding_token_id",)),
    "unk_token": ("[UNK]", ("unknown_token_id",)),
    "cls_token": ("[CLS]", ("cls_token_id", "bos_token_id")),
    "sep_token": ("[SEP]", ("seperator_token_id", "separator_token_id")),
    "mask_token": ("[MASK]", ("mask_token_id",)),
}


class WordPiece:
    """BERT's tokenizer."""

    def __init__(self, path: Path, metadata: dict[str, Any]) -> None:
        """Read it. Raises ConvertError."""
        tokens, types = read_tokens(path, metadata)
        pieces = [_piece(token, kind) for token, kind in zip(tokens, types, strict=True)]
        # Rows of the weights' table that no token has are filled up with [PAD30522], …
        while pieces and types[len(pieces) - 1] == UNUSED and PADDING.fullmatch(pieces[-1]):
            pieces.pop()
        self.ids = numbered(path, pieces)
        self.special = special_tokens(path, metadata, pieces, ROLES, ("mask_token",))
        plain = (p for p, kind in zip(pieces, types, strict=False) if kind == NORMAL and not BRACKETED.fullmatch(p))
        self.lowercase = not any(piece != piece.lower() for piece in plain)
        """The file does not say: a vocabulary without a capital letter can only be read in lower case."""

    @property
    def padding_id(self) -> int:
        """That of the padding token."""
        return self.ids[self.special["pad_token"]]

    def files(self, max_length: int) -> dict[str, Any]:
        """tokenizer.json and tokenizer_config.json."""
        return {"tokenizer.json": self.tokenizer_json(), "tokenizer_config.json": self.tokenizer_config(max_length)}

    def tokenizer_json(self) -> dict[str, Any]:
        """As transformers makes it of a BERT vocabulary."""
        cls, sep = self.special["cls_token"], self.special["sep_token"]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added_tokens(self.ids, self.special),
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": self.lowercase,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": template(self.ids, cls, sep, (), 1),
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {
                "type": "WordPiece",
                "unk_token": self.special["unk_token"],
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": self.ids,
            },
        }

    def tokenizer_config(self, max_length: int) -> dict[str, Any]:
        """tokenizer_config.json beside it."""
        return {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.lowercase,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "model_max_length": max_length,
            **self.special,
        }

    def notes(self) -> list[str]:
        """On the case of letters."""
        case = "no token has a capital letter" if self.lowercase else "some tokens have capital letters"
        return [f"texts are {'' if self.lowercase else 'not '}put in lower case: {case}"]


def _piece(token: str, kind: int) -> str:
    """A token of llama.cpp in BERT's form."""
    if kind == CONTROL:
        return token
    if token.startswith(WORD_START) and token != WORD_START:
        return token[len(WORD_START) :]
    # Files of early 2024 left everything in brackets as it was.
    return token if BRACKETED.fullmatch(token) else f"##{token}"
