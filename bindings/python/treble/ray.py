"""A corpus to vectors on a cluster, by Ray Data. docs/beyond-one-machine.md

>>> treble.ray.embed("corpus/", model="models/all-MiniLM-L6-v2", output="vectors/")  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa
import pyarrow.parquet as pq

try:
    import ray
    import ray.data
except ImportError as missing:
    raise ImportError(f"treble.ray needs Ray Data ({missing}): pip install 'ray[data]'") from missing

from treble._settings import EncoderOptions, EncoderSettings
from treble._shard_worker import COUNTED, ShardReport, ShardWorker, find_text, kept_columns, output_schema
from treble._shards import (
    SNAPSHOT,
    TEMPORARY,
    TRIES,
    InputFile,
    Manifest,
    Shard,
    find_files,
    finished,
    plan_shards,
    remove_left_over,
    write_table,
)
from treble.errors import Error, InternalError, InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Unpack

logger = logging.getLogger("treble")

Paths = Union[str, "os.PathLike[str]", "Sequence[str | os.PathLike[str]]"]


@dataclass(frozen=True)
class EmbedResult:
    """What is in the output now, and how this call got there."""

    output: str
    """A folder of Parquet files."""
    rows: int
    """In all of them: as many as the input has."""
    shards: int
    """Files."""
    rows_before: int
    """That earlier calls had done."""
    tokens: int
    """Of all rows."""
    tokens_used: int
    """That the model read."""
    truncated_texts: int
    """Of which it read fewer."""
    seconds: float
    embedding_seconds: float
    """Of them, from the first row to the last: without starting workers, by the clocks of their hosts."""
    rows_by_process: dict[int, int]
    """Of this call, by process id."""


def embed(
    dataset: ray.data.Dataset | Paths,
    *,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    text_column: str = "text",
    id_column: str | None = "id",
    keep_columns: Sequence[str] = (),
    threads: int | None = None,
    concurrency: int | None = None,
    shard_rows: int = 65536,
    retries: int = 5,
    **options: Unpack[EncoderOptions],
) -> EmbedResult:
    """Embeds every row of `dataset` once, on the Ray cluster that the program is connected to, or on this machine.

    dataset: Parquet files or folders of them, as paths that all nodes see; or a ray.data.Dataset, which is copied into
        the output's folder first and read no more after that.
    model: a folder, or a name in the Hugging Face cache, on every node.
    output: a folder that all nodes see, for files part-NNNNNN.parquet: the id, `keep_columns` and `embedding`, a
        FixedSizeList of float32.
    id_column: names the rows; its values are not changed. None: there is none, and rows are in the order of the files.
    threads: of a worker; each has the model once. None: one worker a node, with all the CPUs of the smallest.
    concurrency: workers. None: as many as the CPUs of the cluster are enough for.
    shard_rows: rows that are lost at most when a worker is killed, and of an output file.
    retries: of a shard whose worker was killed or whose files could not be read or written; then the call fails.
    options: of treble.SentenceEncoder and its `encode`: temperature, dtype, max_length, prompt, ...

    The same call again continues what was stopped or killed, and does nothing when all is done. With another model,
    another input or other options it raises InvalidArgumentError, naming the difference.
    """
    if not ray.is_initialized():
        ray.init()
    started = time.monotonic()
    _check_counts(threads, concurrency, shard_rows, retries)
    workers, threads_of_each = _workers(threads, concurrency)
    settings = EncoderSettings.of(model, threads_of_each, options)
    folder = Path(output).absolute()
    columns = {"text": text_column, "id": id_column, "keep": list(keep_columns)}
    manifest = _open(folder, dataset, settings, columns, shard_rows)
    before = finished(folder, manifest)
    todo = [shard for shard in manifest.shards if shard.index not in before]
    remove_left_over(folder, TRIES)
    reports = _run(todo, workers, settings, folder, manifest.run_id(), retries) if todo else []
    done = finished(folder, manifest)
    if len(done) < len(manifest.shards):
        raise InternalError(f"{folder}: {len(manifest.shards) - len(done)} of {len(manifest.shards)} files are missing")
    remove_left_over(folder, TRIES)
    remove_left_over(folder, TEMPORARY)
    shutil.rmtree(folder / SNAPSHOT, ignore_errors=True)
    totals: dict[str, Any] = {name: sum(one[name] for one in done.values()) for name in COUNTED}
    return EmbedResult(
        output=str(folder),
        shards=len(done),
        rows_before=sum(one["rows"] for one in before.values()),
        seconds=time.monotonic() - started,
        **totals,
        **_timing(reports),
    )


def _check_counts(threads: int | None, concurrency: int | None, shard_rows: int, retries: int) -> None:
    lowest = {"threads": 1, "concurrency": 1, "shard_rows": 1, "retries": 0}
    given = {"threads": threads, "concurrency": concurrency, "shard_rows": shard_rows, "retries": retries}
    for name, count in given.items():
        if count is not None and count < lowest[name]:
            raise InvalidArgumentError(f"{name} must be at least {lowest[name]}, got {count}")


def _workers(threads: int | None, concurrency: int | None) -> tuple[int, int]:
    """How many there are, and the threads of each."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    cpus = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    cpus = [count for count in cpus if count > 0]
    if not cpus:
        raise InvalidArgumentError("the Ray cluster has no node with CPUs; add one, or ray.init(num_cpus=...)")
    threads = threads or min(cpus)
    if threads > max(cpus):
        raise InvalidArgumentError(f"threads={threads}: no node of the Ray cluster has more than {max(cpus)} CPUs")
    places = sum(count // threads for count in cpus)
    return concurrency or places, threads


def _open(
    folder: Path, dataset: ray.data.Dataset | Paths, settings: EncoderSettings, columns: dict[str, Any], shard_rows: int
) -> Manifest:
    """The manifest of the folder, written now when it has none, and checked against this call when it has one."""
    before = Manifest.load(folder)
    vectors = _describe(settings)
    is_snapshot = isinstance(dataset, ray.data.Dataset)
    if before is not None and before.snapshot and is_snapshot:
        logger.info("%s: continues with the copy of the dataset made %s, %d rows", folder, before.created, before.rows)
        before.check_same(Manifest(vectors, columns, before.input, True, shard_rows, before.shards), folder)
        here = [replace(shard, file=str(folder / SNAPSHOT / Path(shard.file).name)) for shard in before.shards]
        return replace(before, shards=here)
    folder.mkdir(parents=True, exist_ok=True)
    if before is not None and before.snapshot != is_snapshot:
        files: list[str] = []
    elif isinstance(dataset, ray.data.Dataset):
        files = _snapshot(dataset, folder / SNAPSHOT, columns, shard_rows)
    else:
        files = find_files(dataset)
    opened = [InputFile.open(path) for path in files]
    fingerprints = [file.fingerprint() for file in opened]
    manifest = Manifest(vectors, columns, fingerprints, is_snapshot, shard_rows, plan_shards(opened, shard_rows))
    if before is not None:
        before.check_same(manifest, folder)
        return manifest
    if files:
        _check_columns(files[0], columns, vectors["dim"])
    manifest.save(folder)
    return manifest


def _check_columns(file: str, columns: dict[str, Any], dim: int) -> None:
    """Before long work: that the first file has the columns."""
    schema = pq.read_schema(file)
    find_text(columns, schema)
    output_schema(columns, schema, dim, "")


def _describe(settings: EncoderSettings) -> dict[str, Any]:
    """The provenance of the vectors, by a node of the cluster: this program's machine need not have the model."""

    # Errors of ours are returned: what is raised arrives as one of Ray's, with its traceback for a message.
    @ray.remote(num_cpus=1, max_retries=3)
    def describe() -> dict[str, Any] | Error:
        try:
            return settings.provenance(settings.load())
        except Error as error:
            return error

    result: dict[str, Any] | Error = ray.get(describe.remote())
    if isinstance(result, Error):
        raise result
    return result


def _snapshot(dataset: ray.data.Dataset, folder: Path, columns: dict[str, Any], shard_rows: int) -> list[str]:
    """The columns of a dataset that are needed, as files. They count once the manifest lists them."""
    names = dataset.columns() or []
    text = columns["text"] if columns["text"] in names else columns["text"].split(".")[0]
    needed = list(dict.fromkeys([text, *kept_columns(columns)]))
    missing = [name for name in needed if name not in names]
    if missing:
        raise InvalidArgumentError(f'the dataset has no column "{missing[0]}"; there are {", ".join(names)}')
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def write(table: pa.Table) -> pa.Table:
        name = f"{secrets.token_hex(8)}.parquet"
        selected = table.select(needed)
        write_table(folder / name, selected.schema, selected.to_batches())
        return pa.table({"name": [name]})

    # A task that is run again writes a file of another name: those whose names arrive here count.
    written = dataset.map_batches(write, batch_size=shard_rows, batch_format="pyarrow")
    return [str(folder / row["name"]) for row in written.take_all()]


class _Actor:
    """A ShardWorker as Ray Data calls it. Its errors are rows: see _describe."""

    def __init__(self, *arguments: Any) -> None:
        self._worker: ShardWorker | Error
        try:
            self._worker = ShardWorker(*arguments)
        except Error as error:
            self._worker = error

    def __call__(self, batch: pa.Table) -> pa.Table:
        return pa.Table.from_pylist([self._embed(Shard(**row)) for row in batch.to_pylist()])

    def _embed(self, shard: Shard) -> dict[str, Any]:
        try:
            if isinstance(self._worker, Error):
                raise self._worker
            return {**asdict(self._worker.embed(shard)), "error": b""}
        except Error as error:
            return {**asdict(ShardReport(shard.index)), "error": pickle.dumps(error)}


def _run(
    shards: list[Shard], workers: int, settings: EncoderSettings, folder: Path, run_id: str, retries: int
) -> list[ShardReport]:
    """Every shard by some worker. Ray Data hands them out one at a time, and restarts workers that die.

    A second shard waits at each worker: Ray Data takes 0.1 to 0.2 s to see that a worker has none, and to send one.
    """
    source = ray.data.from_items([asdict(shard) for shard in shards], override_num_blocks=len(shards))
    done = source.map_batches(
        _Actor,
        fn_constructor_args=(settings, str(folder), run_id, retries),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(shards)), max_tasks_in_flight_per_actor=2),
        num_cpus=settings.threads,
    )
    reports = []
    rows: Any = iter(done.iter_rows())
    for row in rows:
        error = row.pop("error")
        if error:
            rows.close()
            raise pickle.loads(error)
        reports.append(ShardReport(**row))
    return reports


def _timing(reports: list[ShardReport]) -> dict[str, Any]:
    by_process: dict[int, int] = {}
    for one in reports:
        by_process[one.process] = by_process.get(one.process, 0) + one.rows
    began = min((one.began for one in reports), default=0.0)
    return {
        "embedding_seconds": max((one.ended for one in reports), default=0.0) - began,
        "rows_by_process": by_process,
    }
