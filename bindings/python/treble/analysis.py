"""Inspecting, sweeping, calibrating, baking and fitting: the program's commands of these names, as methods."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from treble import _treble
from treble._model import Model
from treble._progress import progress_bar
from treble._state import StateLike, to_state
from treble._sweep import SWEEP_EDGES, Temperatures, many_temperatures, sweep_data
from treble._temperature import TemperatureLike, to_temperature
from treble._treble import (
    CalibrateOptions,
    Encoder,
    InspectOptions,
    PostFitter,
    PostTransform,
    StateControl,
    StateNorms,
    StateNormsOptions,
    SweepData,
    SweepOptions,
)
from treble.errors import InvalidArgumentError
from treble.outputs import OutputKind
from treble.results import Baked, Calibrated, InspectReport, SweepReport

States = StateLike | Sequence[StateLike]
_EDGES = (32, 64, 128, 256, 512)
# Texts of a fit that are held at a time.
_FIT_CHUNK = 4096


def _many_states(states: States) -> list[StateControl]:
    """One control of the state or several."""
    if states is None:
        return []
    if isinstance(states, Sequence) and not isinstance(states, str):
        return [to_state(one) for one in states]
    return [to_state(states)]


def _with_ids(texts: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Of texts, or of (id, text)."""
    for index, item in enumerate(texts):
        if isinstance(item, str):
            yield "", item
        elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], str):
            yield str(item[0]), item[1]
        else:
            raise TypeError(f"text {index} is of type {type(item).__name__}; inspect takes str or (id, str)")


def _with_labels(texts: Iterator[tuple[str, str]], labels: Iterable[Any] | None) -> Iterator[tuple[str, str, str]]:
    """(id, text, label), of which labels are "" where there is none."""
    if labels is None:
        yield from ((name, text, "") for name, text in texts)
        return
    if isinstance(labels, str):
        raise TypeError("labels is one str; give a label for each text")
    try:
        for (name, text), label in zip(texts, labels, strict=True):
            yield name, text, "" if label is None else str(label)
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise InvalidArgumentError("there must be a label for each text, None for those without one") from error


