"""Vectors of many texts as a folder of Parquet files, each the work of one process: the plan, and what is done of it.

The input is cut into shards of consecutive rows, always in the same way. A shard becomes the file of its number, which
appears whole or not at all; so it does not matter how often a shard is tried, where, or by how many at once.
`_treble.json` says what the vectors depend on and lists the shards; nothing is added to the folder under anything else.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from treble._treble import vector_identity_json
from treble.errors import InvalidArgumentError, InvalidFileError, NotFoundError

MANIFEST = "_treble.json"
SNAPSHOT = "_input"
EMBEDDING = "embedding"
TEMPORARY = ".tmp"
TRIES = ".tries"
COUNTS = "treble.counts"
RUN = "treble.run"
_FORMAT = 1
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class InputFile:
    """A Parquet file, known by its footer: the sizes, places and ranges of all that is in it."""

    path: str
    bytes: int
    footer_sha256: str
    row_groups: tuple[int, ...]
    """Rows of each."""

    @classmethod
    def open(cls, path: str) -> InputFile:
        """Raises InvalidFileError when it is no Parquet file, NotFoundError when it is not there."""
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 8))
                tail = file.read(8)
                footer = int.from_bytes(tail[:4], "little")
                if tail[4:] != _MAGIC or footer + 12 > size:
                    raise InvalidFileError(f"{path} is not a whole Parquet file: it has no footer", file=path)
                file.seek(size - 8 - footer)
                digest = hashlib.sha256(file.read(footer)).hexdigest()
                metadata = pq.read_metadata(file)
        except FileNotFoundError:
            raise NotFoundError(f"{path} does not exist", file=path) from None
        except pa.ArrowException as error:
            raise InvalidFileError(f"{path}: {error}", file=path) from error
        groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        return cls(path, size, digest, groups)

    def fingerprint(self) -> dict[str, Any]:
        """By content: a file may be moved and renamed."""
        return {"rows": sum(self.row_groups), "bytes": self.bytes, "footer_sha256": self.footer_sha256}


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of one input file, and the number of the output file that they become."""

    index: int
    file: str
    first_row: int
    rows: int

    @property
    def name(self) -> str:
        """Of the output file."""
        return f"part-{self.index:06}.parquet"


