"""Tasks in local folders: what is read of them. docs/mteb.md has the forms."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from treble.errors import InvalidFileError, NotFoundError

TaskKind = Literal["retrieval", "reranking", "sts", "classification", "clustering"]
Row = dict[str, Any]

FORMS = (
    "retrieval: corpus.jsonl, queries.jsonl and qrels/test.tsv (BEIR) or qrels.jsonl (LongEmbed); reranking: the "
    "same with top_ranked.jsonl, or reranking.jsonl; STS: sts.jsonl; classification: train.jsonl and test.jsonl; "
    "clustering: clustering.jsonl. Each may be compressed (.jsonl.gz)"
)


@dataclass(frozen=True)
class RetrievalSplit:
    """Documents and queries that are ranked among themselves."""

    corpus: list[Row]
    """{"id", "title", "text"}"""
    queries: list[Row]
    """{"id", "text"}"""
    judgements: dict[str, dict[str, int]]
    """Query -> document -> grade."""
    candidates: dict[str, list[str]] | None = None
    """Query -> documents to rank; None: all."""


@dataclass(frozen=True)
class TaskFolder:
    """A task as it was read. One of `retrieval` and `rows` has the splits."""

    path: Path
    name: str
    kind: TaskKind
    revision: str
    """SHA-256 of what was read."""
    settings: Row = field(default_factory=dict)
    """task.json."""
    retrieval: dict[str, RetrievalSplit] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    by_length: bool = False
    """Splits are named test_<tokens>, as LongEmbed's synthetic tasks."""


