"""Files of torch.save, read without PyTorch: the zip form (since 1.6) and the one before it."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import UNSUPPORTED, ConvertError, shown
from .mapped_file import MappedFile
from .pickle_reader import MOST_BYTES, PickleFile, read_pickle
from .tensors import StridedTensor
from .torch_objects import FUNCTIONS, PendingTensor, StorageTable

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LOCAL_HEADER = b"PK\x03\x04"
WITHIN = ("state_dict", "model_state_dict", "model")
"""Where training programs put the tensors by name."""


@dataclass
class TorchFile:
    """The tensors of a file by name, and what else it held."""

    tensors: dict[str, StridedTensor]
    left_out: list[str] = field(default_factory=list)


def read_torch_file(path: Path) -> TorchFile:
    """The tensors of a state dict that torch.save wrote. Raises ConvertError, which names the file."""
    file = MappedFile(path)
    try:
        head = file.map[:4]
        if head == LOCAL_HEADER:
            value = _read_zip(file)
        elif head[:1] == b"\x80":
            value = _read_legacy(file)
        elif file.map[257:262] == b"ustar":
            raise ConvertError("a tar file: the form of PyTorch before 0.2; load and save it with PyTorch", UNSUPPORTED)
        else:
            raise ConvertError("it begins neither as a zip file nor as a pickle, so torch.save did not write it")
        return _by_name(value, file)
    except ConvertError as error:
        if str(error).startswith(str(path)):
            raise
        raise ConvertError(f"{path}: {error}", error.exit_code) from error


def _by_name(value: Any, file: MappedFile) -> TorchFile:
    """The tensors of a dictionary, or of the one inside it that training programs write."""
    if not isinstance(value, dict):
        kind = "tensor" if isinstance(value, PendingTensor) else type(value).__name__
        raise ConvertError(f"it holds one {kind}, not tensors by name (a state dict)", UNSUPPORTED)
    left_out: list[str] = []
    inner = [key for key in WITHIN if isinstance(value.get(key), dict)]
    if inner and not any(isinstance(one, PendingTensor) for one in value.values()):
        left_out = [f"{shown(key)}: not part of {inner[0]}" for key in value if key != inner[0]]
        value = value[inner[0]]
    tensors = {}
    for name, one in value.items():
        if isinstance(name, str) and isinstance(one, PendingTensor):
            tensors[name] = one.located(file)
        else:
            left_out.append(f"{shown(name)}: a {type(one).__name__}, no tensor")
    if not tensors:
        raise ConvertError(f"there is no tensor among its {len(value)} entries", UNSUPPORTED)
    return TorchFile(tensors, left_out)


def _read_zip(file: MappedFile) -> Any:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if len(entries) != len(archive.infolist()):
                raise ConvertError("two of its entries have the same name")
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise ConvertError(f"a zip file that is damaged, or was not fetched whole: {shown(str(error))}") from error
    roots = [name[: -len("data.pkl")] for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ConvertError(f"a zip file with {len(roots)} entries NAME/data.pkl; torch.save writes one")
    root = roots[0]
    if f"{root}constants.pkl" in entries:
        raise ConvertError("a TorchScript program, not weights alone; save its state_dict()", UNSUPPORTED)
    order = entries.get(f"{root}byteorder")
    if order is not None and _record(file, order) != b"little":
        raise ConvertError("its numbers are big-endian, which is not read", UNSUPPORTED)
    table = StorageTable()
    pickled = _record(file, entries[f"{root}data.pkl"])
    value = read_pickle(PickleFile(pickled), FUNCTIONS, table.refer)
    for key, storage in table.storages.items():
        entry = entries.get(f"{root}data/{key}")
        if entry is None:
            raise ConvertError(f"there is no entry {shown(f'{root}data/{key}')}, which a tensor's values are in")
        if entry.file_size != storage.bytes():
            raise ConvertError(
                f"the entry {shown(entry.filename)} has {entry.file_size} bytes, its {storage.count} values of "
                f"{storage.dtype} take {storage.bytes()}"
            )
        storage.offset = _place(file, entry)
        _check_sum(file, entry, storage.offset)
    return value


def _place(file: MappedFile, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin: torch stores them as they are."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
        raise ConvertError(f"the entry {shown(entry.filename)} is compressed or encrypted; torch.save stores it plain")
    header = file.bytes(entry.header_offset, 30)
    if header[:4] != LOCAL_HEADER:
        raise ConvertError(f"the entry {shown(entry.filename)} does not begin where the zip file's list says")
    begin = entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    file.check(begin, entry.file_size, f"entry {shown(entry.filename)}")
    return begin


def _record(file: MappedFile, entry: zipfile.ZipInfo) -> bytes:
    """A small entry, whole."""
    if entry.file_size > MOST_BYTES:
        raise ConvertError(f"the entry {shown(entry.filename)} has {entry.file_size} bytes; that is no list of tensors")
    begin = _place(file, entry)
    _check_sum(file, entry, begin)
    return file.bytes(begin, entry.file_size)


def _check_sum(file: MappedFile, entry: zipfile.ZipInfo, begin: int) -> None:
    """torch.save can be told to write no checksums: they are 0 then."""
    if entry.CRC == 0:
        return
    total = 0
    for block in file.blocks(begin, entry.file_size):
        total = zlib.crc32(block.data, total)
    if total != entry.CRC:
        raise ConvertError(
            f"the entry {shown(entry.filename)} has the checksum {total:08x}, the zip file's list says "
            f"{entry.CRC:08x}; it is damaged: fetch it again"
        )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _read_legacy(file: MappedFile) -> Any:
    """Five pickles (a magic number, the version, the machine, the value, the keys of storages), then the storages."""
    stream = PickleFile(file.map)
    if read_pickle(stream, {}) != MAGIC:
        raise ConvertError("a pickle, but none of torch.save")
    version = read_pickle(stream, {})
    if version != PROTOCOL:
        number = shown(version) if isinstance(version, int) else "?"
        raise ConvertError(f"version {number} of torch.save's format; {PROTOCOL} is read", UNSUPPORTED)
    machine = read_pickle(stream, {})
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ConvertError("its numbers are big-endian, which is not read", UNSUPPORTED)
    table = StorageTable()
    value = read_pickle(stream, FUNCTIONS, table.refer)
    keys = read_pickle(stream, {})
    if not _are_texts(keys) or sorted(keys) != sorted(table.storages):
        raise ConvertError("the keys of its storages are not those that its tensors name")
    at = stream.tell()
    for key in keys:
        storage = table.storages[key]
        count = int.from_bytes(file.bytes(at, 8), "little", signed=True)
        if count != storage.count:
            raise ConvertError(f"storage {shown(key)} has {count} values, its tensors say {storage.count}")
        storage.offset = at + 8
        file.check(storage.offset, storage.bytes(), f"storage {shown(key)}")
        at = storage.offset + storage.bytes()
    return value
