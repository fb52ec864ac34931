"""Treble in Chroma.

>>> import chromadb
>>> from treble.chroma import TrebleEmbeddingFunction
>>> function = TrebleEmbeddingFunction("models/all-MiniLM-L6-v2", temperature=0.8)
>>> collection = chromadb.EphemeralClient().create_collection("letters", embedding_function=function)

Chroma keeps path and options with a collection. A program that opens it again imports this module and need give no
function.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from treble._adapter import AdapterOptions, Embedder, ModelLike
from treble.encoder import SentenceEncoder
from treble.errors import InvalidArgumentError

try:
    from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
    from chromadb.utils.embedding_functions import register_embedding_function
except ImportError as error:
    raise ImportError(
        f"treble.chroma needs chromadb ({error}): pip install 'treble[chroma]'", name=error.name
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TrebleEmbeddingFunction"]

_SPACES: dict[str, Space] = {"cosine": "cosine", "dot": "ip", "euclidean": "l2"}
# What may differ from the configuration that a collection was filled with: its vectors stay the same.
_FREE = frozenset({"model", "threads"})


@register_embedding_function
class TrebleEmbeddingFunction(EmbeddingFunction[Documents]):
    """Vectors of a collection's documents and queries. Raises treble.Error."""

    def __init__(self, model: ModelLike, **options: Unpack[AdapterOptions]) -> None:
        """model: a folder, a name in the local Hugging Face cache, or a treble.SentenceEncoder.

        options: keyword arguments of treble.SentenceEncoder, and query_prompt, document_prompt (None: the model's own,
        "": none) and normalize_embeddings.
        """
        # Fills the cached property.
        self._embedder = Embedder(model, **options)
        self._config = self._embedder.to_dict()

    @cached_property
    def _embedder(self) -> Embedder:
        return Embedder(**self._config)

    @property
    def encoder(self) -> SentenceEncoder:
        """What computes the vectors."""
        return self._embedder.encoder

    def __call__(self, input: Documents) -> Embeddings:
        """Vectors of documents."""
        return list(self._embedder.documents(input))

    def embed_query(self, input: Documents) -> Embeddings:
        """Vectors of queries."""
        return list(self._embedder.queries(input))

    @staticmethod
    def name() -> str:
        """As Chroma keeps it with a collection."""
        return "treble"

    def default_space(self) -> Space:
        """By the model's similarity."""
        return _SPACES.get(self.encoder.similarity_fn_name, "cosine")

    def get_config(self) -> dict[str, Any]:
        """Path and options of the model."""
        return dict(self._config)

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> TrebleEmbeddingFunction:
        """The model is loaded when it is first needed: Chroma builds functions also where it embeds nothing."""
        function = TrebleEmbeddingFunction.__new__(TrebleEmbeddingFunction)
        function._config = dict(config)
        return function

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Only model (a folder may move) and threads may change: new vectors would not fit those in the collection."""
        changed = [
            name
            for name in sorted((old_config.keys() | new_config.keys()) - _FREE)
            if old_config.get(name) != new_config.get(name)
        ]
        if changed:
            differences = ", ".join(
                f"{name} from {old_config.get(name)!r} to {new_config.get(name)!r}" for name in changed
            )
            raise InvalidArgumentError(
                f"the collection was filled with other options ({differences}); make a new collection and add the "
                "documents to it"
            )
