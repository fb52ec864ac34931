"""treble.ray on a Ray cluster of several processes, some of which are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scale_corpus import MODEL, check_vectors, encoder, make_texts, read_output, wait_until, write_corpus

# Before Ray is imported; its workers inherit them.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}

import ray
import treble
import treble.ray

CLUSTER = {
    "num_cpus": 2,
    "include_dashboard": False,
    "object_store_memory": 100 * 2**20,
    "log_to_driver": False,
    "logging_level": "ERROR",
}
TEXTS = make_texts(6000)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(address="local", **CLUSTER)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), TEXTS)


def parts(folder: Path) -> int:
    return len(list(folder.glob("part-*.parquet")))


def worker_processes() -> list[psutil.Process]:
    """The actors of this test's cluster that have the model."""
    below = psutil.Process().children(recursive=True)
    return [one for one in below if "_Actor" in "".join(one.cmdline()[:1])]


def test_every_row_once_though_a_worker_is_killed(corpus: Path, tmp_path: Path) -> None:
    killed = []

    def kill() -> None:
        wait_until(lambda: parts(tmp_path / "out") >= 5)
        victim = wait_until(worker_processes)[0]
        victim.send_signal(signal.SIGKILL)
        killed.append((victim.pid, parts(tmp_path / "out")))

    killer = threading.Thread(target=kill)
    killer.start()
    result = treble.ray.embed(
        corpus, model=MODEL, output=tmp_path / "out", keep_columns=["year"], threads=1, concurrency=2, shard_rows=50
    )
    killer.join()
    assert result.rows == len(TEXTS)
    assert result.shards == 120
    assert result.rows_before == 0
    [(pid, done)] = killed
    assert done < 120, "the worker was to be killed in the middle"
    # Two workers, and the one in place of the killed.
    assert len(result.rows_by_process.keys() | {pid}) >= 3
    table = read_output(tmp_path / "out")
    check_vectors(table, TEXTS)
    assert table.column("year").to_pylist() == [1900 + i % 100 for i in range(len(TEXTS))]
    counts = encoder().token_counts(TEXTS)
    assert (result.tokens_used, result.truncated_texts) == (counts[:, 1].sum(), (counts[:, 0] > counts[:, 1]).sum())


DRIVER = """
import sys, ray, treble.ray
ray.init(address="local", **{cluster!r})
result = treble.ray.embed(sys.argv[1], model={model!r}, output=sys.argv[2], threads=1, concurrency=2, shard_rows=50)
print(result.rows, result.rows_before, sum(result.rows_by_process.values()))
ray.shutdown()
"""


def start_driver(corpus: Path, output: Path) -> subprocess.Popen[str]:
    script = DRIVER.format(cluster=CLUSTER, model=MODEL)
    return subprocess.Popen([sys.executable, "-c", script, corpus, output], stdout=subprocess.PIPE, text=True)


def end_of_all(processes: list[psutil.Process]) -> None:
    """A cluster ends with its driver; whatever does not within some seconds is ended here."""
    _, alive = psutil.wait_procs(processes, timeout=3)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=20)


