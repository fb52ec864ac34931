"""Files of torch.save without torch, and whatever else can be put into a pickle.

Written opcode by opcode, so that any name and any argument can stand there.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

MAGIC = 0x1950A86A20F9469CFC6C
MACHINE = {"little_endian": True, "protocol_version": 1001, "type_sizes": {"int": 4}}


class Made:
    """A call of a function that is named, whether or not there is such a one."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class Named:
    """A name of a class or function."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Reference(tuple[Any, ...]):
    """What torch puts outside of the pickle."""

    __slots__ = ()


def pickled(value: Any) -> bytes:
    """A value in protocol 2."""
    out = io.BytesIO()
    out.write(b"\x80\x02")
    _write(out, value)
    out.write(b".")
    return out.getvalue()


def _write(out: io.BytesIO, value: Any) -> None:
    if isinstance(value, Made):
        _write(out, Named(value.module, value.name))
        _write(out, value.arguments)
        out.write(b"R")
    elif isinstance(value, Named):
        out.write(f"c{value.module}\n{value.name}\n".encode())
    elif isinstance(value, Reference):
        _write(out, tuple(value))
        out.write(b"Q")
    elif isinstance(value, tuple):
        out.write(b"(")
        for item in value:
            _write(out, item)
        out.write(b"t")
    elif isinstance(value, dict):
        out.write(b"}(")
        for key, item in value.items():
            _write(out, key)
            _write(out, item)
        out.write(b"u")
    else:
        # Protocol and STOP taken off.
        out.write(pickle.dumps(value, 2)[2:-1])


def tensor(
    shape: Any, strides: Any, *, first: Any = 0, count: Any = 6, key: str = "0", kind: str = "FloatStorage"
) -> Made:
    """A view as torch.save describes it."""
    storage = Reference(("storage", Named("torch", kind), key, "cpu", count))
    return Made(
        "torch._utils", "_rebuild_tensor_v2", storage, first, shape, strides, False, Made("collections", "OrderedDict")
    )


def zipped(value: Any, records: dict[str, bytes] | None = None, **changes: bytes) -> bytes:
    """A file in the zip form, of a pickle's bytes or of what it shall hold; storage 0 has the values 0 to 5."""
    held = io.BytesIO()
    entries = {
        "m/data.pkl": value if isinstance(value, bytes) else pickled(value),
        "m/byteorder": b"little",
        "m/data/0": struct.pack("<6f", *range(6)),
        **{f"m/{name}": data for name, data in changes.items()},
        **(records or {}),
    }
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return held.getvalue()


def legacy(*pickles: Any, storages: bytes = b"") -> bytes:
    """A file in the form before PyTorch 1.6."""
    return b"".join(pickled(one) for one in pickles) + storages


def saved(tensors: dict[str, tuple[list[int], list[float]]], tied: dict[str, str]) -> bytes:
    """A state dict of float32 tensors (shape, values) in storages of their own; `tied` ones share that of another."""
    state: dict[str, Any] = {}
    records = {}
    for number, (name, (shape, values)) in enumerate(tensors.items()):
        strides = [1]
        for size in reversed(shape[1:]):
            strides.insert(0, strides[0] * size)
        state[name] = tensor(tuple(shape), tuple(strides), count=len(values), key=str(number))
        records[f"m/data/{number}"] = struct.pack(f"<{len(values)}f", *values)
    state.update({name: state[other] for name, other in tied.items()})
    return zipped(state, records)
