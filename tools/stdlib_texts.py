#!/usr/bin/env python3
"""Print the docstrings of the Python standard library as JSONL ({"_id", "title", "text"}), in a fixed order.

Real text that every machine with Python has: from one line to several thousand words, one title each. Only sources are
read; nothing is imported. `--limit N` prints N of them, evenly spaced.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SKIPPED_FOLDERS = {"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """(dotted name, docstring) of `node` and of what it defines."""
    text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
    if text and text.strip():
        yield name, text.strip()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DOCUMENTED[1:]):
            yield from docstrings(child, f"{name}.{child.name}")


def texts() -> list[dict[str, str]]:
    """Every docstring once, the first name it goes by being its title."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if SKIPPED_FOLDERS.intersection(parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        module = ".".join(part for part in parts if part != "__init__")
        for name, text in docstrings(tree, module):
            found.setdefault(text, name)
    return [{"_id": name, "title": name, "text": text} for text, name in found.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=0, help="print at most this many texts (default: all)")
    limit = parser.parse_args().limit
    found = texts()
    count = min(limit, len(found)) if limit > 0 else len(found)
    for index in range(count):
        sys.stdout.write(json.dumps(found[index * len(found) // count], ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