def test_a_killed_driver_continues_where_it_was(corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    driver = start_driver(corpus, output)
    below: list[psutil.Process] = []
    try:
        wait_until(lambda: parts(output) >= 5 or driver.poll() is not None)
        below = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.kill()
        driver.communicate()
        end_of_all(below)
    before = parts(output)
    assert 5 <= before < 120, "the driver was to be killed in the middle"
    again = start_driver(corpus, output)
    try:
        said = again.communicate(timeout=120)[0]
    finally:
        again.kill()
    assert again.returncode == 0
    assert said.split()[-3:] == [str(len(TEXTS)), str(before * 50), str(len(TEXTS) - before * 50)]
    check_vectors(read_output(output), TEXTS)


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output, half of which is removed."""
    output = tmp_path_factory.mktemp("finished") / "out"
    treble.ray.embed(corpus, model=MODEL, output=output, threads=1, concurrency=2, shard_rows=1500)
    (output / "part-000001.parquet").unlink()
    return output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.8}, 'temperature_canonical = "1", and this is "0.8"'),
        ({"max_length": 20}, "max_length = 64, and this is 20"),
        ({"prompt": "query: "}, 'prompt = "", and this is "query: "'),
        ({"dimensions": 16}, "dim = 32, and this is 16"),
        ({"dtype": "int8"}, "compute_dtype"),
        ({"model": str(Path(MODEL).parents[1] / "distilbert" / "model")}, "begun with model"),
        ({"id_column": None}, 'columns.id = "id", and this is null'),
        ({"keep_columns": ["year"]}, r"columns.keep = \[\]"),
        ({"shard_rows": 1000}, "shard_rows = 1500, and this is 1000"),
    ],
)
def test_other_options_are_refused(corpus: Path, finished: Path, change: dict[str, object], message: str) -> None:
    arguments = {"model": MODEL, "output": finished, "threads": 1, "shard_rows": 1500, **change}
    with pytest.raises(treble.InvalidArgumentError, match=message):
        treble.ray.embed(corpus, **arguments)
    assert parts(finished) == 3


def test_another_input_is_refused_and_the_same_elsewhere_is_not(corpus: Path, finished: Path, tmp_path: Path) -> None:
    changed = write_corpus(tmp_path / "changed", [*TEXTS[:-1], "another text"])
    with pytest.raises(treble.InvalidArgumentError, match=r"other content of input file .*corpus-1\.parquet"):
        treble.ray.embed(changed, model=MODEL, output=finished, threads=1, shard_rows=1500)
    with pytest.raises(treble.InvalidArgumentError, match="with 2 input files, and there are 1"):
        treble.ray.embed(corpus / "corpus-0.parquet", model=MODEL, output=finished, threads=1, shard_rows=1500)
    moved = shutil.copytree(corpus, tmp_path / "moved")
    output = shutil.copytree(finished, tmp_path / "out")
    result = treble.ray.embed(moved, model=MODEL, output=output, threads=1, shard_rows=1500)
    assert (result.rows, result.rows_before) == (6000, 4500)
    check_vectors(read_output(output), TEXTS)


def test_a_dataset_is_copied_and_embedded(tmp_path: Path) -> None:
    rows = 1000
    dataset = ray.data.from_items([{"number": i, "body": TEXTS[i], "other": 0} for i in range(rows)])
    arguments = {"model": MODEL, "output": tmp_path / "out", "text_column": "body", "id_column": "number"}
    with pytest.raises(treble.InvalidArgumentError, match='no column "id"; there are number, body, other'):
        treble.ray.embed(dataset, model=MODEL, output=tmp_path / "none", text_column="body")
    arguments |= {"threads": 1, "shard_rows": 100, "temperature": 0.8, "normalize_embeddings": True}
    result = treble.ray.embed(dataset, **arguments)
    assert (result.rows, result.rows_before) == (rows, 0)
    table = read_output(tmp_path / "out")
    assert table.column_names == ["number", "embedding"]
    order = table.column("number").to_pylist()
    assert sorted(order) == list(range(rows))
    named = table.append_column("id", pa.array([f"d{i}" for i in order])).sort_by("number")
    check_vectors(named, TEXTS[:rows], encoder(temperature=0.8).encode(TEXTS[:rows], normalize_embeddings=True))
    again = treble.ray.embed(dataset, **arguments)
    assert (again.rows, again.rows_before, again.tokens) == (rows, rows, result.tokens)


def test_a_dataset_is_continued_from_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = ray.data.from_items([{"id": f"d{i}", "text": TEXTS[i]} for i in range(500)])
    arguments = {"model": MODEL, "output": tmp_path / "out", "threads": 1, "shard_rows": 50}
    with monkeypatch.context() as patched:
        patched.setattr(treble.ray, "_run", lambda *_: [])
        with pytest.raises(treble.InternalError, match="files are missing"):
            treble.ray.embed(dataset, **arguments)
    result = treble.ray.embed(dataset, **arguments)
    assert (result.rows, result.rows_before) == (500, 0)
    with pytest.raises(treble.InvalidArgumentError, match="snapshot = true, and this is false"):
        treble.ray.embed(write_corpus(tmp_path / "corpus", TEXTS[:500]), **arguments)
    check_vectors(
        read_output(tmp_path / "out")
        .sort_by([("id", "ascending")])
        .take(pa.array([sorted(f"d{i}" for i in range(500)).index(f"d{i}") for i in range(500)])),
        TEXTS[:500],
    )


def test_bad_rows_are_named(tmp_path: Path) -> None:
    ids = [f"d{i}" for i in range(300)]
    texts: list[str | None] = [f"text {i}" for i in range(300)]
    bad = {
        "text": (ids, [*texts[:250], None, *texts[251:]], 'row 250: column "text" is null'),
        "id": ([*ids[:120], None, *ids[121:]], texts, 'row 120: column "id"'),
    }
    for name, (these, those, message) in bad.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"id": these, "text": those}), path)
        with pytest.raises(treble.InvalidArgumentError, match=f"{name}.parquet: {message}"):
            treble.ray.embed(path, model=MODEL, output=tmp_path / f"out-{name}", threads=1, shard_rows=100)
    good = tmp_path / "good.parquet"
    pq.write_table(pa.table({"id": ids, "text": [f"text {i}" for i in range(300)]}), good)
    for change, message in [
        ({"text_column": "body"}, 'no column "body"'),
        ({"id_column": "key"}, 'no column "key"'),
        ({"keep_columns": ["id"]}, 'two columns "id"; leave'),
        ({"threads": 64}, "no node of the Ray cluster has more than 2 CPUs"),
        ({"shard_rows": 0}, "shard_rows must be at least 1, got 0"),
        ({"retries": -1}, "retries must be at least 0, got -1"),
        ({"truncation": "error", "max_length": 3}, r"good\.parquet: row 0"),
        ({"max_length": 100000}, "100000"),
    ]:
        with pytest.raises(treble.Error, match=message):
            treble.ray.embed(good, **{"model": MODEL, "output": tmp_path / "o" / message[:8], "threads": 1, **change})
    with pytest.raises(TypeError, match="unexpected keyword arguments: temprature"):
        treble.ray.embed(good, model=MODEL, output=tmp_path / "p", temprature=1)
    with pytest.raises(treble.NotFoundError, match="no-such-model"):
        treble.ray.embed(good, model="no-such-model", output=tmp_path / "q")
