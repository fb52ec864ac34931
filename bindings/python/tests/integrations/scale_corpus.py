"""What the tests of Ray and Spark embed: a golden model, texts in Parquet files, and what one process makes of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import treble

ROOT = Path(__file__).resolve().parents[4]
MODEL = str(ROOT / "tests" / "golden" / "bert" / "model")
"""A BERT of two layers and 32 dimensions."""


WORDS = ("the", "harbour", "letter", "green", "of", "a", "river", "stands", "under", "old", "light", "ship", "winter")


def make_texts(count: int, seed: int = 18) -> list[str]:
    """Different texts of 1 to 40 words; the first is empty."""
    source = random.Random(seed)
    return ["", *(f"{i} " + " ".join(source.choices(WORDS, k=source.randint(1, 40))) for i in range(1, count))]


def write_corpus(folder: Path, texts: list[str], files: int = 2, row_group_size: int = 500) -> Path:
    """Columns id ("d17"), text and year, in files of about equal length; row groups as given."""
    folder.mkdir(parents=True, exist_ok=True)
    edges = [len(texts) * i // files for i in range(files + 1)]
    for i, (start, end) in enumerate(pairwise(edges)):
        rows = range(start, end)
        table = pa.table(
            {
                "id": [f"d{row}" for row in rows],
                "text": texts[start:end],
                "year": pa.array([1900 + row % 100 for row in rows], pa.int32()),
            }
        )
        pq.write_table(table, folder / f"corpus-{i}.parquet", row_group_size=row_group_size)
    return folder


@lru_cache(maxsize=4)
def encoder(**options: Any) -> treble.SentenceEncoder:
    return treble.SentenceEncoder(MODEL, threads=1, **options)


def read_output(folder: Path) -> pa.Table:
    """All rows of a finished output."""
    parts = sorted(folder.glob("part-*.parquet"))
    assert not [path for path in folder.iterdir() if path not in parts and path.name != "_treble.json"]
    return pa.concat_tables([pq.read_table(path) for path in parts])


def check_vectors(table: pa.Table, texts: list[str], expected: npt.NDArray[np.float32] | None = None) -> None:
    """Every id once, in the order of the texts, and each with the vector that one process gives its text."""
    assert table.column("id").to_pylist() == [f"d{i}" for i in range(len(texts))]
    kind = table.schema.field("embedding").type
    if expected is None:
        expected = encoder().encode(texts)
    assert pa.types.is_fixed_size_list(kind)
    assert (kind.value_type, kind.list_size) == (pa.float32(), expected.shape[1])
    vectors = table.column("embedding").combine_chunks().flatten().to_numpy().reshape(expected.shape)
    np.testing.assert_array_equal(vectors, expected)


def wait_until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"{condition} stayed {value!r} for {seconds} s")
