"""Treble in LlamaIndex.

>>> from treble.llama_index import TrebleEmbedding
>>> embedding = TrebleEmbedding(model_name="models/all-MiniLM-L6-v2", temperature=0.8)
>>> len(embedding.get_query_embedding("a letter from the harbour"))
384
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from treble._adapter import Embedder, plain_state, plain_temperature
from treble._model import Dtype, Extension, Truncation
from treble.encoder import SentenceEncoder

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
    from pydantic import BeforeValidator, Field, PrivateAttr
except ImportError as error:
    raise ImportError(
        f"treble.llama_index needs llama-index-core ({error}): pip install 'treble[llama-index]'", name=error.name
    ) from error

__all__ = ["TrebleEmbedding"]

PlainTemperature = Annotated[float | str | None, BeforeValidator(plain_temperature)]
PlainState = Annotated[str | None, BeforeValidator(plain_state)]

# LlamaIndex sends ten texts at a time by default, which leaves cores idle.
_MAX_BATCH = 2048


class TrebleEmbedding(BaseEmbedding):
    """Embeddings for LlamaIndex's indexes, node parsers and ingestion pipelines.

    The fields load the model and cannot be changed afterwards. to_dict, to_json and pickle write them, and whoever
    reads them loads the model from the same path. Raises treble.Error.
    """

    model_name: Annotated[str, BeforeValidator(os.fspath)] = Field(
        description="A model folder, or a name in the local Hugging Face cache.", frozen=True
    )
    temperature: PlainTemperature = Field(
        default=None, description="Of attention; None is the model as trained.", frozen=True
    )
    state: PlainState = Field(
        default=None, description="Control of the state of Mamba-2 models; None is the model as trained.", frozen=True
    )
    dtype: Dtype = Field(default="float32", description="Of the products with weights.", frozen=True)
    threads: int = Field(default=0, description="0 is as many as the process may use.", frozen=True)
    max_length: int | None = Field(default=None, description="Longest text, in tokens.", frozen=True)
    extend: Extension = Field(default="none", description="How to go beyond the model's positions.", frozen=True)
    truncation: Truncation | None = Field(default=None, description="What longer texts lose.", frozen=True)
    truncate_dim: int | None = Field(default=None, description="Dimensions to keep.", frozen=True)
    normalize_embeddings: bool = Field(default=False, description="To length 1; False: as the model says.", frozen=True)
    query_prompt: str | None = Field(
        default=None, description="Before every query; None is the model's own.", frozen=True
    )
    document_prompt: str | None = Field(
        default=None, description="Before every document; None is the model's own.", frozen=True
    )
    encoder_options: dict[str, Any] = Field(
        default_factory=dict, description="Further keyword arguments of treble.SentenceEncoder.", frozen=True
    )
    embed_batch_size: int = Field(default=_MAX_BATCH, description="Texts in a call.", gt=0, le=_MAX_BATCH)

    _embedder: Embedder = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Loads the model."""
        super().model_post_init(context)
        self._embedder = Embedder(
            self.model_name,
            temperature=self.temperature,
            state=self.state,
            dtype=self.dtype,
            threads=self.threads,
            max_length=self.max_length,
            extend=self.extend,
            truncation=self.truncation,
            truncate_dim=self.truncate_dim,
            normalize_embeddings=self.normalize_embeddings,
            query_prompt=self.query_prompt,
            document_prompt=self.document_prompt,
            **self.encoder_options,
        )

    @classmethod
    def class_name(cls) -> str:
        """As it stands in dictionaries."""
        return "TrebleEmbedding"

    @property
    def encoder(self) -> SentenceEncoder:
        """What computes the vectors."""
        return self._embedder.encoder

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = self._embedder.queries([query])[0].tolist()
        return vector

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self._embedder.documents(texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = (await self._embedder.aqueries([query]))[0].tolist()
        return vector

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = (await self._embedder.adocuments(texts)).tolist()
        return vectors
