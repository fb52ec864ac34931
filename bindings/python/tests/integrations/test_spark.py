"""treble.spark on a local Spark of two cores; needs a Java (openjdk-17-jre-headless)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import treble
import treble.spark
from pyspark import TaskContext
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from scale_corpus import MODEL, encoder, make_texts

TEXTS = make_texts(2000)


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    # A task may fail twice.
    session = (
        SparkSession.builder.master("local[2,3]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    try:
        yield session
    finally:
        session.stop()


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(i, text) for i, text in enumerate(TEXTS)], "id long, text string").repartition(8)


def check_rows(rows: list[tuple[int, list[float]]], expected: npt.NDArray[np.float32], tolerance: float = 0) -> None:
    assert sorted(row[0] for row in rows) == list(range(len(TEXTS)))
    vectors = np.array([row[1] for row in sorted(rows)], dtype=np.float32)
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=tolerance)


def test_a_column_of_vectors(frame: DataFrame) -> None:
    result = treble.spark.embed_column(frame, model=MODEL, output_column="vector", temperature=0.8, dimensions=16)
    assert result.schema.simpleString() == "struct<id:bigint,text:string,vector:array<float>>"
    rows = [(row.id, row.vector) for row in result.collect()]
    expected = encoder(temperature=0.8).encode(TEXTS)[:, :16]
    check_rows(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), 1e-6)


def test_a_killed_worker_is_replaced(frame: DataFrame) -> None:
    embed = treble.spark.map_in_arrow(MODEL)

    def dying(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        for i, batch in enumerate(embed(batches)):
            if context.partitionId() == 3 and context.attemptNumber() == 0 and i == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    rows = frame.mapInArrow(dying, "id long, text string, embedding array<float>").collect()
    check_rows([(row.id, row.embedding) for row in rows], encoder().encode(TEXTS))


def test_the_model_is_loaded_once_by_a_process(frame: DataFrame) -> None:
    embed = treble.spark.map_in_arrow(MODEL, threads=1)

    def probe(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = sum(batch.num_rows for batch in embed(batches))
        loads = treble.spark._encoder.cache_info().misses
        yield pa.record_batch({"process": [os.getpid()], "loads": [loads], "rows": [rows]})

    # Other tests use other options in the same processes, so what counts is how often they had to load since the first.
    seen = frame.mapInArrow(probe, "process long, loads long, rows long").collect()
    assert len(seen) == 8
    assert sum(row["rows"] for row in seen) == len(TEXTS)
    for process in {row["process"] for row in seen}:
        assert len({row["loads"] for row in seen if row["process"] == process}) == 1


def test_errors_say_what_is_wrong(spark: SparkSession, frame: DataFrame) -> None:
    for change, message in [
        ({"text_column": "body"}, 'no column "body"; there are id, text'),
        ({"text_column": "id"}, 'column "id" must hold strings, and is bigint'),
        ({"output_column": "id"}, 'there is a column "id" already'),
    ]:
        with pytest.raises(treble.InvalidArgumentError, match=message):
            treble.spark.embed_column(frame, **{"model": MODEL, **change})
    nulls = spark.createDataFrame([(0, "a"), (1, None)], "id long, text string").coalesce(1)
    with pytest.raises(PythonException, match='row 1 of its partition: column "text" is null'):
        treble.spark.embed_column(nulls, model=MODEL).collect()
    with pytest.raises(PythonException, match="no-such-model"):
        treble.spark.embed_column(frame, model="no-such-model").collect()
