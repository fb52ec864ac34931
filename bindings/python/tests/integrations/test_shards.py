"""How a corpus is cut into shards, and what a folder of vectors accepts."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import treble
from scale_corpus import MODEL, make_texts, write_corpus
from treble._settings import EncoderSettings
from treble._shard_worker import ShardWorker
from treble._shards import InputFile, Manifest, Shard, find_files, plan_shards, read_rows, unfinished, write_table

CUTS = list(itertools.product([0, 1, 99, 1000], [7, 100, 5000], [1, 30, 100, 400]))


def write_rows(path: Path, rows: int, row_group_size: int) -> InputFile:
    pq.write_table(pa.table({"id": list(range(rows))}), path, row_group_size=row_group_size)
    return InputFile.open(str(path))


@pytest.mark.parametrize(("rows", "groups", "shard_rows"), CUTS)
def test_shards_cover_every_row_once(tmp_path: Path, rows: int, groups: int, shard_rows: int) -> None:
    files = [write_rows(tmp_path / "a.parquet", rows, groups), write_rows(tmp_path / "b.parquet", 250, groups)]
    shards = plan_shards(files, shard_rows)
    assert [shard.index for shard in shards] == list(range(len(shards)))
    assert all(0 < shard.rows <= shard_rows for shard in shards)
    found = []
    for shard in shards:
        with pq.ParquetFile(shard.file) as file:
            batches = list(read_rows(file, shard, ["id"], batch_rows=64))
        assert all(0 < batch.num_rows <= 64 for batch in batches)
        found += [row for batch in batches for row in batch.column("id").to_pylist()]
    assert found == [*range(rows), *range(250)]


def test_small_row_groups_stay_together(tmp_path: Path) -> None:
    shards = plan_shards([write_rows(tmp_path / "a.parquet", 1000, 300)], 700)
    assert [(shard.first_row, shard.rows) for shard in shards] == [(0, 600), (600, 400)]


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.parquet", 100, 10).fingerprint()
    assert write_rows(tmp_path / "renamed.parquet", 100, 10).fingerprint() == first
    pq.write_table(pa.table({"id": list(range(1, 101))}), tmp_path / "a.parquet", row_group_size=10)
    assert InputFile.open(str(tmp_path / "a.parquet")).fingerprint() != first


def test_what_is_no_parquet_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(treble.NotFoundError, match=r"a\.parquet does not exist"):
        InputFile.open(str(tmp_path / "a.parquet"))
    whole = tmp_path / "whole.parquet"
    write_rows(whole, 100, 10)
    for content in (b"", b"text", b"PAR1\xff\xff\xff\xffPAR1", whole.read_bytes()[:-20]):
        (tmp_path / "b.parquet").write_bytes(content)
        with pytest.raises(treble.InvalidFileError, match=r"b\.parquet"):
            InputFile.open(str(tmp_path / "b.parquet"))


def test_files_of_a_folder_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.parquet", "a/z.parquet", "_x/c.parquet", ".h.parquet", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert find_files(tmp_path) == [str(tmp_path / "a/z.parquet"), str(tmp_path / "b.parquet")]
    with pytest.raises(treble.NotFoundError, match="no Parquet files"):
        find_files(tmp_path / "empty")
    with pytest.raises(treble.InvalidArgumentError, match=r"ray\.data\.read_parquet"):
        find_files("s3://bucket/corpus")


def make_manifest(temperature: str = "1") -> Manifest:
    vectors = {"numerics": 1, "temperature_canonical": temperature, "model": {"name": "m"}, "dim": 2}
    columns = {"text": "text", "id": "id", "keep": []}
    return Manifest(vectors, columns, [{"rows": 3}], False, 2, [Shard(0, "a", 0, 2), Shard(1, "a", 2, 1)])


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    assert Manifest.load(tmp_path / "new") is None
    make_manifest().save(tmp_path)
    saved = Manifest.load(tmp_path)
    assert saved is not None
    assert saved.run_id() == make_manifest().run_id() != make_manifest("0.8").run_id()
    saved.check_same(make_manifest(), tmp_path)
    with pytest.raises(treble.InvalidArgumentError, match=r'temperature_canonical = "1", and this is "0.8"'):
        saved.check_same(make_manifest("0.8"), tmp_path)


def test_files_of_others_are_errors(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(treble.InvalidArgumentError, match=r"no _treble\.json"):
        Manifest.load(tmp_path)
    with pytest.raises(treble.InvalidArgumentError, match="is a file"):
        Manifest.load(tmp_path / "notes.txt")
    (tmp_path / "_treble.json").write_text("{}")
    with pytest.raises(treble.InvalidFileError, match=r"_treble\.json is not what"):
        Manifest.load(tmp_path)


def test_a_part_must_be_of_this_run_and_whole(tmp_path: Path) -> None:
    manifest = make_manifest()
    schema = pa.schema([("id", pa.int64())], metadata={"treble.run": manifest.run_id()})
    assert unfinished(tmp_path, manifest) == manifest.shards
    part = tmp_path / manifest.shards[0].name
    assert write_table(part, schema, [pa.record_batch({"id": [1, 2]})]) == 2
    assert unfinished(tmp_path, manifest) == manifest.shards[1:]
    part.write_bytes(part.read_bytes()[:-5])
    with pytest.raises(treble.InvalidFileError, match="damaged"):
        unfinished(tmp_path, manifest)
    write_table(part, schema.with_metadata({"treble.run": "another"}), [pa.record_batch({"id": [1, 2]})])
    with pytest.raises(treble.InvalidFileError, match="not of this output: 2 rows of run another"):
        unfinished(tmp_path, manifest)


def test_a_file_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    def batches():
        yield pa.record_batch({"id": [1, 2]})
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_table(tmp_path / "a.parquet", pa.schema([("id", pa.int64())]), batches())
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_kills_its_workers_ends_the_run(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", make_texts(100), files=1)
    file = InputFile.open(str(corpus / "corpus-0.parquet"))
    settings = EncoderSettings.of(MODEL, 1, {})
    columns = {"text": "text", "id": "id", "keep": []}
    vectors = settings.provenance(settings.load())
    manifest = Manifest(vectors, columns, [file.fingerprint()], False, 100, plan_shards([file], 100))
    manifest.save(tmp_path)
    worker = ShardWorker(settings, str(tmp_path), manifest.run_id(), retries=2)
    [shard] = manifest.shards
    tries = tmp_path / ".part-000000.parquet.tries"
    tries.write_text("...")
    with pytest.raises(treble.UnavailableError, match="100 rows from row 0 on: 3 workers died with them"):
        worker.embed(shard)
    tries.write_text("..")
    assert worker.embed(shard).rows == 100
    assert not tries.exists()
    assert unfinished(tmp_path, manifest) == []


def test_a_worker_refuses_another_model_and_another_folder(tmp_path: Path) -> None:
    settings = EncoderSettings.of(MODEL, 1, {"temperature": 0.8})
    vectors = settings.provenance(settings.load())
    manifest = Manifest(vectors, {"text": "text", "id": "id", "keep": []}, [], False, 100, [])
    manifest.save(tmp_path)
    ShardWorker(settings, str(tmp_path), manifest.run_id(), retries=2)
    other = EncoderSettings.of(MODEL, 1, {})
    with pytest.raises(treble.InvalidArgumentError, match=r"now on host .* was begun with temperature_canonical"):
        ShardWorker(other, str(tmp_path), manifest.run_id(), retries=2)
    for folder in (tmp_path / "local", tmp_path):
        with pytest.raises(treble.InvalidArgumentError, match="must be a folder that all nodes share"):
            ShardWorker(settings, str(folder), "another run", retries=2)
