"""Commands of the Python package: one module each, with `main(arguments) -> int`; and what they share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from treble.errors import Error

# As src/base/error.cc has them, by the code of the error.
_EXIT_CODES = {
    "invalid_argument": 64,
    "text_too_long": 65,
    "invalid_file": 65,
    "not_found": 66,
    "unsupported": 69,
    "io": 74,
}


class Parser(argparse.ArgumentParser):
    """Options of a command that runs a model; --model is among them. Errors in them are exit code 64."""

    def __init__(self, name: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"treble {name}",
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument(
            "--model",
            default=os.environ.get("TREBLE_MODEL"),
            required="TREBLE_MODEL" not in os.environ,
            help="folder, or name in the Hugging Face cache (default: TREBLE_MODEL)",
        )

    def error(self, message: str) -> Any:
        self.exit(64, f"{self.prog}: {message}; see {self.prog} --help\n")


def comma_list(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """An argparse type: "a,b" to [a, b]."""

    def parse(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",") if part]

    parse.__name__ = f"list of {kind.__name__}"
    return parse


def guarded(name: str, run: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Runs a command; an error is one line on stderr and its exit code."""
    try:
        run(arguments)
    except KeyboardInterrupt:
        print(f"treble {name}: interrupted", file=sys.stderr)
        return 130
    except Error as error:
        print(f"treble {name}: {error}", file=sys.stderr)
        return _EXIT_CODES.get(error.code, 70)
    except ModuleNotFoundError as error:
        print(f"treble {name}: {error}", file=sys.stderr)
        return 69
    except OSError as error:
        print(f"treble {name}: {error}", file=sys.stderr)
        return 74
    return 0
