"""Treble in txtai, which finds it by the name of its class.

>>> from txtai import Embeddings
>>> index = Embeddings(
...     method="treble.txtai.TrebleVectors", path="models/all-MiniLM-L6-v2", vectors={"temperature": 0.8}
... )
"""

from __future__ import annotations

from typing import Any

from treble._adapter import Embedder, Vectors

try:
    from txtai.vectors import Vectors as TxtaiVectors
except ImportError as error:
    raise ImportError(f"treble.txtai needs txtai ({error}): pip install 'treble[txtai]'", name=error.name) from error

__all__ = ["TrebleVectors"]


class TrebleVectors(TxtaiVectors):
    """Dense vectors of a txtai index. Raises treble.Error.

    Of the index's configuration, `path` is a model folder or a name in the local Hugging Face cache, and `vectors` has
    keyword arguments of treble.SentenceEncoder, query_prompt, document_prompt and normalize_embeddings.
    """

    model: Any  # the base class sets it to what loadmodel gives, and has no types

    def loadmodel(self, path: str) -> Embedder:
        """Loads the model."""
        return Embedder(path, **self.config.get("vectors", {}))

    def encode(self, data: list[str], category: str | None = None) -> Vectors:
        """[n, dim] of queries for the category "query", of documents otherwise."""
        embedder: Embedder = self.model
        return embedder.queries(data) if category == "query" else embedder.documents(data)
