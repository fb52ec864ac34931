"""Turn the rows of an unfinished output of `treble embed` into a Parquet file, and back; for the program `treble`.

    python write_parquet.py write vectors.parquet.partial vectors.parquet
    python write_parquet.py read vectors.parquet vectors.parquet.partial

Rows are a header line {"treble": metadata}, padded with spaces, then blocks: a line {"rows", "ids", "tokens", "used"},
that many times the numbers of a vector, little-endian, a newline. A vector is "dim" numbers of the type "precision";
of binary and ubinary ceil("dim" / 8) bytes. The Parquet file has the columns id (where the texts have ids: int64 when
all are integers, else strings), embedding (a list of these numbers), tokens and used; its metadata has the
header under "treble". What is written appears whole under its name. What fails is said in one line on standard output.

Needs the packages `pyarrow` and `numpy`; runs without the rest of Treble as well.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 16384
# For counts to grow in the header when the output is continued.
HEADER_ROOM = 256
INT64 = range(-(2**63), 2**63)
# Of each "precision": the type of a number, and how many dimensions are in it.
NUMBERS = {
    "float32": ("<f4", pa.float32(), 1),
    "float16": ("<f2", pa.float16(), 1),
    "int8": ("|i1", pa.int8(), 1),
    "uint8": ("|u1", pa.uint8(), 1),
    "binary": ("|i1", pa.int8(), 8),
    "ubinary": ("|u1", pa.uint8(), 8),
}


class DataError(Exception):
    """The file is not what it should be; the message says why."""


@dataclass
class Block:
    """The rows of a batch, or of several."""

    ids: list[Any] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)

    def add(self, head: dict[str, Any], vectors: bytes) -> None:
        self.ids += head["ids"]
        self.tokens += head["tokens"]
        self.used += head["used"]
        self.vectors.append(vectors)


def as_written(number: str) -> Any:
    """JSON numbers other than integers keep their spelling: an id is a name."""
    return number


def parse_head(line: bytes) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(line, parse_float=as_written)
    return head


class Layout:
    """How the numbers of a vector lie in memory."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        dtype, self.arrow, dimensions = NUMBERS[metadata.get("precision", "float32")]
        self.dtype = np.dtype(dtype)
        self.columns = -(-int(metadata["dim"]) // dimensions)
        self.row_bytes = self.columns * self.dtype.itemsize


class Rows:
    """The rows of an unfinished output."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        try:
            self.metadata = json.loads(file.readline())["treble"]
            self.layout = Layout(self.metadata)
            self.end = int(self.metadata["resume"]["bytes"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{name} does not begin with a header that treble wrote") from None
        self.start = file.tell()
        self.name = name

    def blocks(self, with_vectors: bool) -> Iterator[tuple[dict[str, Any], bytes]]:
        self.file.seek(self.start)
        while self.file.tell() < self.end:
            head = parse_head(self.file.readline())
            size = head["rows"] * self.layout.row_bytes
            if with_vectors:
                vectors = self.file.read(size)
                if len(vectors) != size:
                    raise DataError(f"{self.name} ends within its rows")
                self.file.seek(1, os.SEEK_CUR)
            else:
                vectors = b""
                self.file.seek(size + 1, os.SEEK_CUR)
            yield head, vectors

    def groups(self) -> Iterator[Block]:
        """Row groups of the output."""
        group = Block()
        for head, vectors in self.blocks(with_vectors=True):
            group.add(head, vectors)
            if len(group.ids) >= ROW_GROUP_ROWS:
                yield group
                group = Block()
        if group.ids:
            yield group

    def id_type(self) -> pa.DataType | None:
        """None when no row has an id."""
        found = None
        for head, _ in self.blocks(with_vectors=False):
            for one in head["ids"]:
                if one is None:
                    continue
                if not isinstance(one, int) or one not in INT64:
                    return pa.string()
                found = pa.int64()
        return found


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which becomes `path` at the end, on the disk, with the permissions it had."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def schema_of(rows: Rows, id_type: pa.DataType | None) -> pa.Schema:
    fields = [] if id_type is None else [pa.field("id", id_type)]
    element = pa.field("element", rows.layout.arrow, nullable=False)
    fields += [
        pa.field("embedding", pa.list_(element, rows.layout.columns), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("used", pa.int64(), nullable=False),
    ]
    return pa.schema(fields, metadata={"treble": json.dumps(rows.metadata, ensure_ascii=False)})


def id_array(ids: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind):
        return pa.array(ids, kind)
    return pa.array([one if one is None or isinstance(one, str) else json.dumps(one) for one in ids], kind)


def table_of(group: Block, schema: pa.Schema, layout: Layout) -> pa.RecordBatch:
    values = pa.array(np.frombuffer(b"".join(group.vectors), dtype=layout.dtype))
    columns = [id_array(group.ids, schema.field("id").type)] if "id" in schema.names else []
    columns += [
        pa.FixedSizeListArray.from_arrays(values, type=schema.field("embedding").type),
        pa.array(group.tokens, pa.int64()),
        pa.array(group.used, pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def write(source: Path, target: Path) -> None:
    with source.open("rb") as file, whole_file(target) as temporary:
        rows = Rows(file, str(source))
        schema = schema_of(rows, rows.id_type())
        others = [name for name in schema.names if name != "embedding"]
        # Vectors neither repeat nor compress.
        compression = {**dict.fromkeys(others, "zstd"), "embedding.list.element": "none"}
        options: dict[str, Any] = {"compression": compression, "use_dictionary": False, "write_statistics": others}
        with pq.ParquetWriter(temporary, schema, **options) as writer:
            for group in rows.groups():
                writer.write_batch(table_of(group, schema, rows.layout))


def header_line(metadata: dict[str, Any], end: int, size: int) -> bytes:
    metadata = {**metadata, "resume": {**metadata["resume"], "bytes": end}}
    line = json.dumps({"treble": metadata}, ensure_ascii=False, separators=(",", ":")).encode()
    return line.ljust(size - 1) + b"\n"


def block_bytes(batch: pa.RecordBatch, layout: Layout) -> bytes:
    columns = {name: batch.column(name).to_pylist() for name in ("tokens", "used")}
    ids = batch.column("id").to_pylist() if "id" in batch.schema.names else [None] * batch.num_rows
    head = json.dumps({"rows": batch.num_rows, "ids": ids, **columns}, ensure_ascii=False, separators=(",", ":"))
    vectors = batch.column("embedding").flatten().to_numpy(zero_copy_only=False)
    return head.encode() + b"\n" + np.ascontiguousarray(vectors, dtype=layout.dtype).tobytes() + b"\n"


def read(source: Path, target: Path) -> None:
    with pq.ParquetFile(source) as file, whole_file(target) as temporary, temporary.open("wb") as out:
        try:
            metadata = json.loads((file.metadata.metadata or {})[b"treble"])
            size = len(header_line(metadata, 0, 1)) + HEADER_ROOM
            layout = Layout(metadata)
        except (KeyError, ValueError, TypeError):
            raise DataError(f"{source} is not what treble wrote, so it cannot be continued") from None
        out.write(header_line(metadata, 0, size))
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
            out.write(block_bytes(batch, layout))
        end = out.tell()
        out.seek(0)
        out.write(header_line(metadata, end, size))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["write", "read"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args(argv)
    # Ctrl-C reaches this process too; what is whole in a moment may as well be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        (write if arguments.action == "write" else read)(arguments.source, arguments.target)
    except (DataError, OSError, ValueError, KeyError, pa.ArrowException) as error:
        print(" ".join(str(error).split()) or type(error).__name__, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
