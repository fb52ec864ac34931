#!/usr/bin/env python3
"""Print the docstrings of the Python standard library as JSONL ({"_id", "title", "text"}), in a fixed order.

Real text that every machine with Python has: from one line to several thousand words, one title each. Only sources are
read; nothing is imported. `--limit N` prints N of them, evenly spaced.

`--retrieval FOLDER` writes a labelled set in BEIR's form in place of that: a docstring's first line is a query, and
what follows it the one document to be found. Of `--limit` N the longest documents are a quarter; the others are evenly
spaced.
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
MIN_QUERY_WORDS = 4
MIN_DOCUMENT_WORDS = 20
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


def evenly(items: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    return [items[index * len(items) // count] for index in range(count)]


def first_lines(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Docstrings whose first line and what follows it both say something, each first line once."""
    chosen: dict[str, dict[str, str]] = {}
    for item in found:
        first, _, rest = item["text"].partition("\n")
        if len(first.split()) >= MIN_QUERY_WORDS and len(rest.split()) >= MIN_DOCUMENT_WORDS:
            chosen.setdefault(first, {"_id": item["_id"], "query": first, "text": rest.strip()})
    return list(chosen.values())


def write_retrieval(items: list[dict[str, str]], folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)

    def write(name: str, key: str, prefix: str = "") -> None:
        lines = [json.dumps({"_id": prefix + item["_id"], "text": item[key]}, ensure_ascii=False) for item in items]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    write("corpus.jsonl", "text")
    write("queries.jsonl", "query", "first line of ")
    judged = [f"first line of {item['_id']}\t{item['_id']}\t1" for item in items]
    (folder / "qrels" / "test.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n", encoding="utf-8"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=0, help="print at most this many texts (default: all)")
    parser.add_argument("--retrieval", type=Path, metavar="FOLDER", help="write a labelled set in BEIR's form")
    arguments = parser.parse_args()
    found = texts()
    if arguments.retrieval:
        found = sorted(first_lines(found), key=lambda item: len(item["text"].split()))
        count = min(arguments.limit, len(found)) if arguments.limit > 0 else len(found)
        longest = count // 4
        write_retrieval(
            evenly(found[: len(found) - longest], count - longest) + found[len(found) - longest :], arguments.retrieval
        )
        return 0
    count = min(arguments.limit, len(found)) if arguments.limit > 0 else len(found)
    for item in evenly(found, count):
        sys.stdout.write(json.dumps(item, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
