"""What can go wrong: one class for each code of the library's error table.

Every class is a `treble.Error` and the built-in exception that Python programs expect: ValueError, FileNotFoundError.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parent)


class TrebleWarning(UserWarning):
    """What the library noticed and went on from."""


class TruncationWarning(TrebleWarning):
    """Texts were longer than the model reads; what is beyond its limit is not in their vectors."""


def warn(message: str, category: type[TrebleWarning]) -> None:
    """Warns of the line outside this package that made the call."""
    level = 1
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level += 1
        frame = frame.f_back  # type: ignore[assignment]
    warnings.warn(message, category, stacklevel=level + 1)


class Error(Exception):
    """An error of Treble. Its message names the input, the two values that disagree, and the way out.

    code: stable name of the kind of error, as in the JSON errors of the program ("invalid_argument", ...).
    text_index: the text it is about, counted in the texts of the call; None where it is about no single text.
    file: the file or folder it is about, or None.
    """

    code: str = "internal"
    text_index: int | None = None
    file: str | None = None

    def __init__(self, message: str = "", *, text_index: int | None = None, file: str | None = None) -> None:
        super().__init__(message)
        self.text_index = text_index
        self.file = file

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_native, (self.code, str(self), self.text_index, self.file)


class InvalidArgumentError(Error, ValueError):
    """An option or a text is not acceptable."""

    code = "invalid_argument"


class TextTooLongError(Error, ValueError):
    """A text has more tokens than allowed, and truncation is "error"."""

    code = "text_too_long"


class NotFoundError(Error, FileNotFoundError):
    """A model, a file or a prompt of that name does not exist."""

    code = "not_found"


class InvalidFileError(Error, ValueError):
    """A file exists but is damaged, truncated or inconsistent."""

    code = "invalid_file"


class UnsupportedError(Error, NotImplementedError):
    """Valid input that this version cannot serve."""

    code = "unsupported"


class IoError(Error, OSError):
    """The operating system refused to read or write."""

    code = "io"


class NonFiniteError(Error, ArithmeticError):
    """A NaN or infinity would have left the model."""

    code = "non_finite"


class InterruptedByRequestError(Error, KeyboardInterrupt):
    """Stopped on request. A Ctrl-C raises KeyboardInterrupt itself."""

    code = "interrupted"


class OverloadedError(Error, BlockingIOError):
    """A queue is full; the same request may be accepted later."""

    code = "overloaded"


class DeadlineExceededError(Error, TimeoutError):
    """The deadline passed before the request ran."""

    code = "deadline_exceeded"


class CancelledError(Error, InterruptedError):
    """Cancelled before it ran."""

    code = "cancelled"


class UnavailableError(Error, ConnectionError):
    """The queue takes no more requests."""

    code = "unavailable"


class InternalError(Error, RuntimeError):
    """A fault in Treble itself; please report it."""

    code = "internal"


_BY_CODE: dict[str, type[Error]] = {
    cls.code: cls
    for cls in (
        InvalidArgumentError,
        TextTooLongError,
        NotFoundError,
        InvalidFileError,
        UnsupportedError,
        IoError,
        NonFiniteError,
        InterruptedByRequestError,
        OverloadedError,
        DeadlineExceededError,
        CancelledError,
        UnavailableError,
        InternalError,
    )
}


def _from_native(code: str, message: str, text_index: int | None, file: str | None) -> Error:
    return _BY_CODE[code](message, text_index=text_index, file=file)
