"""What the adapters to other frameworks share: loading, prompts, and arguments that can be written to a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from treble._model import Dtype, Extension, Truncation
from treble._state import StateLike
from treble._temperature import TemperatureLike
from treble._treble import StateControl, Temperature
from treble.encoder import SentenceEncoder
from treble.errors import Error, InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Unpack

Vectors = npt.NDArray[np.float32]


class EncoderOptions(TypedDict, total=False):
    """The keyword arguments of SentenceEncoder."""

    temperature: TemperatureLike
    state: StateLike
    dtype: Dtype
    threads: int
    cache: str | os.PathLike[str] | None
    adapter: str | None
    task: str | None
    max_length: int | None
    extend: Extension
    temper_position_bias: bool
    truncation: Truncation | None
    special_tokens_as_text: bool
    prompts: dict[str, str] | None
    default_prompt_name: str | None
    similarity_fn_name: str | None
    truncate_dim: int | None
    device: Any


class AdapterOptions(EncoderOptions, total=False):
    """What every adapter takes beside the model.

    query_prompt, document_prompt: put before every query and every document. None, the default, takes those of the
    model, as SentenceEncoder.encode_query and encode_document do; "" is none.
    normalize_embeddings: to length 1; False is as the model says.
    """

    query_prompt: str | None
    document_prompt: str | None
    normalize_embeddings: bool


ModelLike = str | os.PathLike[str] | SentenceEncoder


def load_encoder(model: ModelLike, **options: Unpack[EncoderOptions]) -> SentenceEncoder:
    """model: a folder, a name in the local Hugging Face cache, or an encoder, which is returned as it is."""
    if not isinstance(model, SentenceEncoder):
        return SentenceEncoder(model, **options)
    if options:
        raise InvalidArgumentError(
            f"{', '.join(options)}: the model is loaded already; set this where the SentenceEncoder is made"
        )
    return model


class Embedder:
    """An encoder with the prompts of queries and documents."""

    def __init__(
        self,
        model: ModelLike,
        *,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        normalize_embeddings: bool = False,
        **options: Unpack[EncoderOptions],
    ) -> None:
        """As load_encoder; an encoder is shared, not copied."""
        self.encoder: SentenceEncoder = load_encoder(model, **options)
        self._query_prompt = query_prompt
        self._document_prompt = document_prompt
        self._normalize = normalize_embeddings

    def queries(self, texts: Sequence[str]) -> Vectors:
        """[n, dim]."""
        vectors: Vectors = self.encoder.encode_query(
            texts, prompt=self._query_prompt, normalize_embeddings=self._normalize
        )
        return vectors

    def documents(self, texts: Sequence[str]) -> Vectors:
        """[n, dim]."""
        vectors: Vectors = self.encoder.encode_document(
            texts, prompt=self._document_prompt, normalize_embeddings=self._normalize
        )
        return vectors

    async def aqueries(self, texts: Sequence[str]) -> Vectors:
        """As `queries`, while other coroutines run."""
        return await asyncio.to_thread(self.queries, texts)

    async def adocuments(self, texts: Sequence[str]) -> Vectors:
        """As `documents`, while other coroutines run."""
        return await asyncio.to_thread(self.documents, texts)

    def to_dict(self) -> dict[str, Any]:
        """Arguments, all of them plain JSON values, that make an equal Embedder; defaults are left out."""
        own = {
            "query_prompt": self._query_prompt,
            "document_prompt": self._document_prompt,
            "normalize_embeddings": self._normalize or None,
        }
        return encoder_arguments(self.encoder) | {name: value for name, value in own.items() if value is not None}


def encoder_arguments(encoder: SentenceEncoder) -> dict[str, Any]:
    """{"model": path} and the keyword arguments that load an equal encoder; those with their default are left out."""
    loaded, info = encoder._load_arguments, encoder.info
    if encoder._max_seq_length is not None and loaded["extension"] != "none":
        raise InvalidArgumentError(
            f"max_seq_length was set to {encoder._max_seq_length} on an encoder with extend={loaded['extension']!r}, "
            "and no arguments load it so; give max_length where the SentenceEncoder is made"
        )
    arguments = {
        "temperature": (None if encoder.temperature.is_identity else plain_temperature(encoder.temperature), None),
        "state": (None if encoder.state.is_identity else plain_state(encoder.state), None),
        "adapter": (loaded["adapter"] or None, None),
        "task": (loaded["task"] or None, None),
        "dtype": (loaded["dtype"], "float32"),
        "threads": (loaded["threads"], 0),
        "cache": (loaded["cache"] or None, None),
        "max_length": (encoder._max_seq_length or loaded["max_length"], None),
        "extend": (loaded["extension"], "none"),
        "temper_position_bias": (encoder._temper_position_bias, True),
        "truncation": (encoder._truncation, None),
        "special_tokens_as_text": (loaded["special_tokens_as_text"], False),
        "prompts": (encoder.prompts, info["prompts"]),
        "default_prompt_name": (encoder.default_prompt_name, info["default_prompt_name"] or None),
        "similarity_fn_name": (encoder.similarity_fn_name, info["similarity"]),
        "truncate_dim": (encoder.truncate_dim, None),
    }
    return {"model": encoder._path} | {name: value for name, (value, default) in arguments.items() if value != default}


def plain_temperature(value: TemperatureLike) -> float | str | None:
    """The same temperature as a number or a written schedule. Raises for a profile that is in no file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return "match:" + os.fspath(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Temperature):
        written = str(value)
        try:
            if Temperature.parse(written) == value:
                return written
        except Error:
            pass
    raise InvalidArgumentError(
        f"a temperature that is in no file cannot be written down: {value!r}; write the profile with its write() and "
        "give the path"
    )


def plain_state(value: StateLike) -> str | None:
    """The same control of the state as it is written. Raises for norms that are in no file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return "norm:" + os.fspath(value)
    if isinstance(value, StateControl):
        written = str(value)
        try:
            if StateControl.parse(written) == value:
                return written
        except Error:
            pass
    raise InvalidArgumentError(
        f"norms of states that are in no file cannot be written down: {value!r}; write them with their write() and "
        "give the path"
    )
