"""Which files of a folder are converted, copied and left out, and where the result may lie."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from converted import GOLDEN, folder_of, read_safetensors
from torch_pickles import tensor, zipped
from treble.convert import ConvertError, convert


def model_folder(path: Path, state: dict[str, Any], **changes: bytes) -> Path:
    """A tiny BERT's folder with these weights in place of its own."""
    shutil.copytree(GOLDEN / "bert" / "model", path)
    (path / "model.safetensors").unlink()
    return folder_of(path, source=zipped(state, **changes))


def test_a_whole_folder_is_carried_over_and_what_is_not_is_said(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "old", {"w": tensor((6,), (1,))})
    for name in ("onnx/model.onnx", "tf_model.h5", "optimizer.pt", "notes/README.md", "2_Dense/pytorch_model.bin"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(zipped({"linear.weight": tensor((6,), (1,))}))
    (folder / "sparse_linear.pt").write_bytes(zipped({"weight": tensor((2,), (1,))}))
    (folder / "vectors.pt").write_bytes(zipped(tensor((2,), (1,))))
    report = convert(folder, tmp_path / "new")
    files = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    copied = {"config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "sentence_bert_config.json"}
    written = {"model.safetensors", "2_Dense/model.safetensors", "sparse_linear.safetensors"}
    assert files == copied | written | {"1_Pooling/config.json", "notes/README.md"}
    assert list(read_safetensors(tmp_path / "new" / "2_Dense" / "model.safetensors")) == ["linear.weight"]
    assert report.copied == len(files) - len(written)
    told = "\n".join(report.left_out)
    for word in (
        "onnx/",
        "tf_model.h5: another format",
        "optimizer.pt: of a training run",
        "vectors.pt: ",
        "one tensor",
    ):
        assert word in told
    assert (folder / "pytorch_model.bin").exists()


def test_shards_become_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    index = {"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}
    for number, name in ((1, "a"), (2, "b")):
        folder_of(folder, f"pytorch_model-0000{number}-of-00002.bin", zipped({name: tensor((6,), (1,))}))
    convert(folder, tmp_path / "without index")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    report = convert(folder, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.safetensors"]
    assert set(read_safetensors(tmp_path / "new" / "model.safetensors")) == {"a", "b"}
    assert report.written[0].sources == sorted(index["weight_map"].values())
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(ConvertError, match=r"1 tensors are in none of its shards, the first is b.*00002-of-00002"):
        convert(folder, tmp_path / "third")
    (folder / "pytorch_model.bin.index.json").unlink()
    with pytest.raises(ConvertError, match="1 shards are there, of 00002; fetch all"):
        convert(folder, tmp_path / "third")
    folder_of(folder, "pytorch_model-00002-of-00002.bin", zipped({"a": tensor((6,), (1,))}))
    with pytest.raises(ConvertError, match="tensor a is in an earlier shard too"):
        convert(folder, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_a_head_that_is_the_embeddings_is_left_out_and_other_twins_are_written_twice(tmp_path: Path) -> None:
    words, head = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"
    state = {words: tensor((2, 3), (3, 1)), head: tensor((2, 3), (3, 1)), "twin": tensor((2, 3), (3, 1))}
    folder = model_folder(tmp_path / "tied", state)
    report = convert(folder, tmp_path / "new")
    assert set(read_safetensors(tmp_path / "new" / "model.safetensors")) == {words, "twin"}
    assert report.written[0].left_out == [f"{head}: it is {words} again"]
    state[head] = tensor((2, 3), (1, 2))
    report = convert(model_folder(tmp_path / "other", state), tmp_path / "untied")
    assert set(read_safetensors(tmp_path / "untied" / "model.safetensors")) == set(state)
    # Equal values in a storage of their own.
    state[head] = tensor((2, 3), (3, 1), key="1")
    folder_of(folder, source=zipped(state, {"m/data/1": struct.pack("<6f", *range(6))}))
    assert convert(folder, tmp_path / "copy").written[0].left_out == [f"{head}: it is {words} again"]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    assert convert(folder, tmp_path / "stated").written[0].left_out == []


def test_an_adapter_of_peft(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", "adapter_model.bin", zipped({"w": tensor((6,), (1,))}))
    (folder / "adapter_config.json").write_text("{}")
    convert(folder, in_place=True)
    assert set(read_safetensors(folder / "adapter_model.safetensors")) == {"w"}
    with pytest.raises(ConvertError, match=r"nothing to convert, adapter_model.safetensors is there"):
        convert(folder, in_place=True)


def test_files_beside_safetensors(tmp_path: Path) -> None:
    """BGE-M3's heads, where its weights have been converted before."""
    folder = tmp_path / "m"
    shutil.copytree(GOLDEN / "bert" / "model", folder)
    folder_of(folder, "sparse_linear.pt", zipped({"weight": tensor((6,), (1,))}))
    folder_of(folder, "pytorch_model.bin", b"not read")
    report = convert(folder, in_place=True)
    assert [one.path.name for one in report.written] == ["sparse_linear.safetensors"]
    assert report.left_out == ["pytorch_model.bin: model.safetensors is there"]
    with pytest.raises(ConvertError, match="nothing to convert"):
        convert(folder, in_place=True)
    folder_of(folder, "vectors.pt", zipped(tensor((6,), (1,))))
    with pytest.raises(ConvertError, match=r"nothing to convert; vectors.pt: .* one tensor"):
        convert(folder, in_place=True)


def test_what_training_programs_wrap_is_unwrapped(tmp_path: Path) -> None:
    state = {"epoch": 3, "state_dict": {"w": tensor((6,), (1,)), "flag": True}, "optimizer": {}}
    report = convert(folder_of(tmp_path / "m", source=zipped(state)), tmp_path / "out")
    assert set(read_safetensors(tmp_path / "out" / "model.safetensors")) == {"w"}
    told = report.written[0].left_out
    assert told == ["epoch: not part of state_dict", "optimizer: not part of state_dict", "flag: a bool, no tensor"]


def test_in_place_adds_files_and_takes_none(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", {"w": tensor((6,), (1,))})
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(zipped({"linear.weight": tensor((6,), (1,))}))
    before = {path for path in folder.rglob("*")}
    report = convert(folder, in_place=True)
    assert {path for path in folder.rglob("*")} - before == {one.path for one in report.written}
    with pytest.raises(ConvertError, match=r"nothing to convert, .*model.safetensors is there"):
        convert(folder, in_place=True)
    (folder / "pytorch_model.bin").write_bytes(zipped({"other": tensor((6,), (1,))}))
    convert(folder, in_place=True, force=True)
    assert set(read_safetensors(folder / "model.safetensors")) == {"other"}
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    kept = (folder / "model.safetensors").read_bytes()
    with pytest.raises(ConvertError):
        convert(folder, in_place=True, force=True)
    assert (folder / "model.safetensors").read_bytes() == kept
    assert {path for path in folder.rglob("*")} - before == {one.path for one in report.written}


def test_where_the_output_may_lie(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", {"w": tensor((6,), (1,))})
    (tmp_path / "photos").mkdir()
    for arguments, words in (
        ({}, "give either"),
        ({"output": tmp_path / "n", "in_place": True}, "give either"),
        ({"output": folder}, "outside"),
        ({"output": folder / "inside"}, "outside"),
        ({"output": tmp_path}, "outside"),
        ({"output": tmp_path / "photos"}, "exists already"),
        ({"output": tmp_path / "photos", "force": True}, "not the folder of a model"),
        ({"output": tmp_path / "no" / "n"}, "there is no folder"),
        ({"output": tmp_path / "n", "pooling": "mean"}, "--pooling and --tokenizer are for GGUF"),
        ({"output": tmp_path / "n", "pooling": "max"}, 'is "max"'),
    ):
        with pytest.raises(ConvertError, match=words):
            convert(folder, **arguments)
    convert(folder, tmp_path / "n")
    (tmp_path / "n" / "mine.txt").write_text("x")
    convert(folder, tmp_path / "n", force=True)
    assert not (tmp_path / "n" / "mine.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "n", "photos"]


def test_folders_without_anything_to_convert(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="not there"):
        convert(tmp_path / "absent", tmp_path / "n")
    (tmp_path / "m" / "onnx").mkdir(parents=True)
    (tmp_path / "m" / "tf_model.h5").write_bytes(b"x")
    with pytest.raises(ConvertError, match=r"no weights that can be converted \(there are: onnx/, tf_model.h5\)"):
        convert(tmp_path / "m", tmp_path / "n")
    with pytest.raises(ConvertError, match="give the model's folder"):
        convert(tmp_path / "m" / "tf_model.h5", tmp_path / "n")
    (tmp_path / "m" / "pytorch_model.bin.index.json").write_text("{}")
    with pytest.raises(ConvertError, match="none of its shards"):
        convert(tmp_path / "m", tmp_path / "n")
    (tmp_path / "m" / "loop").symlink_to(tmp_path / "m")
    with pytest.raises(ConvertError, match="nested"):
        convert(tmp_path / "m", tmp_path / "n")
