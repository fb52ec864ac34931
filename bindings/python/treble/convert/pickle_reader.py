"""Pickles as data: containers, numbers and texts, and what a table of harmless functions makes of them.

A pickle is a program. The standard library's parser (pickletools.genops) takes it apart without running it, and this
reader carries out the few instructions that build plain containers. Nothing is ever imported: the name of a class or
function stays a name, and is looked up in a table that the caller gives.
"""

from __future__ import annotations

import io
import mmap
import pickletools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from .errors import UNSUPPORTED, ConvertError, shown

MOST_BYTES = 1 << 28
"""Of one pickle: tensors' values lie outside of it."""
MOST_STEPS = 2_000_000
"""Instructions; a tensor takes about forty."""
LONGEST_LINE = 1 << 16

CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"}
    | {"SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"}
    | {"BINBYTES8"}
)
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARK = object()


class Global(NamedTuple):
    """The name of a class or function in a pickle."""

    module: str
    name: str

    def __str__(self) -> str:
        """As one would write it."""
        return shown(f"{self.module}.{self.name}")


class PickleFile:
    """What genops reads: a buffer from some place on, in bounded pieces."""

    def __init__(self, buffer: bytes | mmap.mmap, start: int = 0) -> None:
        """Read from `start`."""
        self._buffer = buffer
        self._start = self._at = start

    def tell(self) -> int:
        """Where reading goes on."""
        return self._at

    def read(self, count: int) -> bytes:
        """At most so many bytes."""
        if count < 0 or self._at + count - self._start > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes of it")
        return self._take(self._at + count)

    def readline(self) -> bytes:
        """Up to the end of a line."""
        end = self._buffer.find(b"\n", self._at, self._at + LONGEST_LINE)
        if end < 0:
            raise ValueError(f"no end of a line at {self._at}")
        return self._take(end + 1)

    def _take(self, end: int) -> bytes:
        data = self._buffer[self._at : end]
        self._at += len(data)
        return data


Functions = Mapping[Global, Callable[..., Any]]
Persistent = Callable[[Any], Any]


class _Machine:
    """The stack and memo of one pickle."""

    def __init__(self, functions: Functions, persistent: Persistent | None) -> None:
        self._functions = functions
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(("PROTO", "FRAME"), lambda _: None),
            **dict.fromkeys(VALUES, self._stack.append),
            **{name: partial(self._constant, value) for name, value in CONSTANTS.items()},
            **{name: partial(self._tuple, count) for name, count in TUPLES.items()},
            "MARK": lambda _: self._stack.append(MARK),
            "EMPTY_LIST": lambda _: self._stack.append([]),
            "EMPTY_DICT": lambda _: self._stack.append({}),
            "LIST": lambda _: self._stack.append(self._marked()),
            "TUPLE": lambda _: self._stack.append(tuple(self._marked())),
            "DICT": lambda _: self._stack.append(_pairs(self._marked())),
            "APPEND": lambda _: self._extend([self._stack.pop()]),
            "APPENDS": lambda _: self._extend(self._marked()),
            "SETITEM": lambda _: self._update([self._stack.pop(-2), self._stack.pop()]),
            "SETITEMS": lambda _: self._update(self._marked()),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._remember),
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda at: self._stack.append(self._memo[at])),
            "GLOBAL": lambda name: self._stack.append(Global(*name.split(" ", 1))),
            "STACK_GLOBAL": lambda _: self._stack_global(),
            "REDUCE": lambda _: self._reduce(),
            "BUILD": lambda _: self._build(),
            "BINPERSID": lambda _: self._refer(),
        }

    def step(self, opcode: str, argument: Any) -> None:
        """Carry out one instruction."""
        action = self._steps.get(opcode)
        if action is None:
            raise ConvertError(f"the instruction {opcode} is no part of weights, so it is not carried out", UNSUPPORTED)
        action(argument)

    def result(self) -> Any:
        """What the pickle holds, at its end."""
        if len(self._stack) != 1 or self._stack[0] is MARK:
            raise ValueError(f"{len(self._stack)} values are left at its end, one must be")
        return self._stack[0]

    def _marked(self) -> list[Any]:
        """All above the last mark, which is taken off too."""
        at = len(self._stack) - 1
        while self._stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise IndexError("no mark")
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _constant(self, value: Any, _: Any) -> None:
        self._stack.append(value)

    def _tuple(self, count: int, _: Any) -> None:
        items = self._stack[len(self._stack) - count :] if count else []
        if len(items) != count or MARK in items:
            raise IndexError("too few values")
        del self._stack[len(self._stack) - count :]
        self._stack.append(tuple(items))

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise TypeError(f"items are added to a {type(self._stack[-1]).__name__}")
        self._stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise TypeError(f"items are set in a {type(self._stack[-1]).__name__}")
        self._stack[-1].update(_pairs(items))

    def _remember(self, at: int) -> None:
        self._memo[at] = self._stack[-1]

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name is no text")
        self._stack.append(Global(module, name))

    def _reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(arguments, tuple) or not isinstance(function, Global):
            raise TypeError("a call without a function or arguments")
        self._stack.append(call(self._functions, function, arguments))

    def _build(self) -> None:
        """Attributes of an object: of a dictionary (a state dict's _metadata) they say nothing of weights."""
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            kind = type(self._stack[-1]).__name__
            raise ConvertError(f"it sets attributes of a {kind}, which is no part of weights", UNSUPPORTED)

    def _refer(self) -> None:
        if self._persistent is None:
            raise ConvertError("it refers to values outside of it, where none can be")
        self._stack.append(self._persistent(self._stack.pop()))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("a key has no value")
    # The hash of tuples in tuples in … would need a stack as deep as they are.
    for key in items[::2]:
        if not isinstance(key, (str, int, float, bytes, type(None))):
            raise TypeError(f"a key is a {type(key).__name__}")
    return dict(zip(items[::2], items[1::2], strict=True))


def call(functions: Functions, function: Global, arguments: tuple[Any, ...]) -> Any:
    """What a function of the table makes of its arguments; ConvertError for any other."""
    known = functions.get(function)
    if known is None:
        raise ConvertError(
            f"it calls {function}, which is no part of weights, so it is not called; save tensors alone: "
            "torch.save(model.state_dict(), …)",
            UNSUPPORTED,
        )
    return known(*arguments)


def read_pickle(file: PickleFile, functions: Functions, persistent: Persistent | None = None) -> Any:
    """The value of the pickle that begins here; `file` stands behind it then.

    `functions` are what may be called, `persistent` is given references to what lies outside. Raises ConvertError.
    """
    machine = _Machine(functions, persistent)
    begin = file.tell()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
            if opcode.name == "STOP":
                return machine.result()
            if count > MOST_STEPS:
                raise ConvertError(f"the pickle has more than {MOST_STEPS} instructions; that is no list of tensors")
            machine.step(opcode.name, argument)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, io.UnsupportedOperation) as error:
        raise ConvertError(
            f"the pickle at byte {begin} is damaged: {type(error).__name__}: {shown(str(error))}"
        ) from error
    raise ConvertError(f"the pickle at byte {begin} has no end")
