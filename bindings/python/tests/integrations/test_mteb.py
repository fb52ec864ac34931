"""treble.mteb against mteb and sentence-transformers. No test may reach the network."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import mteb
import mteb_tasks
import numpy as np
import pytest
import treble
import treble.mteb
from mteb.cache import ResultCache
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from mteb.types import PromptType
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer
from sklearn.metrics import v_measure_score
from treble import longembed
from treble.mteb._items import Clustering, Items, Part, estimate

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tests"))
import tiny_mamba2

# Points of 100; the two differ by rounding alone.
SAME_SCORE = 0.05


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX:
            return connect(self, address)
        raise AssertionError(f"a test wants to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, encoder: treble.mteb.TrebleEncoder) -> dict[str, Path]:
    root, texts = tmp_path_factory.mktemp("tasks"), mteb_tasks.docstrings()
    made = {name: maker(root / name, texts) for name, maker in mteb_tasks.MAKERS.items()}
    options = longembed.LongEmbedOptions(lengths=(128, 256), documents=12, queries=11)
    passkey, needle = longembed.generate(root, _counter(encoder), options)
    return {**made, "passkey": passkey, "needle": needle}


@pytest.fixture(scope="module")
def encoder() -> treble.mteb.TrebleEncoder:
    return treble.mteb.TrebleEncoder(str(mteb_tasks.MODEL))


@pytest.fixture(scope="module")
def peer() -> SentenceTransformer:
    return SentenceTransformer(str(mteb_tasks.MODEL), device="cpu")


def _counter(encoder: treble.mteb.TrebleEncoder) -> longembed.CountTokens:
    return lambda texts: encoder.model.token_counts(list(texts))[:, 0].tolist()


def _scores(model: Any, task: Any) -> dict[str, float]:
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    splits = result.task_results[0].scores
    return {
        f"{split}/{name}": value
        for split, scores in splits.items()
        for name, value in scores[0].items()
        if isinstance(value, float)
    }


@pytest.mark.parametrize("name", [*mteb_tasks.MAKERS, "passkey", "needle"])
def test_scores_are_those_of_sentence_transformers(
    name: str, folders: dict[str, Path], encoder: treble.mteb.TrebleEncoder, peer: SentenceTransformer
) -> None:
    task = treble.mteb.load_task(folders[name])
    task.count_tokens, task.max_tokens = _counter(encoder), 256
    ours, theirs = _scores(encoder, task), _scores(peer, treble.mteb.load_task(folders[name]))
    for split, items in task.items.items():
        main = 100 * ours[f"{split}/main_score"]
        assert main == pytest.approx(100 * theirs[f"{split}/main_score"], abs=SAME_SCORE)
        # What is resampled is what mteb scores, which it rounds to five digits.
        assert 100 * items.main_score() == pytest.approx(main, abs=1e-3)
        assert min(items.tokens) > 0
    assert len(task.items) == len(task.metadata.eval_splits)
    assert ours.keys() == theirs.keys()


def test_a_task_is_neither_empty_nor_solved(folders: dict[str, Path], encoder: treble.mteb.TrebleEncoder) -> None:
    """The comparison above says something only where scores could differ."""
    for name in ("retrieval", "sts", "classification", "clustering"):
        task = treble.mteb.load_task(folders[name])
        assert 0.2 < _scores(encoder, task)["test/main_score"] < 0.999, name


@pytest.mark.parametrize("prompt_type", [None, PromptType.query, PromptType.document])
@pytest.mark.parametrize("name", ["retrieval", "sts"])
def test_prompts_are_chosen_as_mteb_does(
    name: str,
    prompt_type: PromptType | None,
    folders: dict[str, Path],
    encoder: treble.mteb.TrebleEncoder,
    peer: SentenceTransformer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompts = {"query": "query: ", "document": "passage: ", "STS": "alike: ", "Retrieval-query": "find: "}
    monkeypatch.setattr(encoder.model, "prompts", prompts)
    monkeypatch.setattr(peer, "prompts", prompts)
    monkeypatch.setattr(peer, "default_prompt_name", None)
    reference = SentenceTransformerEncoderWrapper(peer)
    task = treble.mteb.load_task(folders[name])
    batches = [{"text": ["a letter", "from the harbour"]}, {"text": ["at dawn"]}]

    class Loader(list):  # type: ignore[type-arg]
        class dataset:
            features = ("text",)

    wanted = {"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "default", "prompt_type": prompt_type}
    ours = encoder.encode(Loader(batches), **wanted)
    theirs = np.asarray(reference.encode(Loader(batches), **wanted, show_progress_bar=False))
    assert np.abs(ours - theirs).max() <= 1e-5
    bare = encoder.model.encode(["a letter"])[0]
    assert (np.abs(ours[0] - bare).max() > 1e-3) == (name == "sts" or prompt_type is not None)


def test_evaluate_keeps_what_is_done(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, temperatures = [folders["sts"], folders["passkey"]], [0.5, "log:64"]
    lines: list[str] = []
    options = treble.mteb.EvaluateOptions(resamples=200, report=lines.append)
    first = treble.mteb.evaluate(mteb_tasks.MODEL, tasks, temperatures, tmp_path, options)
    files = sorted((tmp_path / "results").rglob("sts.json"))
    assert len(files) == 3  # temperature 1 is always there
    assert len({file.read_text().split('"scores"')[1] for file in files}) == 3
    metas = [json.loads((file.parent / "model_meta.json").read_text()) for file in files]
    assert {meta["experiment_kwargs"]["temperature"] for meta in metas} == {"1", "0.5", "log:64"}
    assert {meta["experiment_kwargs"]["dtype"] for meta in metas} == {"float32"}

    with monkeypatch.context() as patched:
        patched.setattr(treble.mteb.TrebleEncoder, "encode", lambda *_, **__: pytest.fail("encoded again"))
        again = treble.mteb.evaluate(mteb_tasks.MODEL, tasks, temperatures, tmp_path, options)
    assert again.rows == first.rows
    assert [line.endswith("(kept)") for line in lines] == [False] * 6 + [True] * 6

    # One is lost: it alone runs again.
    lost = next(path for path in (tmp_path / "items").rglob("sts.json") if "log" in str(path))
    lost.unlink()
    del lines[:]
    assert treble.mteb.evaluate(mteb_tasks.MODEL, tasks, temperatures, tmp_path, options).rows == first.rows
    assert [line.split()[2] for line in lines if not line.endswith("(kept)")] == ["log:64"]


def test_changed_data_runs_again(folders: dict[str, Path], tmp_path: Path) -> None:
    task = tmp_path / "task"
    mteb_tasks.sts(task, mteb_tasks.docstrings())
    first = treble.mteb.evaluate(mteb_tasks.MODEL, [task], output=tmp_path / "out")
    lines = (task / "sts.jsonl").read_text().splitlines(keepends=True)
    (task / "sts.jsonl").write_text("".join(lines[:40]))
    second = treble.mteb.evaluate(mteb_tasks.MODEL, [task], output=tmp_path / "out")
    assert [result.rows[0].items for result in (first, second)] == [60, 40]
    assert first.rows[0].score != second.rows[0].score


def test_tables_agree(folders: dict[str, Path], tmp_path: Path) -> None:
    tasks = [folders["retrieval"], folders["needle"]]
    options = treble.mteb.EvaluateOptions(buckets=(32, 64), resamples=200)
    result = treble.mteb.evaluate(mteb_tasks.MODEL, tasks, [0.6], tmp_path, options)
    written = json.loads((tmp_path / "table.json").read_text())
    assert written["rows"] == [vars(row) for row in result.rows]
    assert written["model"]["dtype"] == "float32"
    with (tmp_path / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["score"] for line in lines] == ["" if row.score is None else str(row.score) for row in result.rows]
    assert (tmp_path / "table.txt").read_text() == str(result)
    assert len(result.to_pandas()) == len(result.rows)

    by_key = {(row.task, row.tokens, row.temperature): row for row in result.rows}
    for row in result.rows:
        base = by_key[row.task, row.tokens, "1"]
        if row.score is None:
            assert row.items < 10
            continue
        assert base.score is not None
        assert row.gain == pytest.approx(row.score - base.score, abs=1e-9)
        if row.temperature != "1":
            assert row.low is not None
            assert row.high is not None
            assert row.low <= row.gain <= row.high
    lengths = [row for row in result.rows if row.task == "retrieval" and row.tokens != "all" and row.temperature == "1"]
    assert sum(row.items for row in lengths) == by_key["retrieval", "all", "1"].items
    assert {row.tokens for row in result.rows if row.task == "needle"} == {"all", "128", "256"}
    cache = ResultCache(tmp_path).load_results(load_experiments="match_name")
    assert {one.task_name for model in cache.model_results for one in model.task_results} == {"retrieval", "needle"}


def test_statistics_are_the_libraries() -> None:
    generator = np.random.default_rng(3)
    draws = generator.integers(40, size=(30, 40))
    x, y = generator.integers(8, size=40).tolist(), generator.normal(size=40).tolist()
    pairs = Items([1] * 40, 9, pairs=[x, y])
    naive = [spearmanr(np.asarray(x)[draw], np.asarray(y)[draw])[0] for draw in draws]
    np.testing.assert_allclose(pairs.statistic(draws), naive, atol=1e-12)

    texts, labels = generator.integers(40, size=60), generator.integers(3, size=40)
    clusters = generator.integers(4, size=60)
    clusterings = [Clustering(texts.tolist(), clusters.tolist(), labels[texts].tolist())]
    found = Items([1] * 40, 9, clusterings=clusterings).statistic(draws)
    for value, draw in zip(found, draws, strict=True):
        times = np.bincount(draw, minlength=40)[texts]
        wanted = v_measure_score(np.repeat(labels[texts], times), np.repeat(clusters, times))
        assert value == pytest.approx(wanted, abs=1e-9)


def test_what_is_not_defined_has_no_score() -> None:
    alike = {"test": Items([1] * 20, 9, pairs=[[0.5] * 20, list(range(20))])}
    assert estimate(Part({"test": np.arange(20)}), dict(alike), alike, 100, 1) is None


def test_the_interval_holds_what_it_should() -> None:
    """Gains of known mean: 95 % intervals of the paired bootstrap have it in about 95 of 100 data sets."""
    generator, held = np.random.default_rng(5), 0
    for seed in range(200):
        base = generator.uniform(size=80)
        gained = base + generator.normal(0.02, 0.1, size=80)
        settings = [{"test": Items([1] * 80, 9, scores=one.tolist())} for one in (gained, base)]
        found = estimate(Part({"test": np.arange(80)}), *settings, 400, seed)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2.0 <= found.high
    assert 180 <= held <= 198


def test_longembed(folders: dict[str, Path], encoder: treble.mteb.TrebleEncoder, tmp_path: Path) -> None:
    options = longembed.LongEmbedOptions(lengths=(256, 1024), documents=20, queries=10, seed=4)
    count = _counter(encoder)
    made = longembed.generate(tmp_path / "a", count, options)
    again = longembed.generate(tmp_path / "b", count, options)
    other = longembed.generate(tmp_path / "c", count, longembed.LongEmbedOptions((1024,), 20, 10, seed=4))
    for one, two, alone in zip(made, again, other, strict=True):
        contents = [(folder / "corpus.jsonl").read_text() for folder in (one, two)]
        assert contents[0] == contents[1]
        # A length's documents do not depend on the other lengths.
        assert contents[0].endswith((alone / "corpus.jsonl").read_text())
        corpus = [json.loads(line) for line in contents[0].splitlines()]
        tokens = np.asarray(count([row["text"] for row in corpus]))
        lengths = np.asarray([row["context_length"] for row in corpus])
        assert (tokens <= lengths).all()
        assert (tokens > lengths - 130).all()
        assert len({row["text"] for row in corpus}) == 40
        queries = [json.loads(line) for line in (one / "queries.jsonl").read_text().splitlines()]
        qrels = [json.loads(line) for line in (one / "qrels.jsonl").read_text().splitlines()]
        assert [len(queries), len(qrels)] == [20, 20]
        by_id = {row["doc_id"]: row["text"] for row in corpus}
        if one.name == "passkey":
            for query, judged in zip(queries, qrels, strict=True):
                person = query["text"].removeprefix("what is the passkey for ").removesuffix("?")
                holders = [name for name, text in by_id.items() if person in text]
                assert judged["doc_id"] in holders
                assert f"{person}'s pass key is " in by_id[judged["doc_id"]]
                assert len([name for name in holders if f"_{query['context_length']}_" in name]) == 1
            places = [row["text"].index("pass key") / len(row["text"]) for row in corpus]
            assert min(places) < 0.25
            assert max(places) > 0.75


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": "x"}, "no task in it"),
        ({"sts.jsonl": '{"sentence1": "a", "sentence2": "b", "score": 1}\n{"sentence1"\n'}, "sts.jsonl:2"),
        ({"sts.jsonl": '{"sentence1": "a", "sentence2": "b"}\n'}, "no 'score'; there are sentence1, sentence2"),
        ({"sts.jsonl": '{"sentence1": "a", "sentence2": 7, "score": 1}\n'}, "'sentence2' is text, not '7'"),
        ({"sts.jsonl": "\n"}, "no line in it"),
        ({"sts.jsonl": "[1]\n"}, "an object is expected"),
        ({"clustering.jsonl": '{"text": "a"}\n'}, "a line has no 'label'"),
        ({"train.jsonl": '{"text": "a", "label": 1}\n', "test.jsonl": '{"text": "a", "label": 2}\n'}, "label '2'"),
        ({"sts.jsonl": '{"sentence1": "a", "sentence2": "b", "score": 1}\n', "task.json": "[]"}, "task.json"),
        (
            {"sts.jsonl": '{"sentence1": "a", "sentence2": "b", "score": 1}\n', "task.json": '{"main_score": "ndcg"}'},
            "main_score 'ndcg' for sts; there is spearman",
        ),
    ],
)
def test_bad_folders_are_named(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(treble.Error, match=message):
        treble.mteb.load_task(tmp_path)


@pytest.mark.parametrize(
    ("corpus", "queries", "qrels", "message"),
    [
        (
            '{"_id": "1", "text": "a"}\n{"_id": 1, "text": "b"}\n',
            '{"_id": "q", "text": "a"}\n',
            "q\t1\t1\n",
            "'1' is there",
        ),
        ('{"_id": "1", "text": "a"}\n', '{"_id": "q", "text": "a"}\n', "x\t1\t1\n", "query 'x' is judged"),
        (
            '{"_id": "1", "text": "a"}\n',
            '{"_id": "q", "text": "a"}\n',
            "q\t1\thigh\n",
            "a grade is a number, not 'high'",
        ),
        ('{"_id": "1", "text": "a"}\n', '{"_id": "q", "text": "a"}\n', "q\t1\n", "test.tsv:1: 2 columns"),
        ('{"_id": "1", "text": "a"}\n', '{"_id": "q", "text": "a"}\n', "\n", "no judgement in it"),
        ('{"text": "a"}\n', '{"_id": "q", "text": "a"}\n', "q\t1\t1\n", "a document has no '_id'"),
    ],
)
def test_bad_retrieval_is_named(corpus: str, queries: str, qrels: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    for name, content in {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/test.tsv": qrels}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(treble.InvalidFileError, match=message):
        treble.mteb.load_task(tmp_path)


def test_registered_models_load_by_name(encoder: treble.mteb.TrebleEncoder) -> None:
    meta = treble.mteb.register(mteb_tasks.MODEL, temperature=0.7)
    assert meta.name == "treble/all-MiniLM-L6-v2"
    loaded = mteb.get_model(meta.name)
    assert str(loaded.temperature) == "0.7"
    assert loaded.mteb_model_meta.experiment_name == encoder.at(0.7).mteb_model_meta.experiment_name
    other = mteb.get_model(meta.name, temperature="log:64")
    assert str(other.temperature) == "log:64"
    assert other.mteb_model_meta.experiment_kwargs["temperature"] == "log:64"
    with pytest.raises(treble.InvalidArgumentError, match="not 0000"):
        treble.mteb.TrebleEncoder(str(mteb_tasks.MODEL), "0000")


def test_results_are_kept_apart_by_state(tmp_path: Path) -> None:
    folder = tiny_mamba2.make_model(tmp_path / "tiny-mamba2")
    norms = tiny_mamba2.write_norms(tmp_path / "norms.json", 0.05)
    plain = treble.mteb.TrebleEncoder(str(folder)).mteb_model_meta
    assert "state" not in plain.experiment_kwargs
    meta = treble.mteb.register(folder, state=f"norm:{norms}")
    assert meta.experiment_kwargs["state"] == f"norm:{norms}"
    assert meta.experiment_name != plain.experiment_name
    loaded = mteb.get_model(meta.name)
    text = tiny_mamba2.text(60)
    expected = treble.SentenceEncoder(folder).encode(text, state="norm:0.05")
    np.testing.assert_array_equal(loaded.model.encode(text), expected)
    tiny_mamba2.write_norms(norms, 0.04)
    with pytest.raises(treble.InvalidArgumentError, match="they have changed"):
        mteb.get_model(meta.name)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "treble.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--model", mteb_tasks.MODEL, "--temperatures", "1,0.8", "-t", "ssmax:0.4,0.1", "--bootstrap", "100"]
    done = _run("evaluate", "--tasks", folders["reranking"], *options, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (out / "table.txt").read_text() + "\n"
    assert [line.split()[2] for line in done.stderr.splitlines()] == ["1", "0.8", "ssmax:0.4,0.1"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--tasks", "nowhere"], 66, "nowhere: no such folder"),
        (["--tasks", "{sts}", "--bootstrap", "5"], 64, "--bootstrap takes 100 resamples or more, got 5"),
        (["--tasks", "{sts}", "--temperatures", "-1"], 64, "temperature"),
        (["--tasks", "{sts}", "{sts}"], 64, "are both the task 'sts'"),
        ([], 64, "--tasks"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], code: int, message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    given = [argument.replace("{sts}", str(folders["sts"])) for argument in arguments]
    done = _run("evaluate", *given, "--model", mteb_tasks.MODEL, "-o", tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
