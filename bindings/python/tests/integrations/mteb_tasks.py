"""Small tasks of every form, made of the docstrings of Python's own library."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]
MODEL = ROOT / "models/all-MiniLM-L6-v2"
LABELS = ("asyncio", "email", "tkinter", "unittest")
# Long texts cost time and make no other point here.
CHARACTERS = 300


def docstrings() -> list[dict[str, str]]:
    """{"title", "text"}, in a fixed order."""
    spec = importlib.util.spec_from_file_location("stdlib_texts", ROOT / "tools/stdlib_texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [{**row, "text": row["text"][:CHARACTERS]} for row in module.texts() if len(row["text"]) > 80]


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def retrieval(folder: Path, texts: list[dict[str, str]]) -> Path:
    """Names find their docstrings."""
    chosen = texts[:: len(texts) // 100][:100]
    write_lines(folder / "corpus.jsonl", ({"_id": f"d{i}", "text": row["text"]} for i, row in enumerate(chosen)))
    asked = chosen[::2]
    write_lines(folder / "queries.jsonl", ({"_id": f"q{i}", "text": row["title"]} for i, row in enumerate(asked)))
    lines = [f"q{i}\td{2 * i}\t1" for i in range(len(asked))]
    (folder / "qrels").mkdir()
    (folder / "qrels/test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    return folder


def reranking(folder: Path, texts: list[dict[str, str]]) -> Path:
    chosen = texts[:: len(texts) // 100][:100]
    rows = []
    for index in range(0, 100, 4):
        others = [chosen[(index + step) % 100]["text"] for step in (11, 23, 37, 58)]
        rows.append({"query": chosen[index]["title"], "positive": [chosen[index]["text"]], "negative": others})
    write_lines(folder / "reranking.jsonl", rows)
    return folder


def sts(folder: Path, texts: list[dict[str, str]]) -> Path:
    """A text and a part of it, mixed with another: the more of its own, the more alike."""
    chosen = texts[:: len(texts) // 60][:60]
    rows = []
    for index, row in enumerate(chosen):
        text, other = row["text"], chosen[(index + 31) % 60]["text"]
        share = (index % 6) / 5
        mixed = text[: int(len(text) * share)] + " " + other[: int(len(other) * (1 - share))]
        rows.append({"sentence1": text, "sentence2": mixed.strip(), "score": index % 6})
    write_lines(folder / "sts.jsonl", rows)
    return folder


def labelled(texts: list[dict[str, str]], count: int, offset: int = 0) -> list[dict[str, str]]:
    rows = []
    for label in LABELS:
        of_label = [row["text"] for row in texts if row["title"].split(".")[0] == label]
        rows += [{"text": text, "label": label} for text in of_label[offset : offset + count]]
    return rows


def classification(folder: Path, texts: list[dict[str, str]]) -> Path:
    write_lines(folder / "train.jsonl", labelled(texts, 12))
    write_lines(folder / "test.jsonl", labelled(texts, 15, offset=12))
    return folder


def clustering(folder: Path, texts: list[dict[str, str]]) -> Path:
    write_lines(folder / "clustering.jsonl", labelled(texts, 20))
    return folder


MAKERS = {maker.__name__: maker for maker in (retrieval, reranking, sts, classification, clustering)}
