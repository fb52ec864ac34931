"""A column of vectors in a Spark DataFrame. docs/beyond-one-machine.md

>>> treble.spark.embed_column(df, model="models/all-MiniLM-L6-v2").write.parquet("vectors")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

try:
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import ArrayType, FloatType, StringType, StructField, StructType
except ImportError as missing:
    raise ImportError(f"treble.spark needs Spark and Arrow ({missing}): pip install 'pyspark[sql]'") from missing

from treble import SentenceEncoder
from treble._settings import EncoderOptions, EncoderSettings
from treble.errors import Error, InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Unpack


@lru_cache(maxsize=1)
def _encoder(settings: EncoderSettings) -> SentenceEncoder:
    """Spark keeps a Python process for the tasks that come after each other; the model stays in it."""
    return settings.load()


def map_in_arrow(
    model: str | os.PathLike[str],
    *,
    text_column: str = "text",
    output_column: str = "embedding",
    threads: int = 1,
    **options: Unpack[EncoderOptions],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for DataFrame.mapInArrow: adds `output_column`, a list of float32, to the columns that there are.

    model: a folder, or a name in the Hugging Face cache, on every executor; loaded once by each Python process.
    threads: of a task: as many as its spark.task.cpus.
    options: of treble.SentenceEncoder and its `encode`: temperature, dtype, max_length, prompt, ...

    A text that is null is an error.
    """
    settings = EncoderSettings.of(model, threads, options)

    def embed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in batches:
            yield _with_vectors(batch, settings, text_column, output_column, rows)
            rows += batch.num_rows

    return embed


def _with_vectors(
    batch: pa.RecordBatch, settings: EncoderSettings, text_column: str, output_column: str, row: int
) -> pa.RecordBatch:
    texts = batch.column(text_column).to_pylist()
    if None in texts:
        raise InvalidArgumentError(
            f'row {row + texts.index(None)} of its partition: column "{text_column}" is null; leave such rows out, or '
            "write '' there"
        )
    try:
        vectors = settings.encode(_encoder(settings), texts).embeddings
    except Error as error:
        if error.text_index is None:
            raise
        place = f"row {row + error.text_index} of its partition: {error}"
        raise type(error)(place, text_index=error.text_index) from None
    # Spark has no lists of fixed size.
    offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1)))
    return pa.RecordBatch.from_arrays([*batch.columns, column], names=[*batch.schema.names, output_column])


def embed_column(
    df: DataFrame,
    *,
    model: str | os.PathLike[str],
    text_column: str = "text",
    output_column: str = "embedding",
    threads: int | None = None,
    **options: Unpack[EncoderOptions],
) -> DataFrame:
    """`df` with a column of vectors, array<float>, by DataFrame.mapInArrow. Lazy, as Spark is.

    threads: of a task; None: spark.task.cpus. The rest as `map_in_arrow`.
    """
    if text_column not in df.columns:
        raise InvalidArgumentError(f'there is no column "{text_column}"; there are {", ".join(df.columns)}')
    if not isinstance(df.schema[text_column].dataType, StringType):
        raise InvalidArgumentError(
            f'column "{text_column}" must hold strings, and is {df.schema[text_column].dataType.simpleString()}'
        )
    if output_column in df.columns:
        raise InvalidArgumentError(f'there is a column "{output_column}" already; give another output_column')
    if threads is None:
        threads = int(df.sparkSession.conf.get("spark.task.cpus", "1") or 1)
    vectors = StructField(output_column, ArrayType(FloatType(), containsNull=False), nullable=False)
    schema = StructType([*df.schema.fields, vectors])
    function = map_in_arrow(model, text_column=text_column, output_column=output_column, threads=threads, **options)
    return df.mapInArrow(function, schema)
