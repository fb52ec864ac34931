"""Reranker, against what sentence-transformers' CrossEncoder stored."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import treble
from golden_models import GOLDEN, Golden, read_safetensors
from treble import cli

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


WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")


def write_beir(folder: Path) -> Path:
    """A BEIR folder, and the run of a first ranking of it."""
    draw = random.Random(5)

    def text(words: int) -> str:
        return " ".join(draw.choice(WORDS) + str(draw.randrange(9)) for _ in range(words))

    (folder / "qrels").mkdir(parents=True)
    for name, count, words in (("corpus", 50, 6), ("queries", 30, 2)):
        rows = [{"_id": f"{name[0]}{i}", "text": text(words + i % 5)} for i in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels" / "test.tsv").write_text("".join(f"q{i}\tc{i}\t2\nq{i}\tc{i + 10}\t1\n" for i in range(30)))
    lines = []
    for i in range(30):
        found = list(dict.fromkeys([i, *draw.sample(range(50), 12)]))
        lines += [f"q{i} Q0 c{d} {n} {-n} first\n" for n, d in enumerate(found)]
    run = folder / "first.trec"
    run.write_text("".join(lines))
    return run


def test_sweep_equals_the_program(tmp_path: Path) -> None:
    reranker, _, _ = golden("bert")
    run = write_beir(tmp_path / "beir")
    report = reranker.sweep(
        tmp_path / "beir", [0.5, "log:8"], candidates=run, candidate_depth=8, bootstrap=100, deals=2,
        try_max_lengths=[9], run_depth=5,
    )  # fmt: skip
    options = "-t 0.5 -t log:8 --candidate-depth 8 --bootstrap 100 --deals 2 --try-max-length 9 --run-depth 5 --json -"
    command = [cli.program(), "sweep", "-m", reranker._path, *options.split(), "--candidates", str(run)]
    files = ["--run", str(tmp_path / "again.trec"), "--scores", str(tmp_path / "scores.jsonl")]
    done = subprocess.run([*command, *files, str(tmp_path / "beir")], check=True, capture_output=True, text=True)
    expected = json.loads(done.stdout)
    assert report.to_dict() == expected
    assert expected["reranker"] is True
    assert [one.name for one in report.settings] == [row["name"] for row in expected["settings"]]
    assert report.metric == "nDCG@10"
    assert report.runs["0.5"] == (tmp_path / "again.0.5.trec").read_text()
    assert report.scores == [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert "nDCG@10" in report.to_table()
    assert report.to_html().startswith("<!doctype html>")


def test_sweep_of_candidates_in_memory(tmp_path: Path) -> None:
    reranker, _, _ = golden("bert")
    run = write_beir(tmp_path / "beir")
    texts = {
        name: [json.loads(line) for line in (tmp_path / "beir" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("corpus", "queries")
    }
    found: list[list[int]] = [[] for _ in range(30)]
    for line in run.read_text().splitlines():
        query, _, document, *_ = line.split()
        found[int(query[1:])].append(int(document[1:]))
    data = treble.SweepData.retrieval(
        "mine",
        document_ids=[row["_id"] for row in texts["corpus"]],
        documents=[row["text"] for row in texts["corpus"]],
        query_ids=[row["_id"] for row in texts["queries"]],
        queries=[row["text"] for row in texts["queries"]],
        relevant=[[(i, 2), (i + 10, 1)] for i in range(30)],
        candidates=found,
    )
    mine = reranker.sweep(data, 0.5, bootstrap=100, deals=1)
    read = reranker.sweep(tmp_path / "beir", 0.5, candidates=run, bootstrap=100, deals=1)
    assert [one.value for one in mine.settings] == [one.value for one in read.settings]
    assert mine.metric == "nDCG@10"
    with pytest.raises(treble.InvalidArgumentError, match="brings candidates of its own"):
        reranker.sweep(data, candidates=run)
    with pytest.raises(treble.InvalidArgumentError, match="a reranker orders candidates"):
        reranker.sweep(tmp_path / "beir")
    with pytest.raises(TypeError, match="a path or a SweepData"):
        reranker.sweep(["a", "b"])  # type: ignore[arg-type]
    labelled, _, _ = golden("camembert")
    with pytest.raises(treble.UnsupportedError, match="3 scores a pair"):
        labelled.sweep(data)
    encoder = treble.SentenceEncoder(GOLDEN / "bert" / "model")
    assert encoder.sweep(tmp_path / "beir", 0.5, candidates=run, posts=(), bootstrap=100, deals=1).metric == "nDCG@10"


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
