"""Outputs other than dense vectors: sparse ones, a vector for each token, and several in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from treble import _treble
from treble._model import Model, Truncation
from treble._progress import progress_bar
from treble._temperature import TemperatureLike
from treble._treble import EncodeOptions
from treble.encoding import check_arguments, truncation_message
from treble.errors import TruncationWarning, warn

Role = Literal["query", "document"]
OutputKind = Literal["dense", "sparse", "multi-vector"]


class SparseArrays(NamedTuple):
    """Compressed sparse rows, in the order that `scipy.sparse.csr_array((data, indices, indptr), shape)` takes them."""

    data: npt.NDArray[np.float32]
    """The weights, none of them 0."""
    indices: npt.NDArray[np.int32]
    """Their tokens' ids, rising within a row."""
    indptr: npt.NDArray[np.int64]
    """[n + 1]: row i has the entries indptr[i] to indptr[i + 1]."""
    shape: tuple[int, int]
    """Texts, and tokens of the vocabulary."""


class OutputMethods(Model):
    """The ways to encode to something else than one vector a text."""

    def encode_sparse(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        max_active_dims: int | None = None,
        *,
        role: Role | None = None,
        temperature: TemperatureLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Sparse vectors of texts [n, vocabulary]: a weight for some tokens. Of SPLADE models and BGE-M3.

        A `scipy.sparse.csr_array` where SciPy is installed, else SparseArrays. A str is one row. The other arguments
        are those of `encode`; besides:

        max_active_dims: keep that many of a text's largest weights; None is as the model says, or all.
        role: "query" or "document", for models that read the two differently; takes the model's prompt of that name
            where no other is given.

        Rows are compared by their dot product: `a @ b.T`. Raises treble.Error, UnsupportedError for a model without a
        sparse output.
        """
        check_arguments(batch_size, None, None, kwargs)
        options = self._output_options(
            role,
            temperature=temperature,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
        )
        return self._outputs(inputs, ["sparse"], options, role, max_active_dims, show_progress_bar)["sparse"]

    def encode_multi(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        *,
        role: Role | None = None,
        temperature: TemperatureLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """A vector for each token of texts: a list of arrays [vectors, dim]. Of ColBERT models and BGE-M3.

        A str is one array. The other arguments are those of `encode`; besides:

        role: "query" gets the model's mark and is filled up with mask tokens, "document" gets its mark and leaves out
            tokens on the skip list, as `encode_query` and `encode_document` of sentence-transformers'
            MultiVectorEncoder; None is a document. A prompt stands in the place of the mark.

        Compare with `treble.max_sim`. Raises treble.Error, UnsupportedError for a model without such an output.
        """
        check_arguments(batch_size, None, None, kwargs)
        by_role = self.info["outputs"] == ["multi-vector"]
        options = self._output_options(
            role or ("document" if by_role else None),
            temperature=temperature,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
        )
        return self._outputs(inputs, ["multi-vector"], options, role, None, show_progress_bar)["multi-vector"]

    def encode_outputs(
        self,
        inputs: str | Iterable[str],
        kinds: Sequence[OutputKind],
        prompt_name: str | None = None,
        prompt: str | None = None,
        show_progress_bar: bool | None = None,
        *,
        role: Role | None = None,
        max_active_dims: int | None = None,
        temperature: TemperatureLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
    ) -> dict[str, Any]:
        """Several outputs from one pass through the model, by kind: what `encode`, `encode_sparse` and
        `encode_multi` give.

        `info["outputs"]` says which the model has. A str is one row of each.
        """
        options = self._output_options(
            role,
            temperature=temperature,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
        )
        return self._outputs(inputs, list(kinds), options, role, max_active_dims, show_progress_bar)

    def decode_sparse(self, embeddings: Any, top_k: int | None = None) -> list[list[tuple[str, float]]]:
        """(token, weight) of each row by descending weight, no more than `top_k`: sentence-transformers' `decode`."""
        if not isinstance(embeddings, SparseArrays):
            rows = embeddings.tocsr() if hasattr(embeddings, "tocsr") else embeddings
            embeddings = SparseArrays(rows.data, rows.indices, rows.indptr, rows.shape)
        data = np.ascontiguousarray(embeddings.data, dtype=np.float32)
        indices = np.ascontiguousarray(embeddings.indices, dtype=np.int32)
        ranges = zip(embeddings.indptr[:-1], embeddings.indptr[1:], strict=True)
        return [
            _treble.decode_sparse(self._encoder, indices[begin:end], data[begin:end], top_k) for begin, end in ranges
        ]

    def _output_options(
        self, role: Role | None, *, prompt_name: str | None, prompt: str | None, **given: Any
    ) -> EncodeOptions:
        if role is not None and prompt_name is None and prompt is None:
            prompt = self.prompts.get(role, "")
        return self._options(prompt_name=prompt_name, prompt=prompt, **given)

    def _outputs(
        self,
        inputs: str | Iterable[str],
        kinds: list[str],
        options: EncodeOptions,
        role: Role | None,
        max_active_dims: int | None,
        show_progress_bar: bool | None,
    ) -> dict[str, Any]:
        texts = [inputs] if isinstance(inputs, str) else inputs
        with progress_bar(show_progress_bar) as report:
            found = _treble.encode_outputs(self._encoder, texts, kinds, options, role, max_active_dims, report)
        outputs: dict[str, Any] = {}
        for kind in kinds:
            *arrays, counts, cut = found[kind]
            if cut and not outputs:
                warn(truncation_message(counts, cut), TruncationWarning)
            if kind == "dense":
                outputs[kind] = arrays[0]
            elif kind == "sparse":
                outputs[kind] = _to_scipy(SparseArrays(*arrays))
            else:
                values, offsets = arrays
                rows = [values[begin:end] for begin, end in pairwise(offsets)]
                outputs[kind] = rows[0] if isinstance(inputs, str) else rows
        return outputs


def _to_scipy(rows: SparseArrays) -> Any:
    try:
        from scipy.sparse import csr_array  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only where it is
    except ImportError:
        return rows
    return csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
