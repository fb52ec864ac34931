"""What can be wrong with files that are converted."""

from __future__ import annotations

# Exit codes of the program (`treble --help`).
WRONG_USE, BAD_DATA, NOT_FOUND, UNSUPPORTED, FAILED_IO, INTERRUPTED = 64, 65, 66, 69, 74, 130


class ConvertError(Exception):
    """Files that cannot be converted; the message names the file and says why. `exit_code` is the program's."""

    def __init__(self, message: str, exit_code: int = BAD_DATA) -> None:
        """Keep both."""
        super().__init__(message)
        self.exit_code = exit_code


def shown(text: object) -> str:
    """A name out of a file, for a message: short and on one line."""
    if isinstance(text, int) and text.bit_length() > 128:
        return f"a number of {text.bit_length()} bits"
    line = repr(text[:200])[1:-1] if isinstance(text, str) else repr(text)
    return line if len(line) <= 120 else f"{line[:117]}..."
