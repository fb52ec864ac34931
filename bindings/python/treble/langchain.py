"""Treble in LangChain.

>>> from treble.langchain import TrebleEmbeddings
>>> embeddings = TrebleEmbeddings("models/all-MiniLM-L6-v2", temperature=0.8)
>>> len(embeddings.embed_query("a letter from the harbour"))
384
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treble._adapter import AdapterOptions, Embedder, ModelLike
from treble.encoder import SentenceEncoder

try:
    from langchain_core.embeddings import Embeddings
except ImportError as error:
    raise ImportError(
        f"treble.langchain needs langchain-core ({error}): pip install 'treble[langchain]'", name=error.name
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TrebleEmbeddings"]


class TrebleEmbeddings(Embeddings):
    """Embeddings for LangChain's vector stores and retrievers.

    May be used from any number of threads and coroutines at once. Raises treble.Error.
    """

    def __init__(self, model: ModelLike, **options: Unpack[AdapterOptions]) -> None:
        """model: a folder, a name in the local Hugging Face cache, or a treble.SentenceEncoder.

        options: keyword arguments of treble.SentenceEncoder, and query_prompt, document_prompt (None: the model's own,
        "": none) and normalize_embeddings.
        """
        self._embedder = Embedder(model, **options)

    @property
    def encoder(self) -> SentenceEncoder:
        """What computes the vectors."""
        return self._embedder.encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of documents, one for each text."""
        vectors: list[list[float]] = self._embedder.documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self._embedder.queries([text])[0].tolist()
        return vector

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As embed_documents, while other coroutines run."""
        vectors: list[list[float]] = (await self._embedder.adocuments(texts)).tolist()
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        """As embed_query, while other coroutines run."""
        vector: list[float] = (await self._embedder.aqueries([text]))[0].tolist()
        return vector
