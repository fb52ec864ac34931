"""What a process does with a shard: reads its rows, embeds them, writes its file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from treble._settings import EncoderSettings
from treble._shards import (
    EMBEDDING,
    MANIFEST,
    RUN,
    TRIES,
    Manifest,
    Shard,
    check_same_vectors,
    finished_counts,
    read_rows,
    vectors_array,
    write_table,
)
from treble.errors import Error, InvalidArgumentError, InvalidFileError, IoError, NotFoundError, UnavailableError
from treble.read_parquet import DataError, Field, as_python, text_field

logger = logging.getLogger("treble")

# Rows that are in memory at a time: enough for the engine to sort by length, few enough for vectors of any size.
BATCH_ROWS = 4096
COUNTED = ("rows", "tokens", "tokens_used", "truncated_texts")


@dataclass
class ShardReport:
    """Who did a shard, and when by the clock of its host, in seconds."""

    shard: int
    rows: int = 0
    process: int = 0
    began: float = 0
    ended: float = 0


def output_schema(columns: dict[str, Any], schema: pa.Schema, dim: int, run_id: str) -> pa.Schema:
    """Of the files: the columns that are kept as they are in the input, and the vectors."""
    kept: list[pa.Field] = []
    for name in kept_columns(columns):
        if name == EMBEDDING or name in [field.name for field in kept]:
            raise InvalidArgumentError(f'the output would have two columns "{name}"; leave it out of keep_columns')
        if name not in schema.names:
            raise InvalidArgumentError(f'there is no column "{name}"; there are {", ".join(schema.names)}')
        kept.append(schema.field(name).with_metadata(None))
    vectors = pa.field(EMBEDDING, pa.list_(pa.field("element", pa.float32(), nullable=False), dim), nullable=False)
    return pa.schema([*kept, vectors], metadata={RUN: run_id})


def kept_columns(columns: dict[str, Any]) -> list[str]:
    """Names of the columns that go into the output, the id first."""
    return [name for name in (columns["id"], *columns["keep"]) if name is not None]


def find_text(columns: dict[str, Any], schema: pa.Schema) -> Field:
    """Raises InvalidArgumentError when there is no such column of strings."""
    try:
        return text_field(schema, columns["text"], "text_column")
    except DataError as error:
        raise InvalidArgumentError(str(error)) from None


class ShardWorker:
    """A model in this process, and the output that it works on."""

    def __init__(self, settings: EncoderSettings, folder: str, run_id: str, retries: int) -> None:
        """Loads the model. Raises InvalidArgumentError when it, or the folder, is not what the run began with."""
        self._settings = settings
        self._folder = Path(folder)
        self._run_id = run_id
        self._retries = retries
        manifest = Manifest.load(self._folder)
        if manifest is None or manifest.run_id() != run_id:
            raise InvalidArgumentError(
                f"{self._folder / MANIFEST} on host {os.uname().nodename} is not what this run wrote; the output must "
                "be a folder that all nodes share"
            )
        self._columns = manifest.columns
        self._encoder = settings.load()
        vectors = settings.provenance(self._encoder)
        check_same_vectors(manifest.vectors, vectors, f"{self._folder} (now on host {os.uname().nodename})")
        self._dim = int(vectors["dim"])

    def embed(self, shard: Shard) -> ShardReport:
        """Writes the shard's file unless it is there. What the disk refuses is tried again, `retries` times; so is, by
        whoever calls, what killed this process.
        """
        report = ShardReport(shard.index, shard.rows, os.getpid(), time.time())
        tries = self._count_try(shard)
        self._try_to_embed(shard)
        tries.unlink(missing_ok=True)
        report.ended = time.time()
        return report

    def _count_try(self, shard: Shard) -> Path:
        """A byte for each process that began with this shard: one that kills them all must not go on for ever."""
        path = self._folder / f".{shard.name}{TRIES}"
        try:
            with path.open("ab") as file:
                file.write(b".")
                tries = file.tell()
        except OSError as error:
            raise IoError(f"{path}: {error}", file=str(path)) from error
        if tries > self._retries + 1:
            raise UnavailableError(
                f"{shard.file}, {shard.rows} rows from row {shard.first_row} on: {tries - 1} workers died with them; "
                "for want of memory, perhaps: give fewer threads or a smaller max_length, or look at these rows",
                file=shard.file,
            )
        return path

    def _try_to_embed(self, shard: Shard) -> None:
        attempt = 0
        while True:
            try:
                if finished_counts(self._folder / shard.name, shard, self._run_id) is None:
                    self._write(shard)
                return
            except FileNotFoundError as error:
                # Another run of the same call may have finished, and cleaned up.
                if finished_counts(self._folder / shard.name, shard, self._run_id) is not None:
                    return
                raise NotFoundError(f"{shard.file}: {error}", file=shard.file) from error
            except OSError as error:
                if isinstance(error, Error) or attempt >= self._retries:
                    raise IoError(f"{shard.file}, rows {shard.first_row} and on: {error}", file=shard.file) from error
                attempt += 1
                logger.warning("%s: %s; attempt %d of %d follows", shard.file, error, attempt + 1, self._retries + 1)
                time.sleep(min(2.0**attempt, 30.0))

    def _write(self, shard: Shard) -> None:
        path = self._folder / shard.name
        counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
        try:
            with pq.ParquetFile(shard.file) as file:
                schema = output_schema(self._columns, file.schema_arrow, self._dim, self._run_id)
                rows = write_table(path, schema, self._batches(file, shard, schema, counts), counts)
        except pa.ArrowException as error:
            raise InvalidFileError(f"{shard.file}: {error}", file=shard.file) from error
        if rows != shard.rows:
            path.unlink()
            raise InvalidFileError(f"{shard.file} had {shard.rows} rows from row {shard.first_row} on, and now {rows}")

    def _batches(
        self, file: pq.ParquetFile, shard: Shard, schema: pa.Schema, counts: dict[str, int]
    ) -> Iterator[pa.RecordBatch]:
        text = find_text(self._columns, file.schema_arrow)
        kept = kept_columns(self._columns)
        for batch in read_rows(file, shard, list({".".join(text.path): None, **dict.fromkeys(kept)}), BATCH_ROWS):
            texts = as_python(text.values(batch))
            row = shard.first_row + counts["rows"]
            self._check_values(batch, texts, f"{shard.file}: row", row)
            try:
                encoded = self._settings.encode(self._encoder, texts)
            except Error as error:
                if error.text_index is None:
                    raise
                place = f"{shard.file}: row {row + error.text_index}: {error}"
                raise type(error)(place, text_index=error.text_index, file=shard.file) from None
            counts["rows"] += len(texts)
            counts["tokens"] += int(encoded.tokens.sum())
            counts["tokens_used"] += int(encoded.tokens_used.sum())
            counts["truncated_texts"] += int(encoded.truncated.sum())
            columns = [batch.column(name) for name in kept]
            yield pa.RecordBatch.from_arrays([*columns, vectors_array(encoded.embeddings, schema)], schema=schema)

    def _check_values(self, batch: pa.RecordBatch, texts: list[str | None], place: str, row: int) -> None:
        if None in texts:
            raise InvalidArgumentError(
                f'{place} {row + texts.index(None)}: column "{self._columns["text"]}" is null; leave such rows out, or '
                'write "" there'
            )
        name = self._columns["id"]
        if name is not None and batch.column(name).null_count:
            null = batch.column(name).is_null().to_pylist().index(True)
            raise InvalidArgumentError(
                f'{place} {row + null}: column "{name}", which names the rows, is null; give each row an id, or give '
                "id_column=None"
            )
