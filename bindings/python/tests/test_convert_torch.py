"""PyTorch's files without PyTorch: random tensors and views as torch.save wrote them, and files that are hostile."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converted import CONVERT, EXPECTED, folder_of, hashes, read_safetensors
from torch_pickles import MACHINE, MAGIC, Made, Named, Reference, legacy, pickled, tensor, zipped
from treble.convert import ConvertError, convert

TORCH_FILES = [name for name in EXPECTED if name.endswith(".bin")]


def refusal(path: Path, source: bytes, code: int | None = None) -> str:
    """The message of the error; nothing is left behind."""
    folder = folder_of(path / "hostile", source=source)
    with pytest.raises(ConvertError) as raised:
        convert(folder, path / "out")
    assert [one.name for one in path.iterdir()] == ["hostile"]
    assert str(raised.value).startswith(str(folder / "pytorch_model.bin")), raised.value
    assert len(str(raised.value)) < 1000
    if code is not None:
        assert raised.value.exit_code == code, raised.value
    return str(raised.value)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_every_tensor_and_view_is_what_torch_says(name: str, tmp_path: Path) -> None:
    report = convert(folder_of(tmp_path / "model", source=CONVERT / name), tmp_path / "out")
    assert hashes(tmp_path / "out" / "model.safetensors") == EXPECTED[name]
    (written,) = report.written
    assert written.tensors == len(EXPECTED[name]) == sum(written.dtypes.values())
    assert written.bytes == (tmp_path / "out" / "model.safetensors").stat().st_size


def test_the_golden_files_show_every_type_and_kind_of_view() -> None:
    """Or the tests above would show little."""
    types = {one[0] for name in TORCH_FILES for one in EXPECTED[name].values()}
    assert types == {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64", "BOOL"}
    ranks = {len(one[1]) for name in TORCH_FILES for one in EXPECTED[name].values()}
    assert ranks >= {0, 1, 2, 3, 4}
    words = b"".join((CONVERT / name).read_bytes() for name in TORCH_FILES)
    for word in (b"_rebuild_tensor_v2", b"_rebuild_tensor_v3", b"_rebuild_parameter", b"_metadata"):
        assert word in words


@pytest.mark.parametrize("name", TORCH_FILES)
def test_a_file_cut_anywhere_is_a_named_error(name: str, tmp_path: Path) -> None:
    data = (CONVERT / name).read_bytes()
    for size in range(0, len(data) - 1, 211):
        refusal(tmp_path, data[:size], 65)


@pytest.mark.parametrize("name", TORCH_FILES)
def test_any_byte_changed_is_an_error_or_a_file(name: str, tmp_path: Path) -> None:
    """Seeded; never another exception, and never a file that is not whole."""
    data = (CONVERT / name).read_bytes()
    random = np.random.default_rng(25)
    for _ in range(60):
        bytes_ = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 4)):
            bytes_[at] = random.integers(0, 256)
        folder = folder_of(tmp_path / "changed", source=bytes(bytes_))
        with contextlib.suppress(ConvertError):
            convert(folder, tmp_path / "out")
            read_safetensors(tmp_path / "out" / "model.safetensors")
            shutil.rmtree(tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["changed"]


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.nn.modules.linear", "Linear"),
        ("transformers.models.bert.modeling_bert", "BertModel"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("torch._utils", "_rebuild_qtensor"),
        ("torch._utils", "_rebuild_sparse_tensor"),
    ],
)
def test_whatever_calls_anything_else_is_refused_by_its_name(form: str, module: str, name: str, tmp_path: Path) -> None:
    ran = tmp_path / "hostile" / "ran"
    value = {"w": Made(module, name, f"touch {ran}")}
    data = zipped(value) if form == "zip" else legacy(MAGIC, 1001, MACHINE, value, [])
    assert f"{module}.{name}" in refusal(tmp_path, data, 69)
    assert not ran.exists()


def test_a_real_attack_does_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {ran}",)

    for protocol in range(6):
        for data in (zipped(pickle.dumps({"w": Attack()}, protocol)), pickle.dumps(Attack(), protocol)):
            folder = folder_of(tmp_path / "hostile", source=data)
            with pytest.raises(ConvertError):
                convert(folder, tmp_path / "out")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("opcodes", "name"),
    [
        (b"\x80\x02}(U\x01wcos\nsystem\n)\x81u.", "NEWOBJ"),
        (b"\x80\x04}(\x8c\x01wcos\nsystem\n)}\x92u.", "NEWOBJ_EX"),
        (b"(S'touch ran'\nios\nsystem\n.", "INST"),
        (b"(cos\nsystem\nS'touch ran'\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02Pkey\n.", "PERSID"),
        (b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00x.", "BYTEARRAY8"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x02]K\x01b.", "a list"),
    ],
)
def test_instructions_that_weights_do_not_need_are_refused(opcodes: bytes, name: str, tmp_path: Path) -> None:
    assert name in refusal(tmp_path, zipped(opcodes), 69)


def nested(depth: int) -> bytes:
    """A key that is a tuple in a tuple in …"""
    return b"\x80\x02})" + b"\x85" * depth + b"K\x01s."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02(.",
        b"\x80\x02}}.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}]K\x01s.",
        b"\x80\x02}U\xffabc",
        b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x02h\x05.",
        b"\x80\x02}r\xff\xff\xff\xff.",
        b"\x80\x02c" + b"a" * 100_000,
        b"\x80\x02Rcollections\n.",
        b"\x80\x02ccollections\nOrderedDict\nK\x01R.",
        b"\x80\x02ccollections\nOrderedDict\n]]K\x01aa\x85R.",
        b"\x80\x04K\x01K\x02\x93.",
        b"\xff\xfe",
        b"I" + b"9" * 5000 + b"\n.",
        nested(200_000),
        b"\x80\x02" + b"(" * 200_000 + b"t" * 100_000 + b".",
    ],
)
def test_pickles_that_make_no_sense_are_damaged(data: bytes, tmp_path: Path) -> None:
    refusal(tmp_path, zipped(data))


def test_a_pickle_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treble.convert.pickle_reader.MOST_STEPS", 1000)
    assert "more than 1000 instructions" in refusal(tmp_path, zipped(b"\x80\x02" + b"]" * 2000), 65)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (tensor((2, 4), (4, 1)), "8.*bytes of its storage|needs 32 bytes of its storage, which has 24"),
        (tensor((6,), (1,), first=1), "needs 28 bytes"),
        (tensor((2,), (1 << 61,)), "needs"),
        (tensor((1 << 40, 1 << 40), (0, 0)), "claim to hold"),
        (tensor((-1,), (1,)), "sizes"),
        (tensor((2,), (-1,)), "strides"),
        (tensor((2,), (1,), first=-1), "offset"),
        (tensor((2, 3), (1,)), "strides"),
        (tensor((1,) * 40, (1,) * 40), "strides"),
        (tensor((True,), (1,)), "sizes"),
        (tensor("ab", (1,)), "sizes"),
        (tensor((2,), (1,), count=-1), "storage 0 has the size -1"),
        (tensor((2,), (1,), count=7), "has 24 bytes, its 7 values of F32 take 28"),
        (tensor((2,), (1,), count=1 << 61), "its 2305843009213693952 values"),
        (tensor((2,), (1,), key="1"), "no entry 'm/data/1'|no entry m/data/1"),
        (tensor((2,), (1,), kind="ComplexFloatStorage"), "torch.ComplexFloatStorage"),
        (tensor((2,), (1,), kind="QInt8Storage"), "torch.QInt8Storage"),
        ([tensor((2,), (1,)), tensor((2,), (1,), count=5)], "6 values of F32 in one place, 5 of F32 in another"),
        (Made("torch._utils", "_rebuild_tensor_v2", 1, 0, (1,), (1,)), "not described by a storage"),
        (Made("torch._utils", "_rebuild_tensor_v2", 1), "damaged"),
        (
            Made("torch._utils", "_rebuild_tensor_v3", Reference(("storage", 1, "0", "cpu", 6)), 0, (1,), (1,)),
            "type 1 are not converted",
        ),
        (Reference(("module", 1, 2, 3, 4)), "of no known form"),
        (
            Made("torch._tensor", "_rebuild_from_type_v2", Named("os", "system"), Named("torch", "Tensor"), ("x",), {}),
            "torch's own functions",
        ),
        (
            Made("torch._tensor", "_rebuild_from_type_v2", Named("os", "system"), Named("a", "b"), ("x",), {}),
            "is a a.b",
        ),
    ],
)
def test_tensors_that_do_not_fit_their_storage_name_the_sizes(value: Any, words: str, tmp_path: Path) -> None:
    held = {f"w{i}": one for i, one in enumerate(value)} if isinstance(value, list) else {"w": value}
    folder = folder_of(tmp_path / "hostile", source=zipped(held))
    with pytest.raises(ConvertError) as raised:
        convert(folder, tmp_path / "out")
    assert re.search(words, str(raised.value)), raised.value
    assert not (tmp_path / "out").exists()


def test_a_view_that_repeats_values_may_be_larger_than_its_storage(tmp_path: Path) -> None:
    convert(folder_of(tmp_path / "m", source=zipped({"w": tensor((4, 3), (0, 2))})), tmp_path / "out")
    (dtype, shape, data) = read_safetensors(tmp_path / "out" / "model.safetensors")["w"]
    assert (dtype, shape) == ("F32", [4, 3])
    assert np.frombuffer(data, "<f4").tolist() == [0, 2, 4] * 4


def test_a_zip_file_that_is_none_of_torch(tmp_path: Path) -> None:
    fine = {"w": tensor((6,), (1,))}
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", pickled(fine) + b"\0" * 999)
    assert "compressed" in refusal(tmp_path, compressed.getvalue(), 65)
    assert "0 entries NAME/data.pkl" in refusal(tmp_path, zipped(fine).replace(b"data.pkl", b"data.abc"), 65)
    assert "2 entries NAME/data.pkl" in refusal(tmp_path, zipped(fine, {"n/data.pkl": b""}), 65)
    assert "TorchScript" in refusal(tmp_path, zipped(fine, {"m/constants.pkl": b""}), 69)
    assert "big-endian" in refusal(tmp_path, zipped(fine, byteorder=b"big"), 69)
    bomb = bytearray(zipped(fine))
    at = bomb.index(struct.pack("<6f", *range(6)))
    bomb[at] ^= 1
    assert "checksum" in refusal(tmp_path, bytes(bomb), 65)


def test_a_legacy_file_that_does_not_fit_itself(tmp_path: Path) -> None:
    values = struct.pack("<q6f", 6, *range(6))
    fine = {"w": tensor((6,), (1,))}
    convert(
        folder_of(tmp_path / "fine", source=legacy(MAGIC, 1001, MACHINE, fine, ["0"], storages=values)), tmp_path / "o"
    )
    assert hashes(tmp_path / "o" / "model.safetensors")["w"][:2] == ["F32", [6]]
    shutil.rmtree(tmp_path / "o")
    shutil.rmtree(tmp_path / "fine")
    for pickles, storages, words in (
        ((MAGIC + 1, 1001, MACHINE, fine, ["0"]), values, "none of torch.save"),
        ((MAGIC, 1000, MACHINE, fine, ["0"]), values, "version 1000"),
        ((MAGIC, 1 << 4000, MACHINE, fine, ["0"]), values, "4001 bits"),
        ((MAGIC, 1001, {"little_endian": False}, fine, ["0"]), values, "big-endian"),
        ((MAGIC, 1001, MACHINE, fine, ["1"]), values, "keys"),
        ((MAGIC, 1001, MACHINE, fine, [["0"]]), values, "keys"),
        ((MAGIC, 1001, MACHINE, fine, ["0", "0"]), values, "keys"),
        ((MAGIC, 1001, MACHINE, fine, ["0"]), struct.pack("<q", 5) + values[8:], "has 5 values, its tensors say 6"),
        ((MAGIC, 1001, MACHINE, fine, ["0"]), values[:-1], "24 bytes at"),
        ((MAGIC, 1001, MACHINE, fine, ["0"]), b"", "8 bytes at"),
    ):
        assert words in refusal(tmp_path, legacy(*pickles, storages=storages))


def test_what_is_not_weights_is_said_by_name(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 9\n"
    assert "Git LFS pointer" in refusal(tmp_path, pointer, 65)
    assert "torch.save did not write it" in refusal(tmp_path, b"<!DOCTYPE html>", 65)
    assert "tar file" in refusal(tmp_path, b"\0" * 257 + b"ustar" + b"\0" * 99, 69)
    assert "is empty" in refusal(tmp_path, b"", 65)
    assert "one tensor, not tensors by name" in refusal(tmp_path, zipped(tensor((6,), (1,))), 69)
    assert "no tensor among its 1 entries" in refusal(tmp_path, zipped({"epoch": 3}), 69)


def test_a_nan_is_refused_and_an_infinity_kept(tmp_path: Path) -> None:
    values = [0.0, 1.0, float("nan"), 3.0, 4.0, 5.0]
    nan = zipped({"a": tensor((2,), (1,)), "w": tensor((2, 3), (1, 2))}, {"m/data/0": struct.pack("<6f", *values)})
    folder = folder_of(tmp_path / "m", source=nan)
    with pytest.raises(ConvertError, match=r"tensor w: element 1 is no number \(NaN\)"):
        convert(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    values[2] = float("-inf")
    folder_of(folder, source=zipped({"w": tensor((6,), (1,))}, {"m/data/0": struct.pack("<6f", *values)}))
    convert(folder, tmp_path / "out")
    assert read_safetensors(tmp_path / "out" / "model.safetensors")["w"][2] == struct.pack("<6f", *values)
    for kind, bits, fill in (("HalfStorage", 0x7E01, 0x3C00), ("BFloat16Storage", 0xFFC1, 0x3F80)):
        data = zipped({"w": tensor((6,), (1,), kind=kind)}, {"m/data/0": struct.pack("<6H", *[fill] * 5, bits)})
        folder_of(folder, source=data)
        with pytest.raises(ConvertError, match="tensor w: element 5 is no number"):
            convert(folder, tmp_path / kind)
        assert not (tmp_path / kind).exists()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """128 MB in one storage: the process takes less than 80 MB more than before."""
    side = 1 << 12
    state = {"w": tensor((2, side, side), (side * side, side, 1), count=2 * side * side)}
    path = folder_of(tmp_path / "m") / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickled(state))
        with archive.open("m/data/0", "w") as entry:
            for _ in range(2 * side):
                entry.write(bytes(4 * side))
    program = (
        "import resource, sys\n"
        "from treble.convert import convert\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "convert(sys.argv[1], sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", program, str(path.parent), str(tmp_path / "out")]
    done = subprocess.run(command, text=True, capture_output=True, check=True)
    assert int(done.stdout) < 80 * 1024, done.stdout
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 8 * side * side


def test_views_larger_than_a_block_are_gathered_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mapped_file", "tensors"):
        monkeypatch.setattr(f"treble.convert.{module}.BLOCK", 64)
    for name in TORCH_FILES:
        convert(folder_of(tmp_path / name, source=CONVERT / name), tmp_path / f"{name}.out")
        assert hashes(tmp_path / f"{name}.out" / "model.safetensors") == EXPECTED[name]
