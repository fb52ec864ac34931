"""encode_multi and max_sim, against what sentence-transformers' MultiVectorEncoder stored."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import treble
from golden_models import GOLDEN, read_safetensors
from treble import cli

TOLERANCE = 1e-5
# Texts of the golden cases are longer than the tiny models read, and their vocabularies lack punctuation.
pytestmark = pytest.mark.filterwarnings("ignore::treble.TrebleWarning")

Case = tuple[treble.SentenceEncoder, dict[str, Any], dict[str, np.ndarray]]


def golden(name: str) -> Case:
    folder = GOLDEN / "multi-vector" / name
    cases = json.loads((folder / "cases.json").read_text())
    return treble.SentenceEncoder(folder / "model"), cases, read_safetensors(folder / "expected.safetensors")


@pytest.mark.parametrize("name", ["pylate-bert", "native-modernbert", "native-bert", "stanford-bert"])
def test_equals_multi_vector_encoder(name: str) -> None:
    encoder, cases, expected = golden(name)
    assert encoder.info["outputs"] == ["multi-vector"]
    roles: tuple[Literal["query", "document"], ...] = ("query", "document")
    vectors = {}
    for role in roles:
        for tau in ("1", "0.7"):
            found = encoder.encode_multi(cases["texts"], role=role, temperature=tau)
            assert [len(one) for one in found] == cases[f"{role}_rows"]
            assert found[0].dtype == np.float32
            np.testing.assert_allclose(np.concatenate(found), expected[f"tau={tau}/{role}"], rtol=0, atol=TOLERANCE)
        vectors[role] = encoder.encode_multi(cases["texts"], role=role)
    mean = cases["similarity"] == "meanmaxsim"
    scores = treble.max_sim(vectors["query"], vectors["document"], mean=mean)
    np.testing.assert_allclose(scores, expected["scores"], rtol=0, atol=5 * TOLERANCE)


def test_one_text_is_one_array() -> None:
    encoder, _, _ = golden("pylate-bert")
    query = encoder.encode_multi("a letter", role="query")
    assert query.shape == (12, encoder.info["token_dim"])
    documents = encoder.encode_multi(["a letter", "the ferry"], role="document")
    assert encoder.encode_multi([]) == []
    assert treble.max_sim(query, documents).shape == (1, 2)
    np.testing.assert_array_equal(encoder.encode_multi("the ferry"), documents[1])


def test_inspect_equals_numpy_and_the_program(tmp_path: Path) -> None:
    # Its documents have a mark.
    encoder, cases, _ = golden("pylate-bert")
    report = encoder.inspect(cases["texts"], 0.7, bucket_edges=[512], bootstrap=20, cut_lengths=[8])
    tokens = report.token_vectors
    assert tokens is not None
    assert tokens.dim == encoder.info["token_dim"]
    for setting, tau in enumerate((1, 0.7)):
        texts = encoder.encode_multi(cases["texts"], role="document", temperature=tau)
        within = [(text @ text.T)[~np.eye(len(text), dtype=bool)].mean() for text in texts]
        assert tokens.token_cosine[setting][0].mean == pytest.approx(np.mean(within), abs=TOLERANCE)
        scores = treble.max_sim(texts, texts, mean=True)[~np.eye(len(texts), dtype=bool)]
        assert tokens.max_sim[setting][0].pairs == len(scores)
        assert tokens.max_sim[setting][0].mean == pytest.approx(scores.mean(), abs=TOLERANCE)
        variances = np.linalg.eigvalsh(np.cov(np.concatenate(texts).T, bias=True))
        shares = variances[variances > 0] / variances.sum()
        rank = np.exp(-(shares * np.log(shares)).sum())
        assert tokens.spread[setting][0].effective_rank == pytest.approx(rank, rel=1e-4)
    assert len(report.to_pandas()) == 2 * 2 * (len(report.buckets) + len(report.cut_lengths))
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in cases["texts"]))
    options = "-t 0.7 --bucket-edges 512 --bootstrap 20 --cut-lengths 8 --json -"
    command = [cli.program(), "inspect", "-m", encoder._path, *options.split(), str(tmp_path / "texts.jsonl")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    expected = json.loads(done.stdout)
    found = report.to_dict()
    for one in (expected, found):
        # Python says the prompt itself.
        assert one["provenance"].pop("prompt_name") in (None, "document")
    assert found == expected


@pytest.mark.parametrize("name", ["pylate-bert", "native-bert"])
def test_sweep_equals_max_sim(name: str) -> None:
    encoder, cases, _ = golden(name)
    words = ("harbour", "letter", "ship", "sea", "evening", "lamp", "north", "wind")
    texts = [" ".join(words[(i * 5 + n * (i % 3 + 1)) % 8] for n in range(4 + i)) for i in range(30)]
    queries = [" ".join(text.split()[:3]) for text in texts]
    names = [str(i) for i in range(30)]
    data = treble.SweepData.retrieval(
        "thirty",
        document_ids=[f"d{i}" for i in names],
        documents=texts,
        query_ids=[f"q{i}" for i in names],
        queries=queries,
        relevant=[[(i, 1)] for i in range(30)],
    )
    report = encoder.sweep(data, 0.7, bootstrap=100, deals=1, run_depth=3)
    assert report["similarity"] == "maxsim"
    for setting in ("1", "0.7"):
        asked = encoder.encode_multi(queries, role="query", temperature=setting)
        documents = encoder.encode_multi(texts, role="document", temperature=setting)
        scores = treble.max_sim(asked, documents, mean=cases["similarity"] == "meanmaxsim")
        for line in report.runs[setting].splitlines():
            query, _, document, _, score, _ = line.split()
            assert float(score) == pytest.approx(scores[int(query[1:]), int(document[1:])], abs=1e-4)
    assert "--output-kind multi-vector --role document" in report.commands[0]
    assert "--prompt" not in report.commands[0]


def test_inspect_takes_a_kind() -> None:
    encoder, _, _ = golden("pylate-bert")
    report = encoder.inspect(["a letter", "the ferry"], output_kind="multi-vector", max_sim_documents=1)
    assert report.token_vectors is not None
    assert report.token_vectors.max_sim_documents == 1
    assert "token vectors" in report.to_table()
    with pytest.raises(treble.UnsupportedError, match="no dense output"):
        encoder.inspect(["a letter"], output_kind="dense")
    with pytest.raises(treble.UnsupportedError, match="InspectOptions::posts"):
        encoder.inspect(["a letter"], posts=["centring"])


def test_scores_equal_numpy() -> None:
    draw = np.random.default_rng(7)
    queries = [draw.normal(size=(n, 40)).astype(np.float32) for n in (1, 32, 7)]
    documents = [draw.normal(size=(n, 40)).astype(np.float32) for n in (3, 180, 1, 50)]
    expected = np.array([[(q @ d.T).max(1).sum() for d in documents] for q in queries])
    np.testing.assert_allclose(treble.max_sim(queries, documents, threads=2), expected, rtol=1e-5)
    lengths = np.array([len(query) for query in queries])[:, None]
    np.testing.assert_allclose(treble.max_sim(queries, documents, mean=True), expected / lengths, rtol=1e-5)
    assert treble.max_sim([], documents).shape == (0, 4)


def test_what_has_no_score_is_an_error() -> None:
    one = np.ones((2, 4), dtype=np.float32)
    with pytest.raises(treble.InvalidArgumentError, match="no vectors"):
        treble.max_sim([one], [one, np.zeros((0, 4), dtype=np.float32)])
    with pytest.raises(treble.NonFiniteError, match="text 0"):
        treble.max_sim([one * np.nan], [one])
    with pytest.raises(treble.InvalidArgumentError, match="dimensions"):
        treble.max_sim([one], [np.ones((2, 5), dtype=np.float32)])
    with pytest.raises(ValueError, match="document 1 has 5"):
        treble.max_sim([one], [one, np.ones((2, 5), dtype=np.float32)])
    with pytest.raises(ValueError, match="shape"):
        treble.max_sim([one[0]], [one])


def test_a_dense_model_has_none(encoder: treble.SentenceEncoder) -> None:
    with pytest.raises(treble.UnsupportedError, match="no multi-vector output"):
        encoder.encode_multi(["a"])
    late, _, _ = golden("pylate-bert")
    with pytest.raises(treble.UnsupportedError, match="encode_multi"):
        late.encode(["a"])
