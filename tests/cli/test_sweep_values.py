#!/usr/bin/env python3
"""Holds the numbers of `treble sweep` to metrics written out in plain Python, on generated data that is not tidy.

The vectors are those of `treble embed`; similarity, ranking, judgements and metrics are golden.naive_metrics'.
Needs nothing but the standard library: `test_sweep_values.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from golden import naive_metrics

ARGUMENTS = argparse.Namespace(treble="", golden="")
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
NAMES = {"nDCG@10": "ndcg", "recall@10": "recall", "MAP@10": "map", "MRR@10": "mrr"}


def treble(*arguments: str | Path) -> str:
    """What the program prints; it has to succeed."""
    command = [ARGUMENTS.treble, *map(str, arguments), "--threads", "1"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False, env=dict(os.environ))
    if done.returncode:
        raise AssertionError(f"{command}\n{done.stderr}")
    return done.stdout


class Values(unittest.TestCase):
    """A folder of its own for each test."""

    LIMIT = 12
    """Tokens, of which the texts of write_texts mostly have more."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def rows(self, texts: list[str], *arguments: str) -> list[dict[str, object]]:
        """What `treble embed` says of each text."""
        path = self.folder / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        lines = treble("embed", "--model", self.model(), "--no-normalize", "--quiet", path, *arguments).splitlines()
        found = [row for row in map(json.loads, lines) if "embedding" in row]
        self.assertEqual(len(found), len(texts))
        return found

    def vectors(self, texts: list[str], *arguments: str) -> list[list[float]]:
        return [row["embedding"] for row in self.rows(texts, *arguments)]

    def sweep(self, data: Path, *arguments: str) -> dict[str, object]:
        fixed = ["-t", "0.8", "--bootstrap", "100", "--no-normalize", "--json", "-"]
        fixed += [] if "--post" in arguments else ["--post", "none"]
        return json.loads(treble("sweep", "--model", self.model(), data, *fixed, *arguments))

    def model(self) -> Path:
        return Path(ARGUMENTS.golden) / "bert" / "model"

    def write(self, name: str, content: str, packed: bool) -> None:
        path = self.folder / (name + ".gz" if packed else name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())

    def write_texts(self) -> tuple[dict[str, str], dict[str, str], dict[str, list[str]]]:
        draw = random.Random(5)
        documents = {f"d{n}": " ".join(draw.choices(WORDS, k=3 + n % 30)) + f" {n}" for n in range(70)}
        queries = {f"q{n}": " ".join(documents[f"d{n}"].split()[-3:]) for n in range(45)}
        relevant = {f"q{n}": [f"d{n}", f"d{(n * 7) % 70}"] for n in range(42)}
        # One that the corpus lacks, beside another one and alone.
        relevant |= {"q41": ["d41", "gone"], "q42": ["gone"], "q43": ["lost"], "q44": ["d44"]}
        for name, texts in (("corpus", documents), ("queries", queries)):
            rows = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
            self.write(f"{name}.jsonl", "".join(rows), False)
        rows = [f"{query}\t{document}\t1\n" for query, found in relevant.items() for document in found]
        self.write("qrels/test.tsv", "".join(rows), False)
        return documents, queries, relevant


