"""The console script `treble`: the program that the package carries, and a few commands that are Python's own.

A command of Python's own is a module with `main(arguments: list[str]) -> int`, named in COMMANDS.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

# Name -> (module, what it does).
COMMANDS: dict[str, tuple[str, str]] = {
    "evaluate": ("treble.commands.evaluate", "mteb's tasks in local folders, at several temperatures"),
    "longembed": ("treble.commands.longembed", "makes LongEmbed's passkey and needle tasks"),
}


def program() -> Path:
    """The program that the package carries."""
    return Path(__file__).parent / "bin" / "treble"


def _environment() -> dict[str, str]:
    # For the parts of the program that need Python: the one whose packages are installed beside it.
    return {"TREBLE_PYTHON": sys.executable, **os.environ}


def _help() -> int:
    code = subprocess.run([program(), "--help"], env=_environment(), check=False).returncode
    if COMMANDS:
        width = max(len(name) for name in COMMANDS)
        print("\nCommands of the Python package:")
        for name, (_, description) in sorted(COMMANDS.items()):
            print(f"  {name.ljust(width)}  {description}")
    return code


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; does not return for those of the program, which takes the process over."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        module = importlib.import_module(COMMANDS[arguments[0]][0])
        return int(module.main(arguments[1:]))
    if arguments in (["--help"], ["-h"]):
        return _help()
    sys.stdout.flush()
    os.execve(program(), [str(program()), *arguments], _environment())


if __name__ == "__main__":
    sys.exit(main())
