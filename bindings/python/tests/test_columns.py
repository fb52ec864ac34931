"""Streams, and columns of Arrow, Polars and pandas."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import treble

# Texts of the corpus are longer than the tiny model reads.
pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")
TEXTS = ["the cat", "", "a dog and a much longer text than twelve bytes", "é 😀"]


def test_stream_is_lazy(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    read = 0

    def source() -> Iterator[str]:
        nonlocal read
        for text in corpus:
            read += 1
            yield text

    chunks = encoder.encode_stream(source(), chunk=50, temperature=0.8)
    assert read == 0
    first = next(chunks)
    assert (len(first), read) == (50, 50)
    everything = np.concatenate([first, *chunks])
    np.testing.assert_allclose(everything, encoder.encode(corpus, temperature=0.8), rtol=0, atol=1e-6)
    assert list(encoder.encode_stream([])) == []
    with pytest.raises(treble.InvalidArgumentError, match="chunk"):
        next(encoder.encode_stream(corpus, chunk=0))


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
@pytest.mark.parametrize("chunked", [False, True])
def test_arrow(encoder: treble.SentenceEncoder, kind: str, chunked: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    expected = encoder.encode(TEXTS)
    types = {"string": pa.string(), "large_string": pa.large_string(), "string_view": pa.string_view()}
    padded = ["dropped", *TEXTS, "dropped"]
    column = pa.array(padded).dictionary_encode() if kind == "dictionary" else pa.array(padded, types[kind])
    column = column.slice(1, len(TEXTS))
    if chunked:
        column = pa.chunked_array([column.slice(0, 1), column.slice(1)])
    np.testing.assert_array_equal(encoder.encode(column), expected)
    out = encoder.encode_arrow(column)
    assert out.type == pa.list_(pa.float32(), 32)
    np.testing.assert_array_equal(np.asarray(out.to_pylist(), dtype=np.float32), expected)


def test_arrow_hands_the_memory_over(encoder: treble.SentenceEncoder) -> None:
    pa = pytest.importorskip("pyarrow")
    out = encoder.encode_arrow(pa.array(TEXTS))
    values = out.flatten().to_numpy(zero_copy_only=True)
    assert values.size == out.flatten().buffers()[1].size // 4


def test_arrow_errors(encoder: treble.SentenceEncoder) -> None:
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(treble.InvalidArgumentError, match="text 1 is null") as caught:
        encoder.encode(pa.chunked_array([["a"], [None]]))
    assert caught.value.text_index == 1
    for wrong in (pa.array([1, 2]), pa.table({"text": TEXTS}), pa.array([["a"]])):
        with pytest.raises(treble.InvalidArgumentError, match="column of strings"):
            encoder.encode(wrong)


def test_pandas(encoder: treble.SentenceEncoder) -> None:
    pd = pytest.importorskip("pandas")
    np.testing.assert_array_equal(encoder.encode(pd.Series(TEXTS)), encoder.encode(TEXTS))


def test_polars(encoder: treble.SentenceEncoder) -> None:
    pl = pytest.importorskip("polars")
    np.testing.assert_array_equal(encoder.encode(pl.Series("text", TEXTS)), encoder.encode(TEXTS))
