"""The tokenizer.json of the original model, given beside a GGUF file whose vocabulary is of another kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import NOT_FOUND, ConvertError, shown
from .folder_plan import read_json
from .vocabulary import UNUSED, read_tokens
from .wordpiece import WordPiece

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


class GivenTokenizer:
    """Files as they are, once they have been compared with the vocabulary in the GGUF file."""

    def __init__(self, path: Path, metadata: dict[str, Any], given: Path) -> None:
        """Read both. Raises ConvertError unless every token is the same."""
        self._folder = given if given.is_dir() else given.parent
        file = self._folder / "tokenizer.json" if given.is_dir() else given
        if not file.is_file():
            raise ConvertError(f"{file}: not there; fetch tokenizer.json of the model that was converted", NOT_FOUND)
        self._file = file
        self.ids = _ids(file)
        self.padding_id = metadata.get("tokenizer.ggml.padding_token_id")
        tokens, types = read_tokens(path, metadata)
        if metadata.get("tokenizer.ggml.model") == "bert":
            tokens = list(WordPiece(path, metadata).ids)
        by_number = {number: token for token, number in self.ids.items()}
        if max(by_number, default=-1) >= len(tokens):
            raise ConvertError(f"{file}: token {max(by_number)} is there, but {path} has {len(tokens)} tokens")
        for number, token in enumerate(tokens):
            # llama.cpp writes the spaces of some tokens as they are, and fills up rows that no token has.
            ours = by_number.get(number)
            if ours is None and (types[number] == UNUSED or number > max(by_number, default=-1)):
                continue
            if ours is None or ours.replace("\u2581", " ") != token.replace("\u2581", " "):
                raise ConvertError(
                    f"{file}: token {number} is {shown(ours)}, in {path} it is {shown(token)}; give the tokenizer of "
                    "the model that was converted"
                )

    def files(self, max_length: int) -> dict[str, Any]:
        """Their bytes."""
        del max_length  # sentence_bert_config.json says it
        found = {name: self._folder / name for name in FILES[1:] if (self._folder / name).is_file()}
        return {name: path.read_bytes() for name, path in {"tokenizer.json": self._file, **found}.items()}

    def notes(self) -> list[str]:
        """Where it comes from."""
        return [f"tokenizer of {self._file}, whose tokens are those of the file"]


def _ids(file: Path) -> Mapping[str, int]:
    """Of a tokenizer.json: the model's vocabulary and what was added to it."""
    content = read_json(file)
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids: dict[str, int] = {}
    if isinstance(vocabulary, dict):
        ids = {token: number for token, number in vocabulary.items() if type(number) is int and number >= 0}
    elif isinstance(vocabulary, list):
        ids = {one[0]: number for number, one in enumerate(vocabulary) if isinstance(one, list) and _is_piece(one)}
    if not ids:
        raise ConvertError(f"{file}: no vocabulary in it; is it a tokenizer.json?")
    for token in content.get("added_tokens") or []:
        if isinstance(token, dict) and isinstance(token.get("content"), str) and type(token.get("id")) is int:
            ids[token["content"]] = token["id"]
    return ids


def _is_piece(one: list[Any]) -> bool:
    return len(one) == 2 and isinstance(one[0], str)
