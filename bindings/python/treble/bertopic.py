"""Treble in BERTopic, which takes other encoders than sentence-transformers' own only as a backend.

>>> from bertopic import BERTopic
>>> from treble.bertopic import TrebleBackend
>>> model = BERTopic(embedding_model=TrebleBackend("models/all-MiniLM-L6-v2", temperature=0.8))
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from treble._adapter import EncoderOptions, ModelLike, Vectors, load_encoder

try:
    from bertopic.backend import BaseEmbedder
except ImportError as error:
    raise ImportError(
        f"treble.bertopic needs bertopic ({error}): pip install 'treble[bertopic]'", name=error.name
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TrebleBackend"]


class TrebleBackend(BaseEmbedder):
    """Vectors of documents and words. Raises treble.Error."""

    embedding_model: Any  # the base class sets it, and has no types

    def __init__(self, model: ModelLike, **options: Unpack[EncoderOptions]) -> None:
        """model: a folder, a name in the local Hugging Face cache, or a treble.SentenceEncoder.

        options: keyword arguments of treble.SentenceEncoder.
        """
        super().__init__(embedding_model=load_encoder(model, **options))

    def embed(self, documents: Iterable[str], verbose: bool = False) -> Vectors:
        """[n, dim]; verbose shows a progress bar."""
        vectors: Vectors = self.embedding_model.encode(list(documents), show_progress_bar=verbose)
        return vectors
