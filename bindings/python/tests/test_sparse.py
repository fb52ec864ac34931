"""Sparse outputs, against what sentence-transformers' SparseEncoder stored."""

from __future__ import annotations

import builtins
import pickle
from typing import Any

import numpy as np
import pytest
import treble
from golden_models import Golden

TOLERANCE = 1e-5
# Texts of the golden cases are longer than the tiny models read.
pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")


def dense(rows: Any) -> np.ndarray[Any, Any]:
    """Of a scipy array or SparseArrays."""
    if not isinstance(rows, treble.SparseArrays):
        return np.asarray(rows.toarray())
    matrix = np.zeros(rows.shape, np.float32)
    for row, (begin, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
        matrix[row, rows.indices[begin:end]] = rows.data[begin:end]
    return matrix


@pytest.mark.parametrize("name", ["bert", "distilbert", "electra", "modernbert", "roberta-bare", "bge-m3"])
def test_equals_the_reference(name: str) -> None:
    golden = Golden(f"sparse/{name}")
    encoder = treble.SentenceEncoder(golden.path)
    assert "sparse" in encoder.info["outputs"]
    for tau in ("1", "0.7"):
        rows = encoder.encode_sparse(golden.texts, temperature=float(tau))
        assert rows.shape == (len(golden.texts), encoder.info["vocab_size"])
        np.testing.assert_allclose(dense(rows), golden.expected[f"tau={tau}"], rtol=0, atol=TOLERANCE)


def test_keeps_the_largest_weights_and_takes_prompts_by_role() -> None:
    golden = Golden("sparse/bert-untied")
    encoder = treble.SentenceEncoder(golden.path)
    for expected, options in (("top=3", {"max_active_dims": 3}), ("query", {"role": "query"}), ("tau=1", {})):
        rows = dense(encoder.encode_sparse(golden.texts, **options))
        np.testing.assert_allclose(rows, golden.expected[expected], rtol=0, atol=TOLERANCE)


WORDS = ("harbour", "letter", "ship", "sea", "evening", "lamp", "north", "wind")


def some_text(number: int, words: int) -> str:
    return " ".join([*(WORDS[(number * 5 + i * (number % 3 + 1)) % 8] for i in range(words)), str(number)])


@pytest.mark.parametrize("name", ["sparse/bert", "sparse-routers/table"])
def test_sweep_equals_numpy(name: str) -> None:
    encoder = treble.SentenceEncoder(Golden(name).path)
    count = 30
    documents = [some_text(i, 4 + i) for i in range(count)]
    queries = [some_text(i, 3) for i in range(count)]
    data = treble.SweepData.retrieval(
        "thirty",
        document_ids=[f"d{i}" for i in range(count)],
        documents=documents,
        query_ids=[f"q{i}" for i in range(count)],
        queries=queries,
        relevant=[[(i, 2), ((i + 3) % count, 1)] for i in range(count)],
    )
    report = encoder.sweep(data, [0.7, 0.5], bootstrap=100, deals=1, run_depth=10)
    assert report["similarity"] == "dot"
    assert report.metric == "nDCG@10"
    assert [setting.name for setting in report.settings] == ["1", "0.7", "0.5"]
    for setting in report.settings:
        tau = float(setting.name)
        # Queries of a table of weights have no attention to temper.
        asked = dense(encoder.encode_sparse(queries, role="query", temperature=1 if name.endswith("table") else tau))
        scores = asked.astype(np.float64) @ dense(encoder.encode_sparse(documents, role="document", temperature=tau)).T
        # Queries whose words weigh nothing are tied with everything: what is compared is the ranking as it was made.
        ranked = [line.split() for line in report.runs[setting.name].splitlines()]
        total = 0.0
        for i in range(count):
            found = [(int(line[2][1:]), float(line[4])) for line in ranked if line[0] == f"q{i}"]
            assert len(found) == 10
            np.testing.assert_allclose(
                [score for _, score in found], np.sort(scores[i])[::-1][:10], rtol=1e-5, atol=1e-5
            )
            np.testing.assert_allclose(
                [score for _, score in found], scores[i, [d for d, _ in found]], rtol=1e-5, atol=1e-5
            )
            grades = {i: 2, (i + 3) % count: 1}
            total += sum(grades.get(d, 0) / np.log2(n + 2) for n, (d, _) in enumerate(found))
        assert setting.value == pytest.approx(total / (2 + 1 / np.log2(3)) / count, abs=1e-9)
    assert "--output-kind sparse" in report.commands[0]
    with pytest.raises(treble.InvalidArgumentError, match="dot product"):
        encoder.sweep(data, 0.7, similarity="cosine")


def test_decodes_as_sentence_transformers() -> None:
    golden = Golden("sparse/bert")
    encoder = treble.SentenceEncoder(golden.path)
    found = encoder.decode_sparse(encoder.encode_sparse(golden.texts))
    weights = [weight for _, weight in found[0]]
    np.testing.assert_allclose(weights, [weight for _, weight in golden.cases["decoded"][0]], atol=TOLERANCE)
    assert dict(found[0]).keys() == {token for token, _ in golden.cases["decoded"][0]}
    top = encoder.decode_sparse(encoder.encode_sparse(golden.texts[:2]), top_k=2)
    assert [len(row) for row in top] == [2, 2]
    assert top[0] == found[0][:2]


def test_without_scipy_the_arrays_come_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    golden = Golden("sparse/bert")
    encoder = treble.SentenceEncoder(golden.path)
    whole = dense(encoder.encode_sparse(golden.texts))
    real = builtins.__import__

    def without_scipy(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    rows = encoder.encode_sparse(golden.texts)
    assert isinstance(rows, treble.SparseArrays)
    assert (rows.data.dtype, rows.indices.dtype, rows.indptr.dtype) == (np.float32, np.int32, np.int64)
    np.testing.assert_array_equal(dense(rows), whole)
    assert encoder.decode_sparse(rows, top_k=1)[0][0][1] == whole[0].max()


def test_several_outputs_come_from_one_pass() -> None:
    golden = Golden("sparse/bge-m3")
    encoder = treble.SentenceEncoder(golden.path)
    assert encoder.info["outputs"] == ["dense", "sparse"]
    outputs = encoder.encode_outputs(golden.texts, ["dense", "sparse"], temperature=0.7)
    np.testing.assert_allclose(outputs["dense"], golden.expected["dense/tau=0.7"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(dense(outputs["sparse"]), golden.expected["tau=0.7"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(outputs["dense"], encoder.encode(golden.texts, temperature=0.7), atol=2e-6)


def test_rows_do_not_depend_on_what_else_is_encoded() -> None:
    golden = Golden("sparse/bert")
    encoder = pickle.loads(pickle.dumps(treble.SentenceEncoder(golden.path)))
    together = dense(encoder.encode_sparse(iter(golden.texts)))
    for index, text in enumerate(golden.texts):
        np.testing.assert_allclose(dense(encoder.encode_sparse(text))[0], together[index], rtol=0, atol=2e-6)
    assert dense(encoder.encode_sparse([])).shape == (0, encoder.info["vocab_size"])


def test_queries_of_an_inference_free_model_are_read_by_a_table() -> None:
    golden = Golden("sparse-routers/table")
    encoder = treble.SentenceEncoder(golden.path)
    for role in ("query", "document"):
        rows = dense(encoder.encode_sparse(golden.texts, role=role))
        np.testing.assert_allclose(rows, golden.expected[role], rtol=0, atol=TOLERANCE)
    with pytest.raises(treble.UnsupportedError, match="without attention"):
        encoder.encode_sparse("a", role="query", temperature=0.5)


def test_what_a_model_does_not_give_is_said() -> None:
    splade = treble.SentenceEncoder(Golden("sparse/bert").path)
    with pytest.raises(treble.UnsupportedError, match="no dense output"):
        splade.encode("a")
    encoder = treble.SentenceEncoder(Golden("bert").path)
    with pytest.raises(treble.UnsupportedError, match="no sparse output"):
        encoder.encode_sparse("a")
    with pytest.raises(treble.InvalidArgumentError, match="max_active_dims"):
        splade.encode_sparse("a", max_active_dims=0)
    with pytest.raises(treble.InvalidArgumentError, match="author"):
        splade.encode_sparse("a", role="author")  # type: ignore[arg-type]
    with pytest.raises(treble.InvalidArgumentError, match="no output is asked for"):
        splade.encode_outputs("a", [])
