"""What vocabularies in GGUF files have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from .errors import ConvertError, shown

NORMAL, CONTROL, UNUSED = 1, 3, 5
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


class Vocabulary(Protocol):
    """A tokenizer of a file's metadata."""

    @property
    def ids(self) -> Mapping[str, int]:
        """Each token's number."""
        ...

    @property
    def padding_id(self) -> int | None:
        """That of the padding token, where there is one."""
        ...

    def files(self, max_length: int) -> dict[str, Any]:
        """tokenizer.json and tokenizer_config.json as transformers makes them of such a vocabulary: JSON, or bytes."""
        ...

    def notes(self) -> list[str]:
        """What was assumed, for people."""
        ...


def read_tokens(path: Path, metadata: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    """Tokens and their types. Raises ConvertError."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise ConvertError(f"{path}: tokenizer.ggml.tokens is no list of texts")
    types = metadata.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    if not isinstance(types, list) or len(types) != len(tokens):
        raise ConvertError(f"{path}: there are {len(tokens)} tokens, but not as many tokenizer.ggml.token_type")
    return tokens, types


def numbered(path: Path, pieces: list[str]) -> dict[str, int]:
    """Each token's number. Raises ConvertError where two are the same."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        twice = next(piece for number, piece in enumerate(pieces) if ids[piece] != number)
        raise ConvertError(f"{path}: two tokens are {shown(twice)}")
    return ids


Roles = Mapping[str, tuple[str, tuple[str, ...]]]
"""What a special token is for -> its usual text, and the keys that may name its number."""


def special_tokens(
    path: Path, metadata: Mapping[str, Any], pieces: list[str], roles: Roles, may_be_missing: Collection[str]
) -> dict[str, str]:
    """The token of each role. Raises ConvertError."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = {}
    for role, (text, keys) in roles.items():
        stated = (metadata.get(f"tokenizer.ggml.{key}") for key in keys)
        number = next((one for one in stated if one is not None), ids.get(text))
        if number is None and role in may_be_missing:
            continue
        if type(number) is not int or not 0 <= number < len(pieces):
            raise ConvertError(
                f"{path}: the {role} has the number {shown(number)} among {len(pieces)} tokens, none of them is {text}"
            )
        found[role] = pieces[number]
    return found


def added_tokens(ids: Mapping[str, int], special: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of tokenizer.json: the special tokens by number."""
    found = sorted((ids[piece], piece) for piece in set(special.values()))
    return [{"id": number, "content": piece, **FLAGS} for number, piece in found]


def template(
    ids: Mapping[str, int], first: str, last: str, between: tuple[str, ...], second_type: int
) -> dict[str, Any]:
    """The post-processor: special tokens around one text or two; `between` stands before the second."""

    def single(name: str, kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def sequence(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    one = [single(first, 0), sequence("A", 0), single(last, 0)]
    two = [*(single(name, second_type) for name in between), sequence("B", second_type), single(last, second_type)]
    names = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (first, last)}
    return {"type": "TemplateProcessing", "single": one, "pair": [*one, *two], "special_tokens": names}
