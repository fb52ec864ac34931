"""Texts to vectors, with the interface of sentence-transformers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from treble import _treble
from treble._model import Model, Truncation, check_device
from treble._progress import progress_bar
from treble._state import StateLike
from treble._temperature import TemperatureLike
from treble._treble import EncodeOptions
from treble.errors import InvalidArgumentError, TruncationWarning, UnsupportedError, warn
from treble.quantization import Precision, check_precision, quantize_embeddings

# Keyword arguments of sentence-transformers' encode that mean nothing here: the route, and how workers share the texts.
_IGNORED_KEYWORDS = frozenset({"task", "chunk_size"})
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True)
class Encoded:
    """Vectors with how much of each text is in them."""

    embeddings: npt.NDArray[np.float32]
    """[n, dim]; of one str [dim]."""
    tokens: npt.NDArray[np.int64]
    """[n]: that the texts have, special tokens and prompt included."""
    tokens_used: npt.NDArray[np.int64]
    """[n]: of them, that the model read."""

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """[n]: whether a text was longer than the model reads."""
        return self.tokens > self.tokens_used


class EncodeMethods(Model):
    """The ways to encode what is there at once."""

    def encode(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Any = None,
        *,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        ranges: npt.ArrayLike | None = None,
        **kwargs: Any,
    ) -> Any:
        """Vectors of texts, [n, dim] float32; of one str, [dim]. The signature is that of sentence-transformers 6.

        inputs: a str, or any iterable of them.
        prompt_name, prompt: put before every text; a literal prompt comes before a name, "" is none.
        batch_size: accepted; texts are put together by tokens, which changes no vector.
        show_progress_bar: needs tqdm. None is no bar.
        output_value: "token_embeddings" gives a list of [tokens, hidden_size] arrays, None a dict for each text.
        precision: see treble.quantize_embeddings.
        convert_to_tensor: a torch tensor; without convert_to_numpy a list of tensors.
        device: None or "cpu".
        normalize_embeddings: to length 1; False is as the model says.
        truncate_dim: dimensions to keep (Matryoshka); the vectors are then of length 1 only with normalize_embeddings.
        temperature: of attention, for this call; None is the encoder's own.
        state: of Mamba-2 models, for this call ("window:512"); None is the encoder's own.
        truncation, max_length: for this call.
        ranges: [2, dim], for precision int8 and uint8 (treble.load_ranges); None takes them from these very texts, with
            which the vectors of other calls cannot be compared.

        Warns once a call (treble.TruncationWarning) when texts were longer than the model reads. Raises treble.Error;
        its text_index says which text is to blame. Ctrl-C ends the call with KeyboardInterrupt.
        """
        check_arguments(batch_size, device, pool, kwargs)
        check_precision(precision)
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        # Only vectors of texts as such are normalized on request, as in sentence-transformers.
        normalize = normalize_embeddings and output_value == "sentence_embedding"
        options = self._options(
            temperature=temperature,
            state=state,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
            normalize=True if normalize else None,
            dimensions=self._engine_dimensions(keep, normalize),
        )
        if output_value != "sentence_embedding":
            found = self._token_outputs(inputs, options, output_value, show_progress_bar, keep)
            return _tensors(found) if convert_to_tensor else found
        vectors = cut_dimensions(self._run(inputs, options, show_progress_bar)[0], keep)
        return _converted(vectors, precision, ranges, convert_to_numpy, convert_to_tensor)

    def encode_query(
        self, inputs: str | Iterable[str], prompt_name: str | None = None, prompt: str | None = None, **kwargs: Any
    ) -> Any:
        """As `encode`, with the model's prompt "query" if it has one and no other is given."""
        if prompt_name is None and prompt is None and "query" in self.prompts:
            prompt_name = "query"
        return self.encode(inputs, prompt_name, prompt, **kwargs)

    def encode_document(
        self, inputs: str | Iterable[str], prompt_name: str | None = None, prompt: str | None = None, **kwargs: Any
    ) -> Any:
        """As `encode`, with the first of the model's prompts "document", "passage", "corpus", if none is given."""
        if prompt_name is None and prompt is None:
            prompt_name = next((name for name in _DOCUMENT_PROMPTS if name in self.prompts), None)
        return self.encode(inputs, prompt_name, prompt, **kwargs)

    def encode_with_info(
        self,
        inputs: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Encoded:
        """The vectors of `encode` and the token counts of each text. Warns of nothing: the result says it."""
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        options = self._options(
            temperature=temperature,
            state=state,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
            normalize=True if normalize_embeddings else None,
            dimensions=self._engine_dimensions(keep, normalize_embeddings),
        )
        vectors, counts = self._run(inputs, options, show_progress_bar, silent=True)
        return Encoded(cut_dimensions(vectors, keep), counts[:, 0], counts[:, 1])

    def encode_chunked(
        self,
        inputs: Iterable[str],
        chunks: str = "chunk-mean",
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> npt.NDArray[np.float32]:
        """[n, dim], with long texts in pieces whose vectors are put together; nothing is cut off.

        chunks: "chunk-mean" or "chunk-max", either with the tokens of a piece: "chunk-mean:256"; or "late-chunk:64",
            which pools pieces of a text that was read as a whole.
        """
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        options = self._options(
            temperature=temperature,
            state=state,
            prompt_name=prompt_name,
            prompt=prompt,
            normalize=True if normalize_embeddings else None,
            dimensions=self._engine_dimensions(keep, normalize_embeddings),
        )
        texts = [inputs] if isinstance(inputs, str) else inputs
        with progress_bar(show_progress_bar) as report:
            vectors = cut_dimensions(self._encoder.encode_chunked(texts, options, chunks, report)[0], keep)
        return vectors[0] if isinstance(inputs, str) else vectors

    def tokenize(self, texts: str | Iterable[str], *, prompt_name: str | None = "", prompt: str | None = None) -> Any:
        """{"input_ids": [n, longest], "attention_mask": [n, longest]} as int64: what the model reads, then 0.

        Without a prompt unless one is given, as in sentence-transformers.
        """
        listed = [texts] if isinstance(texts, str) else texts
        options = self._options(prompt_name=prompt_name, prompt=prompt)
        return _padded(_treble.token_ids(self._encoder, listed, options))

    def token_counts(
        self,
        inputs: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        max_length: int | None = None,
    ) -> npt.NDArray[np.int64]:
        """[n, 2]: tokens that each text has, and that the model would read; the model does not run."""
        options = self._options(prompt_name=prompt_name, prompt=prompt, max_length=max_length)
        return self._encoder.count_tokens(inputs, options)

    def _engine_dimensions(self, keep: int | None, normalize: bool) -> int | None:
        """Of the `keep` dimensions that a call keeps, what the engine is asked for; `cut_dimensions` does the rest.

        The engine normalizes after it has cut. Vectors of a model that normalizes are cut after that in
        sentence-transformers, and so get no length of 1 unless it is asked for.
        """
        if keep is None or normalize or not self.info["normalizes"]:
            return keep
        self._encoder.validate(self._options(prompt="", dimensions=keep))
        return None

    def _token_outputs(
        self, inputs: Any, options: EncodeOptions, output_value: str | None, show: bool | None, keep: int | None
    ) -> Any:
        """For each text the vectors of its tokens, or a dict of everything."""
        if output_value not in ("token_embeddings", None):
            raise InvalidArgumentError(
                f"output_value {output_value!r} is not known; there are 'sentence_embedding', 'token_embeddings', None"
            )
        single = isinstance(inputs, str)
        texts = [inputs] if single else list(inputs) if output_value is None else inputs
        with progress_bar(show) as report:
            tokens = _treble.token_embeddings(self._encoder, texts, options, report)
        found: list[Any] = list(tokens)
        if output_value is None:
            vectors = cut_dimensions(self._run(texts, options, None)[0], keep)
            ids = _treble.token_ids(self._encoder, texts, options)
            found = [
                {
                    "input_ids": np.asarray(ids[i], dtype=np.int64),
                    "attention_mask": np.ones(len(ids[i]), dtype=np.int64),
                    "token_embeddings": tokens[i],
                    "sentence_embedding": vectors[i],
                }
                for i in range(len(texts))
            ]
        return found[0] if single else found

    def _warn_of_truncation(self, counts: npt.NDArray[np.int64]) -> None:
        truncated = int((counts[:, 0] > counts[:, 1]).sum())
        if truncated:
            warn(truncation_message(counts, truncated), TruncationWarning)

    def _run(
        self, inputs: str | Iterable[str], options: EncodeOptions, show: bool | None, *, silent: bool = False
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        if show:
            with progress_bar(show) as report:
                vectors, counts, truncated = self._encoder.encode(inputs, options, report)
        else:
            vectors, counts, truncated = self._encoder.encode(inputs, options)
        if truncated and not silent:
            warn(truncation_message(counts, truncated), TruncationWarning)
        return vectors, counts


def check_arguments(batch_size: int, device: Any, pool: Any, kwargs: dict[str, Any]) -> None:
    """What is accepted for the sake of programs written for sentence-transformers."""
    if batch_size <= 0:
        raise InvalidArgumentError(f"batch_size must be at least 1, got {batch_size}")
    if device is not None:
        check_device(device)
    if pool is not None:
        raise UnsupportedError("pool: one encoder uses all cores by its own threads; leave pool out")
    unknown = kwargs.keys() - _IGNORED_KEYWORDS
    if unknown:
        raise TypeError(f"encode() got unknown keyword arguments: {', '.join(sorted(unknown))}")


def truncation_message(counts: npt.NDArray[np.int64], truncated: int) -> str:
    lost = counts[:, 0] - counts[:, 1]
    first = int(np.argmax(lost > 0))
    return (
        f"{truncated} of {len(counts)} texts have more tokens than the model reads: text {first} has "
        f"{counts[first, 0]}, of which {counts[first, 1]} were read; {lost.sum() / counts[:, 0].sum():.1%} of all "
        "tokens are in no vector. max_length (with extend) raises the limit where the model allows it; "
        "encode_with_info() says which texts"
    )


def cut_dimensions(vectors: npt.NDArray[np.float32], keep: int | None) -> npt.NDArray[np.float32]:
    """The first `keep` dimensions, in memory of their own; None: all."""
    return vectors if keep is None or vectors.shape[-1] == keep else np.ascontiguousarray(vectors[..., :keep])


def _converted(
    vectors: npt.NDArray[np.float32], precision: Precision | None, ranges: Any, to_numpy: bool, to_tensor: bool
) -> Any:
    """The vectors of a call in the type that was asked for."""
    result: Any = vectors
    if precision not in ("float32", None):
        result = quantize_embeddings(vectors, precision, ranges)
    if to_numpy and not to_tensor:
        return result
    import torch  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only for those who ask for tensors

    tensor = torch.from_numpy(result)
    return tensor if to_tensor or vectors.ndim == 1 else list(tensor)


def _padded(ids: list[list[int]]) -> dict[str, npt.NDArray[np.int64]]:
    longest = max((len(one) for one in ids), default=0)
    padded = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, one in enumerate(ids):
        padded[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return {"input_ids": padded, "attention_mask": mask}


def _tensors(found: Any) -> Any:
    """The same with tensors in place of arrays."""
    import torch  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only for those who ask for tensors

    if isinstance(found, list):
        return [_tensors(one) for one in found]
    if isinstance(found, dict):
        return {name: _tensors(value) for name, value in found.items()}
    return torch.from_numpy(found)
