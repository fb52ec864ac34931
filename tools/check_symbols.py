#!/usr/bin/env python3
"""Compare what a libtreble.so exports with the list in tests/symbols.txt.

`tools/check_symbols.py LIBRARY` prints each symbol that is in one of them alone; exit status 1 when there is one. A
symbol that is gone breaks programs that were built before; a new one is a promise. With `--write` the list becomes what
LIBRARY exports. C++ names are demangled; the variants of a constructor are one line.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parent.parent / "tests/symbols.txt"


def exported(library: Path) -> list[str]:
    """The demangled names of all dynamic symbols that `library` defines, sorted, each once."""
    command = [
        "nm",
        "--dynamic",
        "--defined-only",
        "--demangle",
        "--format=posix",
        str(library),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # "NAME TYPE VALUE SIZE", where the name may contain spaces and the size be missing.
    names = set()
    for line in output.splitlines():
        words = line.split(" ")
        kind = max(i for i, word in enumerate(words[:-1]) if len(word) == 1)
        names.add(" ".join(words[:kind]))
    return sorted(names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared_object", type=Path, help="libtreble.so")
    parser.add_argument("--write", action="store_true", help="renew tests/symbols.txt")
    arguments = parser.parse_args()
    names = exported(arguments.shared_object)
    if arguments.write:
        LIST.write_text("\n".join(names) + "\n", encoding="utf-8")
        return 0
    listed = set(LIST.read_text(encoding="utf-8").splitlines())
    for name in sorted(listed - set(names)):
        print(f"listed, but not exported: {name}")
    for name in sorted(set(names) - listed):
        print(f"exported, but not listed: {name}")
    if listed == set(names):
        print(f"{len(names)} symbols, as in {LIST.name}")
        return 0
    print(f"If that is meant, renew the list: tools/check_symbols.py --write {arguments.shared_object}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
