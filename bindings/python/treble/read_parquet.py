"""Write the texts of a Parquet file to standard output, a JSON object a row, for the program `treble`.

    python read_parquet.py FILE.parquet [--text-field NAME] [--title-field NAME] [--label-field NAME]

A field "a.b" is the column of that very name, else the field "b" of the struct column "a". The first line is
{"rows": N}; then come rows {"text": …, "title": …, "_id": …, "label": …}, of which all but the first may be missing;
the last line is {"end": true}, or {"error": "…"} when the file cannot be read. Row groups are read batch by batch, so
that memory stays small. Text that is not UTF-8 is written as it stands: the reader judges it.

Needs the package `pyarrow`; runs without the rest of Treble as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as missing:
    reason = f"reading Parquet needs the package pyarrow, which {sys.executable} lacks ({missing}): pip install pyarrow"
    if __name__ == "__main__":
        sys.exit(f"treble: error: {reason}")
    raise ImportError(reason) from missing

BATCH_ROWS = 1024


class DataError(Exception):
    """The file cannot be used; the message says why."""


@dataclass
class Field:
    """A column, or a field within struct columns."""

    name: str
    path: list[str]
    type: pa.DataType

    def values(self, batch: pa.RecordBatch) -> pa.Array:
        array = batch.column(batch.schema.get_field_index(self.path[0]))
        for part in self.path[1:]:
            array = pc.struct_field(array, part)  # pyright: ignore[reportAttributeAccessIssue]
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def find_field(schema: pa.Schema | pa.StructType, name: str) -> tuple[list[str], pa.DataType] | None:
    """Where `name` is: as it stands, else within structs."""
    types = {schema.field(i).name: schema.field(i).type for i in range(len(schema))}
    if name in types:
        return [name], types[name]
    for at in (i for i, c in enumerate(name) if c == "."):
        outer = types.get(name[:at])
        if outer is not None and pa.types.is_struct(outer):
            inner = find_field(outer, name[at + 1 :])
            if inner is not None:
                return [name[:at], *inner[0]], inner[1]
    return None


def list_fields(schema: pa.Schema) -> str:
    """The names that could be asked for, with their types."""
    names = []
    for field in schema:
        if pa.types.is_struct(field.type):
            names += [f'"{field.name}.{inner.name}" ({inner.type})' for inner in field.type]
        else:
            names.append(f'"{field.name}" ({field.type})')
    return ", ".join(names[:30]) + (", …" if len(names) > 30 else "")


def is_text(kind: pa.DataType) -> bool:
    """Old writers leave out the mark that says that bytes are text, so bytes are taken for text too."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary", "is_binary_view")
    return any(getattr(pa.types, test)(kind) for test in tests if hasattr(pa.types, test))


def text_field(schema: pa.Schema, name: str, option: str) -> Field:
    found = find_field(schema, name)
    if found is None:
        raise DataError(f'no column "{name}"; there are {list_fields(schema)}; choose one with {option}')
    path, kind = found
    if not is_text(kind):
        raise DataError(f'column "{name}" must hold strings, and is {kind}; choose another with {option}')
    return Field(name, path, kind)


def title_field(schema: pa.Schema, name: str | None) -> Field | None:
    if name == "":
        return None
    if name is not None:
        return text_field(schema, name, "--title-field")
    found = find_field(schema, "title")
    return Field("title", *found) if found is not None and is_text(found[1]) else None


def id_field(schema: pa.Schema) -> Field | None:
    for name in ("_id", "id"):
        if name in schema.names:
            kind = schema.field(name).type
            usable = is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
            return Field(name, [name], kind) if usable else None
    return None


def label_field(schema: pa.Schema, name: str | None) -> Field | None:
    if name is None:
        return None
    found = find_field(schema, name)
    if found is None:
        raise DataError(f'no column "{name}"; there are {list_fields(schema)}; choose one with --labels')
    path, kind = found
    types = pa.types
    if not (is_text(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        raise DataError(f'column "{name}" must hold labels (strings, numbers or booleans), and is {kind}')
    return Field(name, path, kind)


@dataclass
class Fields:
    """What is read of a row."""

    text: Field
    title: Field | None
    number: Field | None
    label: Field | None

    def columns(self) -> list[str]:
        all_of = (self.text, self.title, self.number, self.label)
        return list(dict.fromkeys(".".join(field.path) for field in all_of if field is not None))


def as_python(array: pa.Array) -> list[Any]:
    """Texts as str with surrogates in the place of bytes that are not UTF-8; numbers as they are."""
    if is_text(array.type):
        array = array.cast(pa.large_binary())
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    return values


def is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def rows_of(file: pq.ParquetFile, fields: Fields) -> Iterator[dict[str, Any]]:
    row = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=fields.columns()):
        texts = as_python(fields.text.values(batch))
        others = (
            as_python(field.values(batch)) if field else [None] * len(texts)
            for field in (fields.title, fields.number, fields.label)
        )
        for text, title, number, label in zip(texts, *others, strict=True):
            row += 1
            if text is None:
                name = fields.text.name
                raise DataError(f'row {row}: column "{name}" is null; leave such rows out, or write "" there')
            named = {"text": text, "title": title, "_id": number, "label": label}
            yield {name: value for name, value in named.items() if value is not None and is_finite(value)}


def write(value: dict[str, Any]) -> None:
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape"))


def write_rows(arguments: argparse.Namespace) -> None:
    with pq.ParquetFile(arguments.file) as file:
        schema = file.schema_arrow
        fields = Fields(
            text=text_field(schema, arguments.text_field, "--text-field"),
            title=title_field(schema, arguments.title_field),
            number=id_field(schema),
            label=label_field(schema, arguments.label_field),
        )
        write({"rows": file.metadata.num_rows})
        for row in rows_of(file, fields):
            write(row)
    write({"end": True})


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--text-field", default="text")
    parser.add_argument("--title-field")
    parser.add_argument("--label-field")
    arguments = parser.parse_args(argv)
    # Ctrl-C reaches this process too; whoever reads the rows decides when they end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            write_rows(arguments)
        except (DataError, OSError, pa.ArrowException) as error:
            if isinstance(error, BrokenPipeError):
                raise
            write({"error": " ".join(str(error).split())})
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on; what is left in the buffer must not complain at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
