"""Treble in Haystack.

>>> from treble.haystack import TrebleTextEmbedder
>>> embedder = TrebleTextEmbedder("models/all-MiniLM-L6-v2", temperature=0.8)
>>> len(embedder.run("a letter from the harbour")["embedding"])
384

Haystack loads classes of other packages from YAML only when told that it may:
Pipeline.loads(text, allowed_modules=["treble.haystack"]).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treble._adapter import AdapterOptions, Embedder, ModelLike, Vectors
from treble.encoder import SentenceEncoder
from treble.errors import InvalidArgumentError

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise ImportError(
        f"treble.haystack needs haystack-ai ({error}): pip install 'treble[haystack]'", name=error.name
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TrebleDocumentEmbedder", "TrebleTextEmbedder"]


@component
class TrebleTextEmbedder:
    """The vector of a query, for an embedding retriever. Raises treble.Error."""

    def __init__(self, model: ModelLike, **options: Unpack[AdapterOptions]) -> None:
        """model: a folder, a name in the local Hugging Face cache, or a treble.SentenceEncoder, which a
        TrebleDocumentEmbedder may share.

        options: keyword arguments of treble.SentenceEncoder, and query_prompt (None: the model's own, "": none) and
        normalize_embeddings.
        """
        self._embedder = Embedder(model, **options)

    @property
    def encoder(self) -> SentenceEncoder:
        """What computes the vectors."""
        return self._embedder.encoder

    def to_dict(self) -> dict[str, Any]:
        """Path and options of the model."""
        return default_to_dict(self, **self._embedder.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrebleTextEmbedder:
        """Loads the model again."""
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """{"embedding": the vector of `text`}."""
        return {"embedding": self._embedder.queries([_checked(text)])[0].tolist()}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """As `run`, while other coroutines run."""
        return {"embedding": (await self._embedder.aqueries([_checked(text)]))[0].tolist()}


@component
class TrebleDocumentEmbedder:
    """Documents with their vectors, for a document store. Raises treble.Error."""

    def __init__(
        self,
        model: ModelLike,
        *,
        meta_fields_to_embed: Sequence[str] = (),
        embedding_separator: str = "\n",
        **options: Unpack[AdapterOptions],
    ) -> None:
        """model: a folder, a name in the local Hugging Face cache, or a treble.SentenceEncoder, which a
        TrebleTextEmbedder may share.

        meta_fields_to_embed: put before the content, where a document has them, each followed by embedding_separator.
        options: keyword arguments of treble.SentenceEncoder, and document_prompt (None: the model's own, "": none) and
        normalize_embeddings.
        """
        self._embedder = Embedder(model, **options)
        self._meta_fields = list(meta_fields_to_embed)
        self._separator = embedding_separator

    @property
    def encoder(self) -> SentenceEncoder:
        """What computes the vectors."""
        return self._embedder.encoder

    def to_dict(self) -> dict[str, Any]:
        """Path and options of the model, and the fields."""
        own = {"meta_fields_to_embed": self._meta_fields, "embedding_separator": self._separator}
        return default_to_dict(self, **own, **self._embedder.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrebleDocumentEmbedder:
        """Loads the model again."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """{"documents": copies of `documents` with their vectors}."""
        return _with_vectors(documents, self._embedder.documents(self._texts(documents)))

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """As `run`, while other coroutines run."""
        return _with_vectors(documents, await self._embedder.adocuments(self._texts(documents)))

    def _texts(self, documents: list[Document]) -> list[str]:
        return [self._text(document, at) for at, document in enumerate(documents)]

    def _text(self, document: Document, at: int) -> str:
        if document.content is None:
            raise InvalidArgumentError(
                f"document {at} ({document.id}) has no content to embed; leave such documents out", text_index=at
            )
        fields = (document.meta.get(name) for name in self._meta_fields)
        return self._separator.join([*(str(field) for field in fields if field is not None), document.content])


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"TrebleTextEmbedder takes a str, not {type(text).__name__}; documents: TrebleDocumentEmbedder")
    return text


def _with_vectors(documents: list[Document], vectors: Vectors) -> dict[str, Any]:
    pairs = zip(documents, vectors.tolist(), strict=True)
    return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}
