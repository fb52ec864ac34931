"""Cross-encoders: pairs of texts to scores, with the interface of sentence-transformers' CrossEncoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from treble import _treble
from treble._model import Dtype, Extension, Model, Truncation
from treble._progress import progress_bar
from treble._sweep import SWEEP_EDGES, Temperatures, many_temperatures, sweep_data
from treble._temperature import TemperatureLike
from treble._treble import SweepData, SweepOptions
from treble.encoding import check_arguments, truncation_message
from treble.errors import InvalidArgumentError, TruncationWarning, UnsupportedError, warn
from treble.results import SweepReport

Activation = Literal["identity", "sigmoid", "softmax", "tanh"]
ActivationLike = Activation | Callable[..., Any] | None
Pair = Sequence[str]

_ACTIVATIONS = ("identity", "sigmoid", "softmax", "tanh")


def activation_name(activation: ActivationLike) -> str | None:
    """A name, or an object of torch.nn such as Sigmoid(), known by its class."""
    if activation is None:
        return None
    name = activation if isinstance(activation, str) else type(activation).__name__.lower()
    if name in _ACTIVATIONS:
        return name
    raise InvalidArgumentError(
        f"activation {name!r} is not known; there are {', '.join(_ACTIVATIONS)}: take 'identity' and apply yours to "
        "the scores"
    )


class Reranker(Model):
    """A cross-encoder on the CPU: a model that reads a query and a text together and scores them.

    All methods may be called from any number of threads at once; they release the GIL while they work. Pickled, it is
    its path and options. In a forked child it raises an error.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        temperature: TemperatureLike = None,
        activation_fn: ActivationLike = None,
        adapter: str | os.PathLike[str] | None = None,
        dtype: Dtype = "float32",
        threads: int = 0,
        cache: str | os.PathLike[str] | None = None,
        max_length: int | None = None,
        extend: Extension = "none",
        temper_position_bias: bool = True,
        truncation: Truncation | None = None,
        special_tokens_as_text: bool = False,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        device: Any = None,
    ) -> None:
        """Loads a model for sequence classification as CrossEncoder does; nothing is downloaded.

        activation_fn: "sigmoid", "identity", "softmax", "tanh", or such an object of torch.nn; None is the model's own.
        max_length: longest pair in tokens, special tokens included.
        dtype: "auto" is the fastest whose logits keep a correlation of 0.9995 to float32's.
        The others as of treble.SentenceEncoder; a prompt stands before the first text of a pair.
        """
        self._activation = activation_name(activation_fn)
        super().__init__(
            model_name_or_path,
            temperature=temperature,
            adapter=adapter,
            dtype=dtype,
            threads=threads,
            cache=cache,
            max_length=max_length,
            extend=extend,
            temper_position_bias=temper_position_bias,
            truncation=truncation,
            special_tokens_as_text=special_tokens_as_text,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
            device=device,
        )

    def _load(self) -> None:
        self._load_arguments["reranker"] = True
        super()._load()
        self.labels: list[str] = self._encoder.labels()
        """What each score is of."""

    @property
    def num_labels(self) -> int:
        """Scores of a pair."""
        return len(self.labels)

    @property
    def activation(self) -> str:
        """What is made of the logits where a call does not say."""
        return self._activation or self._encoder.activation()

    def predict(
        self,
        inputs: Iterable[Pair] | Pair,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: ActivationLike = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        temperature: TemperatureLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
    ) -> Any:
        """Scores of pairs, float32: [n] of a model of one label, else [n, labels]; of one pair a number, or [labels].

        inputs: a list of pairs of str, or one pair.
        activation_fn: for this call; "identity" gives the logits.
        apply_softmax: over the labels, where there are several.
        temperature, truncation, max_length: for this call.
        The others as of SentenceEncoder.encode; chunk_size is accepted and means nothing.

        Warns once a call (treble.TruncationWarning) when pairs were longer than the model reads. Raises treble.Error;
        its text_index says which pair is to blame.
        """
        check_arguments(batch_size, device, pool, {})
        pairs, single = _pairs(inputs)
        options = self._options(
            temperature=temperature,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
        )
        name = activation_name(activation_fn) or self._activation
        with progress_bar(show_progress_bar, "pair") as report:
            scores, counts, truncated = self._encoder.score(
                [pair[0] for pair in pairs], [pair[1] for pair in pairs], options, name, report
            )
        if truncated:
            warn(truncation_message(counts, truncated), TruncationWarning)
        result: npt.NDArray[np.float32] = scores[:, 0] if self.num_labels == 1 else scores
        if apply_softmax and self.num_labels > 1:
            powers = np.exp(result - result.max(axis=1, keepdims=True))
            result = powers / powers.sum(axis=1, keepdims=True)
        if convert_to_tensor or not convert_to_numpy:
            return _tensors(result, single, whole=convert_to_tensor)
        return result[0] if single else result

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: ActivationLike = None,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        temperature: TemperatureLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
    ) -> list[dict[str, Any]]:
        """The documents by their score for the query, highest first: [{"corpus_id", "score", "text"?}], top_k of them.

        Of equal scores, the first document comes first. Arguments as of `predict`. Raises UnsupportedError for a model
        of several labels.
        """
        if self.num_labels != 1:
            raise UnsupportedError(
                f"the model has {self.num_labels} scores a pair ({', '.join(self.labels[:5])}), which give no order: "
                "use predict"
            )
        texts = list(documents)
        scores = self.predict(
            [(query, text) for text in texts],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
            device=device,
            pool=pool,
            chunk_size=chunk_size,
            temperature=temperature,
            truncation=truncation,
            max_length=max_length,
        )
        order = np.argsort(-scores, kind="stable")[:top_k]
        ranked: list[dict[str, Any]] = [{"corpus_id": int(i), "score": float(scores[i])} for i in order]
        if return_documents:
            for one in ranked:
                one["text"] = texts[one["corpus_id"]]
        return ranked

    def sweep(
        self,
        data: str | os.PathLike[str] | SweepData,
        temperatures: Temperatures = None,
        *,
        candidates: str | os.PathLike[str] | None = None,
        candidate_depth: int = 100,
        split: str = "test",
        try_max_lengths: Sequence[int] = (),
        query_prompt_name: str | None = None,
        query_prompt: str | None = None,
        ignore_identical_ids: bool = False,
        group: str = "",
        folds: int = 0,
        deals: int = 20,
        bootstrap: int = 1000,
        seed: int = 1,
        bucket_edges: Sequence[int] = SWEEP_EDGES,
        run_depth: int = 0,
        show_progress_bar: bool | None = None,
    ) -> SweepReport:
        """Does a temperature order candidates better, judged on parts of the data that the choice has not seen?

        data: a JSONL file of rankings; a BEIR folder with `candidates`, the TREC run of a first ranking, of which each
        query's first `candidate_depth` documents are ranked anew; or a SweepData with candidates.
        temperatures: to try; None is the program's own choice, () is none.
        try_max_lengths: other limits of tokens of a pair, each at every temperature.
        The others as of SentenceEncoder.sweep. Raises UnsupportedError for a model of several labels.
        """
        encoder, max_length = self._reading(try_max_lengths)
        options = SweepOptions(
            self._options(temperature=1, max_length=max_length),
            None if temperatures is None else many_temperatures(temperatures),
            None,
            None,
        )
        options.set_query_prompt((query_prompt_name, query_prompt))
        options.ignore_identical_ids = ignore_identical_ids
        options.folds, options.deals, options.bootstrap, options.seed = folds, deals, bootstrap, seed
        options.bucket_edges = list(bucket_edges)
        options.max_lengths, options.run_depth = list(try_max_lengths), run_depth
        if not isinstance(data, (str, os.PathLike, SweepData)):
            raise TypeError(f"data is of type {type(data).__name__}; a reranker's sweep takes a path or a SweepData")
        given = sweep_data(data, split, group)
        if candidates is not None:
            given = given.with_candidates(Path(candidates), candidate_depth)
        with progress_bar(show_progress_bar, "pair") as report:
            return SweepReport(*_treble.sweep_reranker(encoder, given, options, report))


def _pairs(inputs: Iterable[Pair] | Pair) -> tuple[list[Pair], bool]:
    """All pairs, and whether it was one alone."""
    given: list[Any] = [inputs] if isinstance(inputs, str) else list(inputs)
    single = bool(given) and isinstance(given[0], str)
    pairs: list[Any] = [given] if single else given
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2:
            raise InvalidArgumentError(f"pair {index} must be two texts; a query and a text")
    return pairs, single


def _tensors(scores: npt.NDArray[np.float32], single: bool, *, whole: bool) -> Any:
    import torch  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only for those who ask for tensors

    tensor = torch.from_numpy(np.ascontiguousarray(scores))
    if single:
        return tensor[0]
    return tensor if whole else list(tensor)