def find_files(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """Parquet files, absolute, in an order that depends on their names alone; those below a folder, in the place of it.

    Names that begin with "_" or "." do not count in a folder: that is where others keep what is no data.
    """
    listed = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    given = [os.fspath(one) for one in listed]
    files: list[str] = []
    for one in given:
        if "://" in one:
            raise InvalidArgumentError(
                f"{one}: inputs are files that all nodes see; read this one by Ray: ray.data.read_parquet"
            )
        path = Path(one).absolute()
        if not path.is_dir():
            files.append(str(path))
            continue
        below = sorted(p.relative_to(path) for p in path.rglob("*.parquet"))
        files += [str(path / p) for p in below if not any(part[0] in "._" for part in p.parts)]
    if not files:
        raise NotFoundError(f"no Parquet files in {', '.join(given) or 'an empty list'}")
    return files


def _runs(row_groups: Sequence[int], shard_rows: int) -> Iterator[int]:
    """Rows of each shard of a file: row groups are read as a whole, so small ones stay together."""
    gathered = 0
    for rows in row_groups:
        if gathered and gathered + rows > shard_rows:
            yield gathered
            gathered = 0
        if rows > shard_rows:
            yield from (min(shard_rows, rows - start) for start in range(0, rows, shard_rows))
        else:
            gathered += rows
    if gathered:
        yield gathered


def plan_shards(files: Sequence[InputFile], shard_rows: int) -> list[Shard]:
    """Shards of at most `shard_rows` rows, none of which spans two files."""
    if shard_rows < 1:
        raise InvalidArgumentError(f"shard_rows must be at least 1, got {shard_rows}")
    shards: list[Shard] = []
    for file in files:
        first = 0
        for rows in _runs(file.row_groups, shard_rows):
            shards.append(Shard(len(shards), file.path, first, rows))
            first += rows
    return shards


def read_rows(file: pq.ParquetFile, shard: Shard, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, `batch_rows` at a time; of its file, only the row groups that they lie in are read."""
    groups = []
    skip = shard.first_row
    start = 0
    end = shard.first_row + shard.rows
    for i in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(i).num_rows
        if start + rows > shard.first_row and start < end:
            groups.append(i)
        elif start + rows <= shard.first_row:
            skip -= rows
        start += rows
    left = shard.rows
    for batch in file.iter_batches(batch_size=batch_rows, row_groups=groups, columns=columns):
        part = batch.slice(skip, left)
        skip = max(0, skip - batch.num_rows)
        left -= part.num_rows
        if part.num_rows:
            yield part
        if left == 0:
            return


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which becomes `path` at the end, on the disk; removed on an error."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")
    try:
        yield temporary
        for one in (temporary, path.parent):
            descriptor = os.open(one, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if one == temporary:
                os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_table(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], counts: dict[str, int] | None = None
) -> int:
    """A whole Parquet file, a row group a batch. Returns its rows. `counts`, as they are then, go into the footer."""
    # Vectors neither repeat nor compress; ids and other columns may.
    others = [name for name in schema.names if name != EMBEDDING]
    leaf = f"{EMBEDDING}.list.element"
    compression: dict[str, str] = {name: "zstd" for name in others}
    if EMBEDDING in schema.names:
        compression[leaf] = "none"
    rows = 0
    options = {"compression": compression, "use_dictionary": others, "write_statistics": others or False}
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
        if counts is not None:
            writer.add_key_value_metadata({COUNTS: json.dumps(counts)})
    return rows


def vectors_array(vectors: Any, schema: pa.Schema) -> pa.FixedSizeListArray:
    """[n, dim] float32 as the column of vectors of `schema`, without a copy."""
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=schema.field(EMBEDDING).type)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _identity(vectors: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(vector_identity_json(json.dumps(vectors)))
    return result


def _difference(before: Any, now: Any, name: str) -> tuple[str, Any, Any] | None:
    """The first field in which two values differ, with both."""
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *(key for key in before if key not in now)]:
            found = _difference(before.get(key, "missing"), now.get(key, "missing"), f"{name}.{key}" if name else key)
            if found:
                return found
    return name, before, now


def check_same_vectors(before: dict[str, Any], now: dict[str, Any], where: str) -> None:
    """Raises InvalidArgumentError naming the first field in which two provenances would give other vectors."""
    found = _difference(_identity(before), _identity(now), "")
    if found:
        raise InvalidArgumentError(
            f"{where} was begun with {found[0]} = {json.dumps(found[1])}, and this is {json.dumps(found[2])}; use the "
            "same model and options, or another output"
        )


@dataclass(frozen=True)
class Manifest:
    """What a folder of vectors is: the content of `_treble.json`."""

    vectors: dict[str, Any]
    """Provenance."""
    columns: dict[str, Any]
    """text, id, keep: names of columns."""
    input: list[dict[str, Any]]
    """Fingerprints of files in order."""
    snapshot: bool
    """The input is a copy of a dataset, in the folder itself."""
    shard_rows: int
    shards: list[Shard]
    created: str = ""

    @property
    def rows(self) -> int:
        """Of all shards."""
        return sum(shard.rows for shard in self.shards)

    def run_id(self) -> str:
        """Equal for runs whose files belong together."""
        cut = [(shard.index, shard.first_row, shard.rows) for shard in self.shards]
        return _hash([_identity(self.vectors), self.columns, self.input, self.snapshot, self.shard_rows, cut])

    def check_same(self, now: Manifest, folder: Path) -> None:
        """Raises InvalidArgumentError when `now` would put other vectors into the folder of this manifest."""
        where = f"{folder} was begun"
        check_same_vectors(self.vectors, now.vectors, str(folder))
        for name in ("columns", "snapshot", "shard_rows"):
            found = _difference(getattr(self, name), getattr(now, name), name)
            if found:
                raise InvalidArgumentError(
                    f"{where} with {found[0]} = {json.dumps(found[1])}, and this is {json.dumps(found[2])}; use the "
                    "same, or another output"
                )
        if len(self.input) != len(now.input):
            raise InvalidArgumentError(
                f"{where} with {len(self.input)} input files, and there are {len(now.input)}; the input must stay as "
                "it was until all is done: put what is new into another output"
            )
        files = list(dict.fromkeys(shard.file for shard in now.shards))
        for i, (before, current) in enumerate(zip(self.input, now.input, strict=True)):
            if before != current:
                name = files[i] if len(files) == len(self.input) else f"number {i}"
                raise InvalidArgumentError(
                    f"{where} with other content of input file {name}: {before} then, {current} now; restore it, or "
                    "use another output",
                    file=name,
                )

    def save(self, folder: Path) -> None:
        """Raises IoError when the folder cannot be written to."""
        value = {
            "treble_shards": _FORMAT,
            **asdict(self),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        with whole_file(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """None when the folder is empty or does not exist; raises InvalidArgumentError when it is somebody else's."""
        path = folder / MANIFEST
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if folder.is_dir() and any(entry.name != SNAPSHOT and entry.name[0] != "." for entry in folder.iterdir()):
                raise InvalidArgumentError(
                    f"{folder} has files, and no {MANIFEST} that says it is an output of treble; give a new folder"
                ) from None
            return None
        except NotADirectoryError:
            raise InvalidArgumentError(f"{folder} is a file; the output is a folder of Parquet files") from None
        except ValueError:
            value = None
        if not isinstance(value, dict) or value.pop("treble_shards", None) != _FORMAT:
            raise InvalidFileError(
                f"{path} is not what this version of treble writes; use another output", file=str(path)
            )
        value["shards"] = [Shard(**shard) for shard in value["shards"]]
        return cls(**value)


def finished_counts(path: Path, shard: Shard, run_id: str) -> dict[str, int] | None:
    """What is in the shard's file; None when there is none. Raises InvalidFileError for a file that is not its own."""
    try:
        metadata = pq.read_metadata(path)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError) as error:
        raise InvalidFileError(f"{path} is damaged ({error}); delete it, and run again", file=str(path)) from error
    notes = {key.decode(): value for key, value in (metadata.metadata or {}).items() if key.startswith(b"treble.")}
    found = notes.get(RUN, b"").decode()
    if found != run_id or metadata.num_rows != shard.rows:
        raise InvalidFileError(
            f"{path} is not of this output: {metadata.num_rows} rows of run {found[:12] or 'unknown'}, expected "
            f"{shard.rows} of {run_id[:12]}; move it away, and run again",
            file=str(path),
        )
    counts: dict[str, int] = json.loads(notes.get(COUNTS, b"{}"))
    return counts


def finished(folder: Path, manifest: Manifest) -> dict[int, dict[str, int]]:
    """The counts of the shards that have their file. Raises InvalidFileError for files that are not theirs."""
    run_id = manifest.run_id()
    counts = {shard.index: finished_counts(folder / shard.name, shard, run_id) for shard in manifest.shards}
    return {index: one for index, one in counts.items() if one is not None}


def unfinished(folder: Path, manifest: Manifest) -> list[Shard]:
    """The shards that have no file yet; errors as `finished`."""
    done = finished(folder, manifest)
    return [shard for shard in manifest.shards if shard.index not in done]


def remove_left_over(folder: Path, suffix: str) -> None:
    """Hidden files of this suffix, which killed processes leave behind."""
    for path in folder.glob(f".*{suffix}"):
        with suppress(FileNotFoundError):
            path.unlink()
