"""inspect, sweep, calibrate, bake, fit: the program's results as typed objects."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import treble
from golden_models import ROOT
from treble import cli

sys.path.insert(0, str(ROOT / "tests"))
import growing_states

pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")


@pytest.fixture
def corpus_file(corpus: list[str], tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in corpus))
    return path


def program(*arguments: str) -> str:
    return subprocess.run([cli.program(), *arguments], check=True, capture_output=True, text=True).stdout


def test_inspect_equals_the_program(encoder: treble.SentenceEncoder, corpus: list[str], corpus_file: Path) -> None:
    report = encoder.inspect(
        corpus, 0.8, sample=12, bootstrap=50, cut_lengths=(8, 16), bucket_edges=(16, 32), queries=["the whale"],
        layers=[0], posts=["centring"],
    )  # fmt: skip
    queries = corpus_file.parent / "queries.txt"
    queries.write_text("the whale\n")
    options = "--sample 12 --bootstrap 50 --cut-lengths 8,16 --bucket-edges 16,32 --layers 0 --post centring -t 0.8"
    command = ["inspect", "-m", encoder._path, *options.split(), "--queries", str(queries), "--json", "-"]
    expected = json.loads(program(*command, str(corpus_file)))
    found = report.to_dict()
    for texts in (expected["map"]["texts"], found["map"]["texts"]):
        for text in texts:
            text.pop("id")
    assert found == expected
    assert report.settings == ["1", "0.8", "centring"]
    assert report.bucket_cosine[1][0].mean == expected["bucket_cosine"][1][0]["mean"]
    assert report.buckets[0].max_tokens == 16
    assert report.verdict in str(report)


def test_states_equal_the_program(tmp_path: Path) -> None:
    model = treble.SentenceEncoder(growing_states.write_model(tmp_path / "model"), threads=2)
    texts = [growing_states.text_of(length, i) for i, length in enumerate((30, 700, 900, 1500))]
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts))
    report = model.inspect(texts, states=["window:128", "rri:0.99,0.75"], training_length=128, bootstrap=20)
    options = "--bootstrap 20 --training-length 128 --state window:128 --state rri:0.99,0.75 --json -"
    expected = json.loads(program("inspect", "-m", model._path, *options.split(), str(tmp_path / "texts.txt")))
    assert report.states == expected["states"]
    assert report.settings == ["none", "window:128", "rri:0.99,0.75"]
    assert report.states["findings"][0]["collapse"] is not None
    assert report.states["findings"][1]["collapse"] is None
    with pytest.raises(treble.UnsupportedError, match=r"temperature 0\.8 would change nothing"):
        model.inspect(texts, 0.8)
    with pytest.raises(treble.InvalidArgumentError, match="rri:A,B"):
        model.inspect(texts, states=["0.8"])
    norms = model.calibrate_state_norms(texts, training_length=128)
    assert (norms.tokens, norms.texts, len(norms.max_norms)) == (128, 3, growing_states.LAYERS)
    norms.write(tmp_path / "norms.json")
    held = [
        model.inspect(texts, states=norm, training_length=128, bootstrap=20).states["findings"][1]["worst"]["largest"]
        for norm in (norms, f"norm:{tmp_path / 'norms.json'}")
    ]
    assert held[0] == held[1] < report.states["findings"][0]["worst"]["largest"]
    with pytest.raises(treble.InvalidArgumentError, match="training length"):
        model.calibrate_state_norms(texts)
    assert model.inspect(texts, states="window:128", bootstrap=20).settings == ["none", "window:128"]


def test_classes_equal_the_program(encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path) -> None:
    labels = [None if i % 7 == 3 else i % 3 for i in range(len(corpus))]
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps({"text": t, "c": c}) + "\n" for t, c in zip(corpus, labels, strict=True)))
    options = "--bootstrap 20 --sample 5 --cut-lengths 8 --labels c --label-sample 30 -t 0.8 --json -"
    expected = json.loads(program("inspect", "-m", encoder._path, *options.split(), str(path)))["classes"]
    report = encoder.inspect(
        corpus, 0.8, labels=iter(labels), label_sample=30, bootstrap=20, sample=5, cut_lengths=(8,)
    )
    assert report.classes is not None
    assert report.classes["estimates"] == expected["estimates"]
    assert report.classes["verdict"] == expected["verdict"]
    assert report.classes["unlabelled"][0] == "text 3"
    assert encoder.inspect(corpus[:4], bootstrap=0).classes is None
    with pytest.raises(treble.InvalidArgumentError, match="a label for each text"):
        encoder.inspect(corpus, labels=labels[:-1])
    with pytest.raises(TypeError, match="one str"):
        encoder.inspect(corpus, labels="abc")


def test_reports_in_a_notebook(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    pd = pytest.importorskip("pandas")
    report = encoder.inspect(iter(enumerate(corpus)), sample=10, bootstrap=20, cut_lengths=[8], layers=())
    cell = report._repr_html_()
    assert cell.startswith("<iframe srcdoc=")
    assert "<!doctype html" not in cell.lower(), "the page is within the attribute"
    assert len(re.findall('"', cell.split("srcdoc=")[1].split(" sandbox")[0])) == 2
    frame = report.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert set(frame.group) == {"bucket", "cut"}
    assert report.to_html().lower().startswith("<!doctype html")
    assert report["map"]["texts"][0]["id"].isdigit()


def test_sweep(encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    texts = [text * 2 for text in corpus]
    report = encoder.sweep(
        texts, [0.8, "log:8"], posts=["centring"], bootstrap=100, try_dtypes=["bfloat16"], cache=tmp_path / "cache"
    )
    names = [setting.name for setting in report.settings]
    assert names[0] == "1"
    assert {"0.8", "log:8", "centring"} <= set(names)
    assert any("bfloat16" in name for name in names)
    assert report.benefit in ("helps", "harms", "none")
    assert report.best.value == max(setting.value for setting in report.settings)
    assert list(report.to_pandas().setting) == names
    assert "<iframe" in report._repr_html_()
    assert list((tmp_path / "cache").iterdir())


def test_sweep_on_labelled_data_in_memory(
    encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    documents = corpus[:60]
    data = treble.SweepData.retrieval(
        "mine",
        document_ids=[f"d{i}" for i in range(60)],
        documents=documents,
        query_ids=[f"q{i}" for i in range(30)],
        queries=[" ".join(documents[i].split()[:4]) for i in range(30)],
        relevant=[[(i, 1.0)] for i in range(30)],
    )
    report = encoder.sweep(data, 0.9, posts=(), bootstrap=100)
    assert (report.metric, report.labelled, len(report.settings)) == ("nDCG@10", True, 2)
    assert report["data"] == "mine"
    assert (report.runs, report.axes) == ({}, [])
    deep = encoder.sweep(
        data, 0.9, posts=["chunk-mean:8"], bootstrap=100, try_max_lengths=[6], run_depth=3, try_dtypes=["int8"]
    )
    assert [one.name for one in deep.axes] == ["temperature", "post", "max-length", "model form"]
    assert {"0.9+max-length:6", "0.9+int8+chunk-mean:8"} <= set(deep.runs)
    assert len(deep.runs) == len(deep.settings)
    assert deep.runs["1"].splitlines()[3].split()[:4:3] == ["q1", "1"]
    assert len(deep.runs["1"].splitlines()) == 90
    scores = deep.scores
    assert [row["id"] for row in scores] == [f"q{i}" for i in range(30)]
    for setting in deep.settings:
        mean = sum(row["scores"][setting.name] for row in scores) / 30
        assert mean == pytest.approx(setting.value, abs=1e-12)
    assert deep.unread >= 0
    assert deep.commands[0].startswith("treble embed --model ")
    with pytest.raises(treble.InvalidArgumentError, match=r"max-length|max_length"):
        encoder.sweep(data, 0.9, posts=(), bootstrap=100, try_max_lengths=[100_000])
    pairs = treble.SweepData.pairs("sts", first=corpus[:40], second=corpus[40:80], scores=[i % 5 for i in range(40)])
    assert encoder.sweep(pairs, 0.9, posts=(), bootstrap=100).metric == "Spearman"
    with pytest.raises(treble.NotFoundError, match="nowhere"):
        encoder.sweep("nowhere")
    assert not list(tmp_path.iterdir()), "nothing is kept without a cache"


def test_calibrate(encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    long = [text for text in corpus if len(text.split()) > 40]
    found = encoder.calibrate(long, reference_length=8, lengths=[8, 32], sample=4)
    assert found.profile.lengths == [8, 32]
    assert found.profile.num_layers == 2
    assert found.texts == 4
    file = tmp_path / "profile.json"
    found.save(file)
    text = long[0]
    by_profile = encoder.encode(text, temperature=found.profile)
    np.testing.assert_array_equal(by_profile, encoder.encode(text, temperature=f"match:{file}"))
    np.testing.assert_array_equal(by_profile, encoder.encode(text, temperature=file))
    assert not np.array_equal(by_profile, encoder.encode(text))
    sent = pickle.loads(pickle.dumps(treble.SentenceEncoder(encoder._path, temperature=found.profile)))
    np.testing.assert_array_equal(sent.encode(text), by_profile)
    assert len(found.to_pandas()) == 4
    assert "<table>" in found._repr_html_()
    assert found.to_dict()["schema"] == "treble.temperature_profile/1"
    with pytest.raises(treble.InvalidArgumentError):
        encoder.calibrate(["short"], lengths=[64])


def test_bake(encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path) -> None:
    done = encoder.bake(tmp_path / "baked", 0.5)
    assert done.exact
    assert done.changed
    baked = treble.SentenceEncoder(done.path)
    assert baked.info["baked_temperature"] == "0.5"
    np.testing.assert_allclose(baked.encode(corpus[:20]), encoder.encode(corpus[:20], temperature=0.5), atol=1e-5)
    with pytest.raises(treble.InvalidArgumentError):
        encoder.bake(tmp_path / "baked", 0.5)
    with pytest.raises(treble.InvalidArgumentError, match="length"):
        encoder.bake(tmp_path / "other", "log:8")
    assert encoder.bake(tmp_path / "baked", 0.8, force=True).max_rounding_error > 0


def test_fit(encoder: treble.SentenceEncoder, corpus: list[str], tmp_path: Path) -> None:
    fitted = encoder.fit(iter(corpus), "centring")
    vectors = encoder.encode(corpus)
    centred = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(fitted.apply(vectors, normalize=False), centred, atol=1e-6)
    unit = fitted.apply(vectors)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    assert (fitted.spec, fitted.input_dim, fitted.output_dim, fitted.texts) == ("centring", 32, 32, len(corpus))
    fitted.save(tmp_path / "centring.safetensors")
    again = treble.PostTransform.load(tmp_path / "centring.safetensors")
    assert again.sha256 == fitted.sha256
    with pytest.raises(treble.InvalidArgumentError):
        fitted.save(tmp_path / "centring.safetensors")
    with pytest.raises(treble.InvalidArgumentError, match="whitning"):
        encoder.fit(corpus, "whitning")
    assert encoder.fit(corpus, "whitening:4").apply(vectors).shape == (len(corpus), 4)
