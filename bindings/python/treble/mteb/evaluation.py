"""Evaluates a model at several temperatures on tasks in local folders, by mteb, and compares item by item."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mteb
import numpy as np
from mteb.cache import ResultCache

from treble._temperature import TemperatureLike, to_temperature
from treble.errors import InvalidArgumentError, TruncationWarning
from treble.mteb._encoder import TrebleEncoder
from treble.mteb._folders import TaskFolder, read_task
from treble.mteb._items import Items, Part, estimate, parts, read_items, write_items
from treble.mteb._table import Row, to_text, write_tables
from treble.mteb._tasks import load_task, main_score_of

DEFAULT_BUCKETS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
_MIN_ITEMS = 10
_UNKNOWN: dict[str, None] = {"score": None, "gain": None, "low": None, "high": None}


@dataclass(frozen=True)
class EvaluateOptions:
    """What is compared, and how."""

    buckets: Sequence[int] = DEFAULT_BUCKETS
    """Upper edges of the lengths in tokens; what is longer than the last has a row of its own."""
    resamples: int = 1000
    """Of the bootstrap."""
    seed: int = 0
    """Of the bootstrap."""
    ignore_identical_ids: bool = False
    """Leaves the document with a query's id out of its ranking."""
    report: Callable[[str], None] | None = None
    """Called with a line for each task and temperature that is done."""


@dataclass(frozen=True)
class Evaluation:
    """Rows by task, length and temperature."""

    model: dict[str, Any]
    """name, revision, dtype, extend, max_length."""
    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        return to_text(self.rows)

    def to_pandas(self) -> Any:
        """A DataFrame, a line for each row."""
        import pandas  # noqa: PLC0415 - only for those who ask for it

        return pandas.DataFrame([vars(row) for row in self.rows])


def evaluate(
    model: str | os.PathLike[str],
    tasks: Iterable[str | os.PathLike[str]],
    temperatures: Sequence[TemperatureLike] = (1,),
    output: str | os.PathLike[str] = "results",
    options: EvaluateOptions | None = None,
    **model_options: Any,
) -> Evaluation:
    """Runs every task at every temperature, 1 included, and compares each temperature with 1.

    tasks: folders (docs/mteb.md).
    output: mteb's cache, `mteb.ResultCache(output)`, with table.txt, table.json, table.csv, and items/, the scores of
        single queries, pairs and texts. What is there already is not run again.
    model_options: of TrebleEncoder: state, dtype, extend, max_length, threads.
    """
    options = options or EvaluateOptions()
    folders = _read_folders(tasks)
    settings = dict.fromkeys([to_temperature(1), *map(to_temperature, temperatures)])
    encoder = TrebleEncoder(os.fspath(model), **model_options)
    cache = ResultCache(Path(output))
    rows: list[Row] = []
    for folder in folders:
        items = {str(one): _run(folder, encoder.at(one), cache, options) for one in settings}
        rows += _rows(folder, items, options)
    meta = encoder.mteb_model_meta
    about = {"name": meta.name, "revision": meta.revision, "max_tokens": meta.max_tokens}
    about |= {key: value for key, value in (meta.experiment_kwargs or {}).items() if key != "temperature"}
    write_tables(Path(output), rows, {"model": about, "resamples": options.resamples, "seed": options.seed})
    return Evaluation(about, rows)


def _read_folders(tasks: Iterable[str | os.PathLike[str]]) -> list[TaskFolder]:
    folders = [read_task(Path(task)) for task in tasks]
    if not folders:
        raise InvalidArgumentError("no task: give at least one folder")
    names: dict[str, Path] = {}
    for folder in folders:
        if folder.name in names:
            raise InvalidArgumentError(
                f"{names[folder.name]} and {folder.path} are both the task {folder.name!r}; a task.json with a "
                '"name" in one of them tells them apart'
            )
        names[folder.name] = folder.path
    return folders


def _items_path(cache: ResultCache, task: Any, encoder: TrebleEncoder) -> Path:
    result = cache.get_task_result_path(task.metadata.name, encoder.mteb_model_meta)
    return Path(cache.cache_path) / "items" / Path(result).relative_to(Path(cache.cache_path) / "results")


def _run(folder: TaskFolder, encoder: TrebleEncoder, cache: ResultCache, options: EvaluateOptions) -> dict[str, Items]:
    """The items of a task at the encoder's temperature, from the cache or by running it."""
    task = load_task(folder, ignore_identical_ids=options.ignore_identical_ids)
    path = _items_path(cache, task, encoder)
    kept = read_items(path, task.metadata.revision)
    task.count_tokens = lambda texts: encoder.model.token_counts(texts)[:, 0].tolist() if texts else []
    task.max_tokens = encoder.model.max_seq_length
    with warnings.catch_warnings():
        # The table has a column of it.
        warnings.simplefilter("ignore", TruncationWarning)
        result = mteb.evaluate(
            encoder,
            task,
            cache=cache,
            co2_tracker=False,
            show_progress_bar=False,
            # A result without items, or with those of other data, does not serve.
            overwrite_strategy="only-missing" if kept is not None else "always",
        )
    items = kept
    if task.items:
        items = dict(task.items)
        write_items(path, items, task.metadata.revision)
    if items is None:
        raise InvalidArgumentError(f"{path}: no items; remove {cache.cache_path} and run again")
    if options.report is not None:
        scores = result.task_results[0].scores.values()
        score = 100 * float(np.mean([one["main_score"] for split in scores for one in split]))
        state = "" if task.items else " (kept)"
        options.report(
            f"{folder.name}  temperature {encoder.temperature}  {task.metadata.main_score} {score:.2f}{state}"
        )
    return items


def _rows(folder: TaskFolder, settings: dict[str, dict[str, Items]], options: EvaluateOptions) -> list[Row]:
    untouched = settings[str(to_temperature(1))]
    rows = []
    for tokens, part in parts(untouched, options.buckets).items():
        for temperature, items in settings.items():
            found = None
            if part.count >= _MIN_ITEMS or tokens == "all":
                found = estimate(part, items, untouched, options.resamples, options.seed)
            rows.append(
                Row(
                    task=folder.name,
                    main_score=main_score_of(folder),
                    tokens=tokens,
                    items=part.count,
                    truncated=_truncated(part, untouched),
                    temperature=temperature,
                    **(vars(found) if found else _UNKNOWN),
                )
            )
    return rows


def _truncated(part: Part, items: dict[str, Items]) -> float:
    longer = [np.asarray(items[name].tokens)[indices] > items[name].longest for name, indices in part.splits.items()]
    return float(np.concatenate(longer).mean())