class AnalysisMethods(Model):
    """What a SentenceEncoder measures and makes."""

    def inspect(
        self,
        texts: Iterable[str] | Iterable[tuple[str, str]],
        temperatures: Temperatures = (),
        *,
        output_kind: OutputKind | None = None,
        max_sim_documents: int | None = None,
        states: States = (),
        training_length: int | None = None,
        posts: Sequence[str] = (),
        queries: Sequence[str] = (),
        query_prompt_name: str | None = None,
        labels: Iterable[str | int | None] | None = None,
        label_sample: int = 2000,
        layers: Sequence[int] | None = None,
        sample: int = 200,
        seed: int = 1,
        bootstrap: int = 1000,
        cut_lengths: Sequence[int] = _EDGES,
        bucket_edges: Sequence[int] = _EDGES,
        probe_texts: int = 4,
        neighbors: int = 10,
        prompt_name: str | None = None,
        prompt: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> InspectReport:
        """Is there length collapse: how alike are vectors of short and of long texts, and what does a temperature do?

        texts: any iterable of texts or of (id, text), read once; no more than the samples are held.
        temperatures: to compare with the untouched model, which is always measured.
        output_kind: "dense", or "multi-vector": how alike the token vectors of a text are, and MaxSim between texts
        (InspectReport.token_vectors), without posts, queries and labels. None is dense where the model gives it.
        max_sim_documents: others of its length that each text is compared with by MaxSim, at most; None is 32.
        states: of models with states (Mamba-2), which take no temperature: controls of the state to compare, written
        ("window:512") or norms.
        training_length: tokens of the texts that such a model was trained on; its states are judged by it. None is the
        limit that its own files state, and where they state none, nothing is said of growth (InspectReport.states).
        posts: fitted steps to measure after the untouched model ("centring", "whitening:64", ...).
        queries: does a longer text score higher with them?
        labels: the class of each text, None for those without one; read once beside `texts`. How far have classes drawn
        together, by layer and temperature (InspectReport.classes)? At most `label_sample` of them are measured.
        layers: to look into, from 0; None is all, () is none.
        sample, seed, bootstrap: texts of each length, of their choice, resamples for the intervals.
        """
        if "dense" not in self.info["outputs"] and prompt_name is None and prompt is None:
            # The mark of documents, where the model has one.
            prompt = self.prompts.get("document", "")
        options = InspectOptions(
            self._options(temperature=1, state="none", prompt_name=prompt_name, prompt=prompt),
            many_temperatures(temperatures),
            list(posts),
        )
        if output_kind is not None:
            options.set_output_kind(output_kind)
        options.max_sim_documents = max_sim_documents
        options.states = _many_states(states)
        options.training_length = training_length
        options.queries = list(queries)
        options.query_prompt_name = query_prompt_name
        options.label_sample = None if labels is None else label_sample
        options.layers = None if layers is None else list(layers)
        options.sample, options.seed, options.bootstrap = sample, seed, bootstrap
        options.cut_lengths, options.bucket_edges = list(cut_lengths), list(bucket_edges)
        options.probe_texts, options.neighbors = probe_texts, neighbors
        with progress_bar(show_progress_bar) as report:
            return InspectReport(
                *_treble.inspect(self._encoder, _with_labels(_with_ids(texts), labels), options, report)
            )

    def sweep(
        self,
        data: str | os.PathLike[str] | SweepData | Iterable[str],
        temperatures: Temperatures = None,
        *,
        states: States = None,
        split: str = "test",
        sample: int = 1000,
        posts: Sequence[str] | None = None,
        try_dtypes: Sequence[str] = (),
        try_extensions: Sequence[str] = (),
        try_max_lengths: Sequence[int] = (),
        side: Literal["both", "query", "document"] = "both",
        similarity: str | None = None,
        query_prompt_name: str | None = None,
        query_prompt: str | None = None,
        document_prompt_name: str | None = None,
        document_prompt: str | None = None,
        ignore_identical_ids: bool = False,
        candidates: str | os.PathLike[str] | None = None,
        candidate_depth: int = 100,
        group: str = "",
        folds: int = 0,
        deals: int = 20,
        bootstrap: int = 1000,
        seed: int = 1,
        bucket_edges: Sequence[int] = SWEEP_EDGES,
        run_depth: int = 0,
        cache: str | os.PathLike[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> SweepReport:
        """Does a temperature help on this data, judged on parts of it that the choice has not seen?

        data: a BEIR folder, a JSONL file of pairs or rankings, a SweepData; or texts without labels, of which `sample`
        are taken: the first half of each should then find its second half.
        temperatures, posts: to try; None is the program's own choice, () is none. "chunk-mean:256", "chunk-max:256" and
        "late-chunk:64", texts in pieces, are tried at every temperature, fitted steps after the untouched model.
        states: of Mamba-2 models, in place of temperatures: controls of the state to try; None is as above.
        try_dtypes, try_extensions: other forms of the model ("bfloat16"; "ntk:2048") and their combinations, each at
        every temperature; so try_max_lengths, tokens that a text may have.
        side: whose texts the temperature or the control of the state acts on.
        candidates: a TREC run of a first ranking: each query is compared with its first `candidate_depth` documents.
        group: a field of the queries or pairs by which they hang together and are judged as a whole; by default queries
        of one most relevant document, and exact duplicates.
        folds, deals: parts of the data (0: 5, fewer for little data), and how often it is dealt into them anew.
        run_depth: documents of each query to keep for SweepReport.save_runs; 0: none.
        cache: a folder for vectors, so that a rerun resumes.
        """
        encoder, max_length = self._reading(try_max_lengths)
        options = SweepOptions(
            self._options(temperature=1, state="none", max_length=max_length),
            None if temperatures is None else many_temperatures(temperatures),
            None if states is None else _many_states(states),
            None if posts is None else list(posts),
        )
        options.set_side(side)
        dense = "dense" in self.info["outputs"]
        # Sparse and token vectors are compared as their models say, and read with prompts for each role.
        if similarity or dense:
            options.set_similarity(similarity or self.similarity_fn_name)
        for role, set_prompt, given in (
            ("query", options.set_query_prompt, (query_prompt_name, query_prompt)),
            ("document", options.set_document_prompt, (document_prompt_name, document_prompt)),
        ):
            set_prompt(given if dense or given != (None, None) else self._role_prompt(role))
        options.ignore_identical_ids = ignore_identical_ids
        options.folds, options.deals, options.bootstrap, options.seed = folds, deals, bootstrap, seed
        options.bucket_edges = list(bucket_edges)
        options.max_lengths, options.run_depth = list(try_max_lengths), run_depth
        judged_on = sweep_data(data, split, group, unlabelled=(sample, seed))
        if candidates is not None:
            judged_on = judged_on.with_candidates(Path(candidates), candidate_depth)
        if cache is not None:
            options.cache = Path(cache)
        variants = self._forms(try_dtypes, try_extensions, try_max_lengths)
        with progress_bar(show_progress_bar) as report:
            return SweepReport(*_treble.sweep(encoder, judged_on, options, variants, report))

    def calibrate(
        self,
        texts: Iterable[str],
        *,
        match: Literal["entropy", "filter_rate"] = "entropy",
        reference_length: int = 64,
        lengths: Sequence[int] = (),
        per_head: bool = False,
        sample: int = 8,
        seed: int = 1,
        prompt_name: str | None = None,
        prompt: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> Calibrated:
        """A temperature profile from unlabelled texts: attention at every length as at `reference_length`.

        match: what stays equal; "entropy" sharpens, "filter_rate" may flatten attention on longer texts.
        texts: at least as long as the longest of `lengths`; up to `sample` of them are read at every length.
        lengths: of the profile; () is those of 64, 128, 256 and 512 that the model reads.
        per_head: tell the heads of a layer apart.
        """
        options = CalibrateOptions(
            self._options(temperature=1, state="none", prompt_name=prompt_name, prompt=prompt), match
        )
        options.reference_length, options.lengths = reference_length, list(lengths)
        options.per_head, options.sample, options.seed = per_head, sample, seed
        with progress_bar(show_progress_bar, unit="layer") as report:
            found = _treble.calibrate(self._encoder, texts, options, report)
        return Calibrated(found.profile, found.texts, list(found.unreached))

    def calibrate_state_norms(
        self,
        texts: Iterable[str],
        *,
        training_length: int | None = None,
        sample: int = 64,
        seed: int = 1,
        prompt_name: str | None = None,
        prompt: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> StateNorms:
        """The largest norms that the states of a Mamba-2 model have within its training length, to use as a `state`.

        training_length: tokens of the texts that the model was trained on; None is the limit that its own files state.
        texts: at least that long; of up to `sample` of them that many tokens are read.
        """
        options = StateNormsOptions(self._options(temperature=1, state="none", prompt_name=prompt_name, prompt=prompt))
        options.training_length, options.sample, options.seed = training_length, sample, seed
        with progress_bar(show_progress_bar, unit="text") as report:
            return _treble.calibrate_state_norms(self._encoder, texts, options, report)

    def bake(
        self,
        output: str | os.PathLike[str],
        temperature: TemperatureLike = None,
        *,
        dtype: Literal["keep", "float32"] = "keep",
        force: bool = False,
        show_progress_bar: bool | None = None,
    ) -> Baked:
        """Writes the model with a temperature in its weights, for any runtime: its vectors at 1 are this model's at it.

        temperature: a number; None is the encoder's own.
        force: replace a folder that holds a model.
        """
        tempered = self._temperature if temperature is None else to_temperature(temperature)
        with progress_bar(show_progress_bar, unit="file") as report:
            done = _treble.bake(
                self._path,
                Path(output),
                tempered,
                dtype=dtype,
                temper_position_bias=self._temper_position_bias,
                force=force,
                progress=report,
            )
        return Baked(os.fspath(output), done.changed, done.left_out, done.exact, done.max_rounding_error)

    def fit(
        self,
        texts: Iterable[str],
        transform: str,
        *,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool = False,
    ) -> PostTransform:
        """Fits a step after the model on unlabelled texts, of which a few thousand are held at a time.

        transform: "centring", "whitening[:K]", "all-but-the-top[:D]" or "length-direction".
        The result belongs to vectors of this model under these options: PostTransform.apply, or --post of the program.
        With truncate_dim that is the program's --dimensions: vectors that had length 1 have it again after they were
        cut, as `encode` gives them with normalize_embeddings.
        """
        options = self._options(
            temperature=temperature,
            state=state,
            prompt_name=prompt_name,
            prompt=prompt,
            normalize=True if normalize_embeddings else None,
            dimensions=self.truncate_dim,
        )
        fitter = PostFitter(self._encoder.output_dim(options))
        left = iter(texts)
        while chunk := list(islice(left, _FIT_CHUNK)):
            vectors, counts, _ = self._encoder.encode(chunk, options)
            fitter.add(vectors, np.ascontiguousarray(counts[:, 1]))
        return fitter.fit(transform, self._encoder, options)

    def _forms(
        self, dtypes: Sequence[str], extensions: Sequence[str], lengths: Sequence[int]
    ) -> list[tuple[str, Encoder]]:
        """Other forms of the model: extensions, and each compute type with and without them."""
        plain = dict(self._load_arguments)
        if max(lengths, default=0) > int(self.info["max_length"]):
            plain["max_length"] = max(lengths)
        forms: dict[str, dict[str, Any]] = {"": plain}
        for text in extensions:
            name, colon, length = text.partition(":")
            if not colon or not length.isdigit():
                raise InvalidArgumentError(f"{text!r}: write an extension and the tokens to read, as in 'ntk:2048'")
            forms[text] = {**self._load_arguments, "extension": name, "max_length": int(length)}
        others = {text: arguments for text, arguments in forms.items() if text}
        for dtype in dtypes:
            for text, arguments in forms.items():
                others[f"{dtype} + {text}" if text else dtype] = {**arguments, "dtype": dtype}
        return [(name, Encoder(self._path, **arguments)) for name, arguments in others.items()]