class Corpus:
    """Texts and judgements of one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.shared_ids = seed % 3 == 0
        texts = [self.text(self.draw.randrange(2, 12)) for _ in range(self.draw.randrange(12, 70))]
        texts += self.draw.choices(texts, k=8)  # equal texts: equal scores
        self.documents = {self.identifier("d", number): text for number, text in enumerate(texts)}
        names = list(self.documents)
        self.queries = {}
        for number in range(14):
            source = self.draw.choice(names)
            name = source if self.shared_ids and number % 2 else self.identifier("q", number)
            self.queries[name] = " ".join(self.documents[source].split()[:3])
        known = [*names, *(f"absent{number}" for number in range(3))]
        self.judgements = [
            (query, self.draw.choice(known), self.draw.choice([0, 1, 1, 2, 3]))
            for query in self.queries
            for _ in range(self.draw.randrange(1, 9))
        ]
        self.judgements += [(query, document, 1) for query, document, _ in self.draw.choices(self.judgements, k=5)]
        self.judgements += [(query, self.draw.choice(names), 2) for query in list(self.queries)[:8]]

    def text(self, words: int) -> str:
        return " ".join(self.draw.choice(WORDS) + str(self.draw.randrange(50)) for _ in range(words))

    def identifier(self, kind: str, number: int) -> str:
        """Half of them are 30 digits, of which a double would keep 16."""
        return f"{'12' if kind == 'd' else '34'}{number:028d}" if number % 2 else f"{kind}{number}"

    def lines(self, texts: dict[str, str]) -> str:
        """Digits stand as a JSON number, or as a text."""
        rows = []
        for name, text in texts.items():
            bare = name.isdigit() and self.draw.random() < 0.5
            rows.append(f'{{"_id": {name if bare else json.dumps(name)}, "text": {json.dumps(text)}}}\n')
        return "".join(rows)

    def qrels(self) -> str:
        form = self.draw.randrange(4)
        if form < 2:
            heading = "query-id\tcorpus-id\tscore\n" if form else "\ufeff"
            return heading + "".join(f"{query}\t{document}\t{grade}\n" for query, document, grade in self.judgements)
        gap = "\t" if form == 2 else "  "
        return "".join(gap.join((query, "0", document, f"{grade}\r\n")) for query, document, grade in self.judgements)


class Retrieval(Values):
    def expected(self, corpus: Corpus, kind: str, ignore: bool) -> tuple[dict[str, float], int]:
        """Means of the metrics, and how many queries stand apart."""
        documents = dict(zip(corpus.documents, self.vectors(list(corpus.documents.values())), strict=True))
        queries = dict(zip(corpus.queries, self.vectors(list(corpus.queries.values())), strict=True))
        rows, apart = [], 0
        for query, grades in naive_metrics.last_grades(corpus.judgements).items():
            if max(grades.values()) <= 0:
                apart += 1
                continue
            scores = {
                name: naive_metrics.similarity(kind, queries[query], vector)
                for name, vector in documents.items()
                if not (ignore and name == query)
            }
            # Sums in another order differ in the last digits: equal texts have to stay equal.
            by_text: dict[str, float] = {}
            scores = {n: by_text.setdefault(corpus.documents[n], score) for n, score in scores.items()}
            rows.append(naive_metrics.ranking_metrics(naive_metrics.ranked(scores), grades))
        return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}, apart

    def test_generated_data(self) -> None:
        apart = notes = 0
        for seed in range(8):
            corpus = Corpus(seed)
            kind, ignore = SIMILARITIES[seed % 4], seed % 2 == 0
            packed = seed % 2 == 1
            for name in (*self.folder.glob("*"), *self.folder.glob("qrels/*")):
                if name.is_file():
                    name.unlink()
            self.write("corpus.jsonl", corpus.lines(corpus.documents), packed)
            self.write("queries.jsonl", corpus.lines(corpus.queries), packed)
            self.write("qrels/test.tsv", corpus.qrels(), packed)
            expected, alone = self.expected(corpus, kind, ignore)
            report = self.sweep(self.folder, "--similarity", kind, *(["--ignore-identical-ids"] if ignore else []))
            first = report["settings"][0]
            values = {"nDCG@10": first["value"], **first["others"]}
            for name, key in NAMES.items():
                self.assertAlmostEqual(values[name], expected[key], places=9, msg=f"seed {seed}, {kind}, {name}")
            self.assertEqual((report["similarity"], report["queries_apart"]), (kind, alone))
            apart += alone
            notes += any("never found" in note for note in report["notes"])
        self.assertGreater(apart, 0)
        self.assertGreater(notes, 4)


class Lengths(Values):
    """Texts of which a part is never read: counted, and put into buckets, by the tokens that they have."""

    EDGES = (16, 24)

    def bucket_of(self, tokens: list[int]) -> int | None:
        return sum(max(tokens) > edge for edge in self.EDGES) if tokens else None

    def test_lengths_are_the_texts_own(self) -> None:
        documents, queries, relevant = self.write_texts()
        limit = ("--max-length", str(self.LIMIT))
        report = self.sweep(
            self.folder, *limit, "--bucket-edges", ",".join(map(str, self.EDGES)), "--post", "chunk-mean:10",
        )  # fmt: skip
        rows = dict(zip(documents, self.rows(list(documents.values()), *limit), strict=True))
        asked = dict(zip(queries, self.vectors(list(queries.values()), *limit), strict=True))
        read = report["documents_read"]
        self.assertEqual((read["texts"], read["tokens"]), (70, sum(row["tokens"] for row in rows.values())))
        self.assertEqual(read["read"], sum(min(row["tokens"], self.LIMIT) for row in rows.values()))
        self.assertEqual(read["cut"], sum(row["tokens"] > self.LIMIT for row in rows.values()))
        self.assertGreater(read["unread"], 0.3)
        self.assertAlmostEqual(read["unread"], 1 - read["read"] / read["tokens"], places=12)
        self.assertEqual(report["queries_read"]["unread"], 0)
        self.assertEqual([row["documents_unread"] for row in report["settings"]], [read["unread"], 0] * 2)
        self.assertEqual(report["queries_without_document"], 2)
        share, longest = f"{100 * read['unread']:.0f} %", f"{read['cut']} of 70 have more than {self.LIMIT}"
        self.assertEqual(len(report["advice"]), 1)
        self.assertIn(f"{share} of the tokens of the documents were never read", report["advice"][0])
        self.assertIn(longest, report["advice"][0])
        values: dict[int | None, list[float]] = {}
        for query, found in relevant.items():
            scores = {n: naive_metrics.similarity("cosine", asked[query], r["embedding"]) for n, r in rows.items()}
            # Texts that begin alike have one vector, and sums in another order differ in the last digits.
            ranking = naive_metrics.ranked({n: round(score, 6) for n, score in scores.items()})
            metrics = naive_metrics.ranking_metrics(ranking, dict.fromkeys(found, 1))
            bucket = self.bucket_of([rows[n]["tokens"] for n in found if n in rows])
            values.setdefault(bucket, []).append(metrics["ndcg"])
        self.assertEqual(values.pop(None), [0, 0])
        self.assertEqual([b["items"] for b in report["buckets"]], [len(values[b]) for b in sorted(values)])
        for bucket, found in zip(report["buckets"], sorted(values), strict=True):
            self.assertAlmostEqual(bucket["values"][0], sum(values[found]) / len(values[found]), places=9)

    def test_the_advice_names_what_was_not_tried(self) -> None:
        self.write_texts()
        for arguments, words in (
            (("--max-length", "12"), ": try --post chunk-mean:12 or --try-max-length 96"),
            (("--max-length", "12", "--post", "chunk-mean:10"), ": try --try-max-length 96"),
            (("--max-length", "12", "--post", "chunk-mean:10", "--try-extend", "interpolate:64"), "were tried"),
        ):
            report = self.sweep(self.folder, *arguments)
            self.assertTrue(report["advice"][0].endswith(words), report["advice"])
        self.assertEqual(self.sweep(self.folder, "--max-length", "96")["advice"], [])


class Lever(Values):
    """Every setting of temperature, pieces, length and form is what `treble embed` gives under its flags."""

    def flags_of(self, row: dict[str, object]) -> list[str]:
        flags = ["--temperature", row["temperature"]]
        length = row["max_length"]
        for part in (row["model_form"] or "").split(" + "):
            name, _, number = part.partition(":")
            if number:
                flags += ["--extend", name]
                length = number
            elif name:
                flags += ["--dtype", name]
        flags += ["--post", row["post"]] if row["post"] else []
        return [*flags, "--max-length", str(length or self.LIMIT)]

    def test_values_runs_and_scores(self) -> None:
        documents, queries, relevant = self.write_texts()
        run, scores = self.folder / "runs" / "my.run.trec", self.folder / "scores.jsonl"
        run.parent.mkdir()
        report = self.sweep(
            self.folder, "--max-length", str(self.LIMIT), "--try-max-length", "40", "--try-dtype", "bfloat16",
            "--try-extend", "recur:128", "--post", "chunk-mean:10,chunk-max", "--run", run, "--run-depth", "12",
            "--scores", scores,
        )  # fmt: skip
        names = [row["name"] for row in report["settings"]]
        self.assertEqual(len(names), 28)
        lines = [json.loads(line) for line in scores.read_text().splitlines()]
        self.assertEqual([line["id"] for line in lines], list(relevant))
        self.assertEqual(len(list(run.parent.iterdir())), 28)
        for row in report["settings"]:
            flags = self.flags_of(row)
            vectors = dict(zip(documents, self.vectors(list(documents.values()), *flags), strict=True))
            asked = dict(zip(queries, self.vectors(list(queries.values()), *flags), strict=True))
            tag = row["name"].replace(" ", "")
            found = self.read_run(run.parent / f"my.run.{tag.replace(':', '-')}.trec", tag)
            self.assertEqual(list(found), list(relevant))
            total = 0.0
            for line, (query, judged) in zip(lines, relevant.items(), strict=True):
                expected = {n: naive_metrics.similarity("cosine", asked[query], v) for n, v in vectors.items()}
                ranking = naive_metrics.ranked({n: round(score, 6) for n, score in expected.items()})
                ndcg = naive_metrics.ranking_metrics(ranking, dict.fromkeys(judged, 1))["ndcg"]
                self.assertAlmostEqual(line["scores"][row["name"]], ndcg, places=9, msg=f"{row['name']}, {query}")
                total += ndcg
                self.assertEqual(len(found[query]), 12)
                for name, score in found[query].items():
                    self.assertAlmostEqual(score, expected[name], places=5, msg=f"{row['name']}, {query}, {name}")
                # A reader sorts by score, and has the same nDCG@10.
                own = naive_metrics.ranking_metrics(naive_metrics.ranked(found[query]), dict.fromkeys(judged, 1))
                self.assertAlmostEqual(own["ndcg"], ndcg, places=9)
            self.assertAlmostEqual(row["value"], total / len(relevant), places=9)

    def read_run(self, path: Path, tag: str) -> dict[str, dict[str, float]]:
        """As trec_eval, ranx and ir-measures read it."""
        found: dict[str, dict[str, float]] = {}
        for line in path.read_text().splitlines():
            query, q0, document, rank, score, name = line.split()
            scores = found.setdefault(query, {})
            self.assertEqual((q0, int(rank), name), ("Q0", len(scores) + 1, tag))
            self.assertLessEqual(float(score), min(scores.values(), default=2))
            scores[document] = float(score)
        return found

    def test_runs_are_refused_where_they_could_not_be_read(self) -> None:
        self.write_texts()
        corpus = self.folder / "corpus.jsonl"
        run = self.folder / "run.trec"
        self.sweep(self.folder, "--run", run)
        with self.assertRaisesRegex(AssertionError, r"run\.1\.trec.*--force"):
            self.sweep(self.folder, "--run", run)
        for name in ("d 3", "d\u00a03", ""):
            corpus.write_text(corpus.read_text().replace('"d3"', json.dumps(name)))
            with self.assertRaisesRegex(AssertionError, 'id ".*" of a document .* leave out --run'):
                self.sweep(self.folder, "--run", self.folder / "other.trec")
            corpus.write_text(corpus.read_text().replace(json.dumps(name), '"d3"'))
        pairs = self.folder / "pairs.jsonl"
        rows = [{"sentence1": f"sea {i}", "sentence2": "wind", "score": i % 5} for i in range(40)]
        pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with self.assertRaisesRegex(AssertionError, "--run: .*pairs, which have no rankings"):
            self.sweep(pairs, "--run", self.folder / "other.trec")
        self.sweep(pairs, "--scores", self.folder / "pairs.scores")
        scores = [json.loads(line) for line in (self.folder / "pairs.scores").read_text().splitlines()]
        self.assertEqual([row["id"] for row in scores], [str(i) for i in range(40)])
        a, b = self.vectors([row["sentence1"] for row in rows]), self.vectors(["wind"])[0]
        for line, vector in zip(scores, a, strict=True):
            self.assertAlmostEqual(line["scores"]["1"], naive_metrics.similarity("cosine", vector, b), places=6)


class Pairs(Values):
    def test_generated_pairs(self) -> None:
        for seed, kind in enumerate(SIMILARITIES):
            draw = random.Random(seed)
            texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 9))) for _ in range(60)]
            first, second = draw.choices(texts, k=40), draw.choices(texts, k=40)
            a, b = self.vectors(first), self.vectors(second)
            scores = [naive_metrics.similarity(kind, x, y) for x, y in zip(a, b, strict=True)]
            # The same two texts again are a tie, whatever the order of the sums.
            by_texts: dict[frozenset[str], float] = {}
            scores = [by_texts.setdefault(frozenset(pair), s) for *pair, s in zip(first, second, scores, strict=True)]
            for graded in (True, False):
                labels = [float(draw.randrange(6 if graded else 2)) for _ in scores]
                rows = zip(first, second, labels, strict=True)
                path = self.folder / "pairs.jsonl"
                path.write_text(
                    "".join(json.dumps({"sentence1": x, "sentence2": y, "score": s}) + "\n" for x, y, s in rows)
                )
                report = self.sweep(path, "--similarity", kind)
                metric = naive_metrics.spearman if graded else naive_metrics.average_precision
                self.assertAlmostEqual(
                    report["settings"][0]["value"], metric(scores, labels), places=9, msg=f"{kind}, graded: {graded}"
                )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
