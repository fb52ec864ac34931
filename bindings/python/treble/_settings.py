"""A model with the options of its calls, as a value: what workers in other processes are told."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from treble import Encoded, SentenceEncoder
from treble._treble import EncodeOptions, provenance_json
from treble.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treble._model import Dtype, Extension, Truncation
    from treble._state import StateLike
    from treble._temperature import TemperatureLike


class EncoderOptions(TypedDict, total=False):
    """Keyword arguments of treble.SentenceEncoder and its `encode` that functions over many workers take."""

    temperature: TemperatureLike
    state: StateLike
    adapter: str | None
    task: str | None
    dtype: Dtype
    cache: str | os.PathLike[str] | None
    max_length: int | None
    extend: Extension
    truncation: Truncation | None
    temper_position_bias: bool
    special_tokens_as_text: bool
    prompt_name: str | None
    prompt: str | None
    normalize_embeddings: bool
    dimensions: int | None


@dataclass(frozen=True)
class EncoderSettings:
    """Everything that vectors depend on but the texts; `threads` only the time they take."""

    model: str
    threads: int = 0
    temperature: TemperatureLike = None
    state: StateLike = None
    adapter: str | None = None
    task: str | None = None
    dtype: Dtype = "float32"
    cache: str | os.PathLike[str] | None = None
    max_length: int | None = None
    extend: Extension = "none"
    truncation: Truncation | None = None
    temper_position_bias: bool = True
    special_tokens_as_text: bool = False
    prompt_name: str | None = None
    prompt: str | None = None
    normalize_embeddings: bool = False
    dimensions: int | None = None
    """To keep; normalized after that where the model or normalize_embeddings says so, as by `treble embed`."""

    @classmethod
    def of(cls, model: str | os.PathLike[str], threads: int, options: EncoderOptions) -> EncoderSettings:
        """Raises TypeError for options that do not exist, and makes the path of a folder absolute."""
        unknown = sorted(options.keys() - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(EncoderOptions.__annotations__)
            raise TypeError(f"unexpected keyword arguments: {', '.join(unknown)}; options of the encoder are {known}")
        if threads < 0:
            raise InvalidArgumentError(f"threads must be at least 1, or 0 for all that there are; got {threads}")
        path = os.fspath(model)
        return cls(os.path.abspath(path) if os.path.isdir(path) else path, threads, **options)

    def load(self) -> SentenceEncoder:
        """The model in this process."""
        return SentenceEncoder(
            self.model,
            temperature=self.temperature,
            state=self.state,
            adapter=self.adapter,
            task=self.task,
            dtype=self.dtype,
            threads=self.threads,
            cache=self.cache,
            max_length=self.max_length,
            extend=self.extend,
            truncation=self.truncation,
            temper_position_bias=self.temper_position_bias,
            special_tokens_as_text=self.special_tokens_as_text,
        )

    def encode(self, encoder: SentenceEncoder, texts: Sequence[str]) -> Encoded:
        """Vectors of texts by what `load` gave. Warns of nothing: the counts say it."""
        vectors, counts, _ = encoder._encoder.encode(texts, self._options(encoder))
        return Encoded(vectors, counts[:, 0], counts[:, 1])

    def provenance(self, encoder: SentenceEncoder) -> dict[str, Any]:
        """What the vectors depend on, by content; docs/outputs.md lists the fields."""
        result: dict[str, Any] = json.loads(provenance_json(encoder._encoder, self._options(encoder)))
        return result

    def _options(self, encoder: SentenceEncoder) -> EncodeOptions:
        return encoder._options(
            prompt_name=self.prompt_name,
            prompt=self.prompt,
            normalize=True if self.normalize_embeddings else None,
            dimensions=self.dimensions,
        )
