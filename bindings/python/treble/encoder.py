"""The encoder: the interface of sentence-transformers on Treble's engine."""

from __future__ import annotations

from typing import Any

from treble import _similarity
from treble.analysis import AnalysisMethods
from treble.outputs import OutputMethods
from treble.streaming import StreamMethods


class SentenceEncoder(StreamMethods, OutputMethods, AnalysisMethods):
    """A sentence-embedding model on the CPU.

    All methods may be called from any number of threads at once; they release the GIL while they work. Small calls of
    more threads than the model has are put into common batches, which changes vectors by no more than 1e-6. Pickled, it
    is its path and options, and is loaded again where it is unpickled. In a forked child it raises an error.
    """

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """[n1, n2] by `similarity_fn_name`; greater is more alike. Arrays give an array, tensors a tensor."""
        return _similarity.similarity(embeddings1, embeddings2, self.similarity_fn_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """[n]: of each vector of the one to the vector at its place in the other."""
        return _similarity.similarity_pairwise(embeddings1, embeddings2, self.similarity_fn_name)

    def get_embedding_dimension(self) -> int:
        """Dimensions of the vectors that `encode` gives."""
        return self._encoder.output_dim(self._options(dimensions=self.truncate_dim))

    def get_sentence_embedding_dimension(self) -> int:
        """As get_embedding_dimension, under its older name."""
        return self.get_embedding_dimension()

    def get_max_seq_length(self) -> int:
        """As max_seq_length."""
        return self.max_seq_length
