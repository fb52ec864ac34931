"""Reranker, against what sentence-transformers' CrossEncoder stored."""

from __future__ import annotations

import json
import pickle
import threading

import numpy as np
import pytest
import treble
from golden_models import GOLDEN, Golden, read_safetensors

TOLERANCE = 1e-5
# Pairs of the golden cases are longer than the tiny models read.
pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")


def golden(name: str) -> tuple[treble.Reranker, list[list[str]], dict[str, np.ndarray]]:
    folder = GOLDEN / "rerankers" / name
    pairs = json.loads((folder / "cases.json").read_text())["pairs"]
    return treble.Reranker(folder / "model"), pairs, read_safetensors(folder / "expected.safetensors")


@pytest.mark.parametrize("name", ["bert", "roberta", "electra", "camembert", "modernbert", "deberta-v3"])
def test_equals_cross_encoder(name: str) -> None:
    reranker, pairs, expected = golden(name)
    shape = (len(pairs),) if reranker.num_labels == 1 else (len(pairs), reranker.num_labels)
    scores = reranker.predict(pairs)
    assert scores.shape == shape
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected["scores"].reshape(shape), rtol=0, atol=TOLERANCE)
    for tau in ("1", "0.7"):
        logits = reranker.predict(pairs, activation_fn="identity", temperature=tau)
        np.testing.assert_allclose(logits, expected[f"tau={tau}/logits"].reshape(shape), rtol=0, atol=TOLERANCE)


def test_ranks_as_cross_encoder_does() -> None:
    reranker, _, _ = golden("bert")
    texts = ["a ferry", "the harbour at nine", "", "a ferry"]
    scores = reranker.predict([("when?", text) for text in texts])
    ranked = reranker.rank("when?", texts, return_documents=True)
    assert [one["score"] for one in ranked] == sorted(map(float, scores), reverse=True)
    assert [texts[one["corpus_id"]] for one in ranked] == [one["text"] for one in ranked]
    twins = [one["corpus_id"] for one in ranked if one["text"] == "a ferry"]
    assert twins == [0, 3]
    assert reranker.rank("when?", texts, top_k=2) == [
        {key: one[key] for key in ("corpus_id", "score")} for one in ranked[:2]
    ]
    assert reranker.rank("when?", []) == []


def test_one_pair_and_none() -> None:
    reranker, pairs, _ = golden("bert")
    one = reranker.predict(pairs[0])
    assert np.ndim(one) == 0
    assert one == reranker.predict(pairs[:1])[0]
    assert reranker.predict([]).shape == (0,)
    labelled, pairs, _ = golden("camembert")
    assert labelled.labels == ["contradiction", "entailment", "neutral"]
    probabilities = labelled.predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(labelled.predict(pairs, activation_fn="softmax"), probabilities, atol=1e-6)


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    reranker, pairs, _ = golden("bert")
    scores = reranker.predict(pairs)
    assert torch.equal(reranker.predict(pairs, convert_to_tensor=True), torch.from_numpy(np.array(scores)))
    each = reranker.predict(pairs, convert_to_numpy=False)
    assert [float(one) for one in each] == [float(one) for one in scores]
    assert float(reranker.predict(pairs[0], convert_to_tensor=True)) == float(scores[0])


def test_wrong_use_is_named() -> None:
    reranker, _, _ = golden("bert")
    with pytest.raises(treble.InvalidArgumentError, match="pair 1 must be two texts"):
        reranker.predict([("a", "b"), ("a",)])
    with pytest.raises(treble.InvalidArgumentError, match="activation 'mish'"):
        reranker.predict([("a", "b")], activation_fn="mish")  # type: ignore[arg-type]
    with pytest.raises(treble.UnsupportedError, match="3 scores"):
        golden("camembert")[0].rank("q", ["a"])
    with pytest.raises(treble.UnsupportedError, match="gives no scores"):
        treble.Reranker(Golden("bert").path)
    with pytest.raises(treble.TextTooLongError, match="pair of texts"):
        reranker.predict([("a", "b c d e f")], truncation="error", max_length=5)


def test_truncation_is_said() -> None:
    reranker, _, _ = golden("bert")
    with pytest.warns(treble.TruncationWarning):
        reranker.predict([("a", "word " * 300)])


def test_pickled_and_from_threads() -> None:
    reranker, pairs, _ = golden("roberta")
    expected = reranker.predict(pairs)
    again = pickle.loads(pickle.dumps(reranker))
    np.testing.assert_array_equal(again.predict(pairs), expected)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(reranker.predict(pairs))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scores in found:
        np.testing.assert_allclose(scores, expected, atol=2e-6)