class _Reader:
    """Reads the files of a folder and hashes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hash = hashlib.sha256()

    def find(self, name: str) -> Path | None:
        """The file of this name, or its compressed form."""
        for path in (self.folder / name, self.folder / f"{name}.gz"):
            if path.is_file():
                return path
        return None

    def revision(self) -> str:
        return self._hash.hexdigest()[:40]

    def text(self, path: Path) -> str:
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            text = content.decode("utf-8-sig")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise InvalidFileError(f"{path}: {error}", file=str(path)) from error
        self._hash.update(f"{path.name}\0{len(content)}\0".encode())
        self._hash.update(content)
        return text

    def rows(self, path: Path, *fields: str) -> list[Row]:
        """The objects of a JSONL file, all of which have these fields."""
        rows = []
        # Not splitlines(), which cuts at U+2028 within a text too.
        for number, line in enumerate(self.text(path).split("\n"), 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line, parse_float=_Number, parse_int=_Number)
            except json.JSONDecodeError as error:
                raise InvalidFileError(f"{where}: {error}", file=str(path)) from error
            if not isinstance(row, dict):
                raise InvalidFileError(f"{where}: an object is expected, not {line[:40]!r}", file=str(path))
            missing = [name for name in fields if row.get(name) is None]
            if missing:
                raise InvalidFileError(f"{where}: no {missing[0]!r}; there are {', '.join(row)}", file=str(path))
            rows.append(row)
        if not rows:
            raise InvalidFileError(f"{path}: no line in it", file=str(path))
        return rows


class _Number(str):
    """A number of a JSON file with its digits, so that an id is the text that stands there."""

    __slots__ = ()


def _text(path: Path, row: Row, name: str) -> str:
    value = row[name]
    if isinstance(value, str) and not isinstance(value, _Number):
        return value
    raise InvalidFileError(f"{path}: {name!r} is text, not {value!r}", file=str(path))


def _id(path: Path, row: Row, name: str) -> str:
    if isinstance(row[name], str):
        return str(row[name])
    raise InvalidFileError(f"{path}: {name!r} is a text or a number, not {row[name]!r}", file=str(path))


def _number(path: Path, row: Row, name: str) -> float:
    try:
        return float(row[name])
    except (TypeError, ValueError):
        raise InvalidFileError(f"{path}: {name!r} is a number, not {row[name]!r}", file=str(path)) from None


def _label(path: Path, value: Any) -> str | list[str]:
    if isinstance(value, list) and value:
        return [str(_label(path, one)) for one in value]
    if isinstance(value, (str, bool)):
        return str(value)
    raise InvalidFileError(f"{path}: a label is a text, a number or a list of them, not {value!r}", file=str(path))


def _unique(path: Path, rows: list[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise InvalidFileError(f"{path}: the id {row['id']!r} is there twice", file=str(path))
        seen.add(row["id"])


def _documents(reader: _Reader, path: Path) -> list[Row]:
    rows = reader.rows(path, "text")
    key = next((name for name in ("_id", "doc_id", "id") if name in rows[0]), "_id")
    documents = []
    for row in rows:
        if row.get(key) is None:
            raise InvalidFileError(f"{path}: a document has no {key!r}; it has {', '.join(row)}", file=str(path))
        title = _text(path, row, "title") if row.get("title") is not None else ""
        documents.append(
            {"id": _id(path, row, key), "title": title, "text": _text(path, row, "text"), **_context_length(path, row)}
        )
    _unique(path, documents)
    return documents


def _queries(reader: _Reader, path: Path) -> list[Row]:
    rows = reader.rows(path, "text")
    key = next((name for name in ("_id", "qid", "id") if name in rows[0]), "_id")
    queries = []
    for row in rows:
        if row.get(key) is None:
            raise InvalidFileError(f"{path}: a query has no {key!r}; it has {', '.join(row)}", file=str(path))
        queries.append({"id": _id(path, row, key), "text": _text(path, row, "text"), **_context_length(path, row)})
    _unique(path, queries)
    return queries


def _context_length(path: Path, row: Row) -> Row:
    return {"length": int(_number(path, row, "context_length"))} if row.get("context_length") is not None else {}


def _judgement_lines(reader: _Reader, path: Path) -> Iterator[tuple[str, str, str]]:
    if path.name.startswith("qrels.jsonl"):
        for row in reader.rows(path):
            names = ("qid", "doc_id") if "qid" in row else ("query-id", "corpus-id")
            if any(row.get(name) is None for name in names):
                raise InvalidFileError(f"{path}: a judgement has no {' or '.join(names)}", file=str(path))
            yield _id(path, row, names[0]), _id(path, row, names[1]), str(row.get("score", "1"))
        return
    for number, line in enumerate(reader.text(path).split("\n"), 1):
        parts = line.rstrip("\r").split("\t") if "\t" in line else line.split()
        if not line.strip() or (number == 1 and parts[-1].strip() == "score"):
            continue
        if len(parts) not in (3, 4):
            raise InvalidFileError(
                f"{path}:{number}: {len(parts)} columns; there are 3 (query, document, grade) or TREC's 4",
                file=str(path),
            )
        yield parts[0], parts[-2], parts[-1]


def _judgements(reader: _Reader, path: Path, queries: set[str]) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for query, document, grade in _judgement_lines(reader, path):
        if query not in queries:
            raise InvalidFileError(f"{path}: the query {query!r} is judged and not in queries.jsonl", file=str(path))
        try:
            judgements.setdefault(query, {})[document] = int(float(grade))
        except ValueError:
            raise InvalidFileError(f"{path}: a grade is a number, not {grade!r}", file=str(path)) from None
    if not judgements:
        raise InvalidFileError(f"{path}: no judgement in it", file=str(path))
    return judgements


def _qrels_file(reader: _Reader) -> Path:
    found = reader.find("qrels.jsonl")
    if found is not None:
        return found
    folder = reader.folder / "qrels"
    for name in ("test.tsv", "test.txt", "test.qrels", "dev.tsv", "train.tsv"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise NotFoundError(f"{folder}: no test.tsv, and no qrels.jsonl beside it", file=str(folder))


def _read_retrieval(reader: _Reader, corpus_file: Path, queries_file: Path) -> tuple[dict[str, RetrievalSplit], bool]:
    corpus, queries = _documents(reader, corpus_file), _queries(reader, queries_file)
    judgements = _judgements(reader, _qrels_file(reader), {query["id"] for query in queries})
    queries = [query for query in queries if query["id"] in judgements]
    ranked = reader.find("top_ranked.jsonl")
    candidates = _candidates(reader, ranked, {row["id"] for row in corpus}) if ranked else None
    lengths = sorted({row["length"] for row in queries if "length" in row})
    if not lengths:
        return {"test": RetrievalSplit(corpus, queries, judgements, candidates)}, False
    splits = {}
    for length in lengths:
        asked = [query for query in queries if query.get("length") == length]
        judged = {query["id"]: judgements[query["id"]] for query in asked}
        splits[f"test_{length}"] = RetrievalSplit([row for row in corpus if row.get("length") == length], asked, judged)
    left = sum("length" not in row for row in (*queries, *corpus))
    if left:
        raise InvalidFileError(
            f"{reader.folder}: {left} lines have no context_length, and others have", file=str(reader.folder)
        )
    return splits, True


def _candidates(reader: _Reader, path: Path, documents: set[str]) -> dict[str, list[str]]:
    candidates = {}
    for row in reader.rows(path, "query-id", "corpus-ids"):
        ids = [str(one) for one in row["corpus-ids"]]
        unknown = next((one for one in ids if one not in documents), None)
        if unknown is not None:
            raise InvalidFileError(f"{path}: the document {unknown!r} is not in corpus.jsonl", file=str(path))
        candidates[_id(path, row, "query-id")] = ids
    return candidates


def _read_reranking(reader: _Reader, path: Path) -> dict[str, RetrievalSplit]:
    """Lines of query, positive, negative, each with candidates of its own; those without a side are left out."""
    corpus, queries = [], []
    judgements: dict[str, dict[str, int]] = {}
    candidates: dict[str, list[str]] = {}
    for number, row in enumerate(reader.rows(path, "query", "positive", "negative")):
        sides = {side: [row[side]] if isinstance(row[side], str) else row[side] for side in ("positive", "negative")}
        if not all(sides.values()):
            continue
        query = f"test_query{number}"
        queries.append({"id": query, "text": _text(path, row, "query")})
        # As mteb names them: among equal scores the order of ids decides.
        for side, prefix in (("positive", "apositive"), ("negative", "negative")):
            for index, text in enumerate(sides[side]):
                document = f"{prefix}_{query}_{index:05}"
                corpus.append({"id": document, "title": "", "text": str(text)})
                judgements.setdefault(query, {})[document] = int(side == "positive")
                candidates.setdefault(query, []).append(document)
    if not queries:
        raise InvalidFileError(f"{path}: no line has both a positive and a negative", file=str(path))
    return {"test": RetrievalSplit(corpus, queries, judgements, candidates)}


def _read_sts(reader: _Reader, path: Path) -> dict[str, list[Row]]:
    rows = reader.rows(path, "sentence1", "sentence2", "score")
    texts = ("sentence1", "sentence2")
    return {
        "test": [
            {**{name: _text(path, row, name) for name in texts}, "score": _number(path, row, "score")} for row in rows
        ]
    }


def _read_classification(reader: _Reader, train: Path, test: Path) -> dict[str, list[Row]]:
    splits = {}
    for name, path in (("train", train), ("test", test)):
        rows = reader.rows(path, "text", "label")
        splits[name] = [{"text": _text(path, row, "text"), "label": str(_label(path, row["label"]))} for row in rows]
    # Numbers, in the order of the labels: scikit-learn's average precision takes no others.
    numbers = {label: number for number, label in enumerate(sorted({row["label"] for row in splits["train"]}))}
    unknown = next((row["label"] for row in splits["test"] if row["label"] not in numbers), None)
    if unknown is not None:
        raise InvalidFileError(f"{test}: the label {unknown!r} is not in {train.name}", file=str(test))
    return {name: [{**row, "label": numbers[row["label"]]} for row in rows] for name, rows in splits.items()}


def _read_clustering(reader: _Reader, path: Path) -> dict[str, list[Row]]:
    rows = reader.rows(path, "text")
    key = "labels" if "labels" in rows[0] else "label"
    if any(row.get(key) is None for row in rows):
        raise InvalidFileError(f"{path}: a line has no {key!r}", file=str(path))
    levels = {len(row[key]) if isinstance(row[key], list) else 1 for row in rows}
    if len(levels) > 1:
        raise InvalidFileError(
            f"{path}: labels have {min(levels)} to {max(levels)} levels; all need as many", file=str(path)
        )
    return {"test": [{"sentences": _text(path, row, "text"), "labels": _label(path, row[key])} for row in rows]}


def _settings(reader: _Reader) -> Row:
    path = reader.folder / "task.json"
    if not path.is_file():
        return {}
    try:
        settings = json.loads(reader.text(path))
    except json.JSONDecodeError as error:
        raise InvalidFileError(f"{path}: {error}", file=str(path)) from error
    known = {"name", "description", "languages", "main_score"}
    if not isinstance(settings, dict) or settings.keys() - known:
        raise InvalidFileError(f"{path}: an object with some of {', '.join(sorted(known))}", file=str(path))
    return settings


def _read_kind(reader: _Reader) -> tuple[TaskKind, dict[str, Any]]:
    corpus, queries = reader.find("corpus.jsonl"), reader.find("queries.jsonl")
    if corpus is not None and queries is not None:
        splits, by_length = _read_retrieval(reader, corpus, queries)
        ranked = any(split.candidates is not None for split in splits.values())
        return "reranking" if ranked else "retrieval", {"retrieval": splits, "by_length": by_length}
    train, test = reader.find("train.jsonl"), reader.find("test.jsonl")
    if train is not None and test is not None:
        return "classification", {"rows": _read_classification(reader, train, test)}
    rankings = reader.find("reranking.jsonl")
    if rankings is not None:
        return "reranking", {"retrieval": _read_reranking(reader, rankings)}
    single: tuple[tuple[TaskKind, Callable[[_Reader, Path], dict[str, list[Row]]]], ...] = (
        ("sts", _read_sts),
        ("clustering", _read_clustering),
    )
    for kind, read in single:
        path = reader.find(f"{kind}.jsonl")
        if path is not None:
            return kind, {"rows": read(reader, path)}
    raise NotFoundError(f"{reader.folder}: no task in it. A task's folder has, for {FORMS}", file=str(reader.folder))


def read_task(folder: str | Path) -> TaskFolder:
    """The task in a folder, by the names of its files; raises NotFoundError, InvalidFileError."""
    path = Path(folder)
    if not path.is_dir():
        raise NotFoundError(f"{path}: no such folder", file=str(path))
    reader = _Reader(path)
    settings = _settings(reader)
    kind, splits = _read_kind(reader)
    name = str(settings.get("name", path.resolve().name))
    return TaskFolder(path=path, name=name, kind=kind, revision=reader.revision(), settings=settings, **splits)
