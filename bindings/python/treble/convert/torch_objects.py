"""What torch.save writes of tensors, as data: storages, views into them, and the functions that put them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import UNSUPPORTED, ConvertError, shown
from .mapped_file import MappedFile
from .pickle_reader import Functions, Global, call
from .tensors import ITEM_SIZES, StridedTensor

STORAGE_TYPES = {
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "DoubleStorage": "F64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "UntypedStorage": "U8",
}
DTYPES = {
    **{"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "bool": "BOOL"},
    **{"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"},
    **{"uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8"},
}


@dataclass
class Storage:
    """A run of values; where it lies in the file may become known later than its tensors."""

    dtype: str
    count: int
    offset: int | None = None

    def bytes(self) -> int:
        """All of it."""
        return self.count * ITEM_SIZES[self.dtype]


@dataclass
class PendingTensor:
    """A view into a storage, checked against its size."""

    storage: Storage
    dtype: str
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def located(self, file: MappedFile) -> StridedTensor:
        """The tensor, once its storage has a place."""
        assert self.storage.offset is not None
        offset = self.storage.offset + self.first * ITEM_SIZES[self.dtype]
        return StridedTensor(file, self.dtype, self.shape, offset, self.strides)


@dataclass
class StorageTable:
    """The storages of a file, by key."""

    storages: dict[str, Storage] = field(default_factory=dict)

    def refer(self, reference: Any) -> Storage:
        """The storage of a pickle's reference: ("storage", type, key, device, count[, view])."""
        if not isinstance(reference, tuple) or len(reference) not in (5, 6) or reference[0] != "storage":
            raise ConvertError("a reference to values is of no known form")
        _, kind, key, _, count = reference[:5]
        name = kind.name if isinstance(kind, Global) and kind.module in ("torch", "torch.storage") else ""
        dtype = STORAGE_TYPES.get(name)
        if dtype is None:
            raise ConvertError(f"values of type {_text(kind)} are not converted", UNSUPPORTED)
        if not isinstance(key, str) or not _is_size(count):
            raise ConvertError(f"the storage {_text(key)} has the size {_text(count)}")
        storage = self.storages.setdefault(key, Storage(dtype, count))
        if (storage.dtype, storage.count) != (dtype, count):
            raise ConvertError(
                f"storage {shown(key)} is {storage.count} values of {storage.dtype} in one place, {count} of {dtype} "
                "in another"
            )
        view = reference[5] if len(reference) == 6 else None
        if view is not None:
            raise ConvertError("a storage that is part of another (PyTorch before 0.4) is not read", UNSUPPORTED)
        return storage


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _text(value: Any) -> str:
    """For messages, of values that may be nested without end."""
    return (
        shown(value) if isinstance(value, (str, int, float)) else str(value)[:99] if isinstance(value, Global) else "?"
    )


def _sizes(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or not all(_is_size(value) for value in values):
        raise ConvertError(f"{what} of a tensor are no list of sizes")
    return tuple(values)


def _tensor(storage: Any, first: Any, size: Any, stride: Any, dtype: str | None = None) -> PendingTensor:
    shape, strides = _sizes(size, "the sizes"), _sizes(stride, "the strides")
    if not isinstance(storage, Storage) or not _is_size(first) or len(shape) != len(strides) or len(shape) > 32:
        raise ConvertError("a tensor is not described by a storage, an offset, sizes and strides")
    dtype = storage.dtype if dtype is None else dtype
    item = ITEM_SIZES[dtype]
    last = first + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    if math.prod(shape) and last * item > storage.bytes():
        raise ConvertError(
            f"a tensor of sizes {shown(list(shape))}, strides {shown(list(strides))} and offset {first} needs "
            f"{last * item} bytes of its storage, which has {storage.bytes()}"
        )
    # Of a dimension that has one value the stride is never used, and may be any number.
    steps = tuple(step if n > 1 else 0 for n, step in zip(shape, strides, strict=True))
    return PendingTensor(storage, dtype, first, shape, steps)


def _rebuild(storage: Any, first: Any, size: Any, stride: Any, *rest: Any) -> PendingTensor:
    """rest: requires_grad, backward hooks, and since PyTorch 1.12 bits of a view that negates or conjugates."""
    if len(rest) > 2 and rest[2]:
        raise ConvertError("a tensor is the negative or conjugate of its storage; that is not read", UNSUPPORTED)
    return _tensor(storage, first, size, stride)


def _rebuild_typed(storage: Any, first: Any, size: Any, stride: Any, *rest: Any) -> PendingTensor:
    """rest: requires_grad, backward hooks, dtype, bits."""
    kind = rest[2] if len(rest) > 2 else None
    dtype = DTYPES.get(kind.name) if isinstance(kind, Global) and kind.module == "torch" else None
    if dtype is None:
        raise ConvertError(f"a tensor of type {_text(kind)} is not converted", UNSUPPORTED)
    if len(rest) > 3 and rest[3]:
        raise ConvertError("a tensor is the negative or conjugate of its storage; that is not read", UNSUPPORTED)
    return _tensor(storage, first, size, stride, dtype)


def _rebuild_subclass(function: Any, kind: Any, arguments: Any, _state: Any) -> Any:
    """A tensor that somebody hung attributes on; they are no weights."""
    if kind not in (Global("torch", "Tensor"), Global("torch.nn.parameter", "Parameter")):
        raise ConvertError(f"a tensor is a {_text(kind)}; only plain ones are read", UNSUPPORTED)
    if not isinstance(function, Global) or not isinstance(arguments, tuple) or function not in PLAIN_TENSORS:
        raise ConvertError("a tensor is not made by one of torch's own functions", UNSUPPORTED)
    return call(PLAIN_TENSORS, function, arguments)


def _ordered_dict(items: Sequence[Any] = ()) -> dict[Any, Any]:
    if not isinstance(items, (list, tuple)):
        raise TypeError("an OrderedDict of no list")
    return {_key(item): item[1] for item in items}


def _key(item: Any) -> str:
    if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[0], str):
        raise TypeError("an OrderedDict's item is no name and value")
    return item[0]


PLAIN_TENSORS: Functions = {
    Global("torch._utils", "_rebuild_tensor"): _rebuild,
    Global("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    Global("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed,
}
FUNCTIONS: Functions = {
    **PLAIN_TENSORS,
    Global("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    Global("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    Global("torch._tensor", "_rebuild_from_type_v2"): _rebuild_subclass,
    Global("collections", "OrderedDict"): _ordered_dict,
    Global("torch", "Size"): lambda sizes: _sizes(sizes, "the sizes"),
    Global("torch", "device"): lambda *_: None,
}
"""All that a file of weights may call. What else a pickle names is refused by that name."""
