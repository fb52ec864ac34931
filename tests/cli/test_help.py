#!/usr/bin/env python3
"""Drives the command line itself: help that fits, examples that run, suggestions, empty values, lists.

Needs nothing but the standard library: `test_help.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import growing_states

ARGUMENTS = argparse.Namespace(treble="", golden="")
COMMANDS = (
    "embed",
    "rerank",
    "inspect",
    "sweep",
    "calibrate",
    "fit",
    "collapse-model",
    "passkey",
    "bake",
    "info",
    "models",
    "pull",
    "convert",
)
MODEL = "models/all-MiniLM-L6-v2"


def treble(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end, with nothing on standard input."""
    return subprocess.run(
        [ARGUMENTS.treble, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def bert() -> Path:
    return Path(ARGUMENTS.golden) / "bert" / "model"


def lines_of(count: int, words: int) -> list[str]:
    """Texts that differ in length and in what they say."""
    return [
        " ".join(f"the ferry {(i * 7 + word * 3) % 41} harbour {(i + word) % 29}" for word in range(1 + i % words))
        for i in range(count)
    ]


class Folder(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path


class Help(unittest.TestCase):
    """What --help says."""

    def test_it_fits_the_terminal(self) -> None:
        for arguments in ((), *((command,) for command in COMMANDS)):
            for columns in (60, 80, 100):
                done = treble(*arguments, "--help", COLUMNS=str(columns))
                self.assertEqual(done.returncode, 0, done.stderr)
                # Examples stand as they are typed, and need 80.
                too_long = [
                    line
                    for line in done.stdout.splitlines()
                    if len(line) > columns and not (columns < 80 and line.startswith("  "))
                ]
                self.assertEqual(too_long, [], (arguments, columns))
        self.assertLess(
            len(treble("embed", "--help", COLUMNS="100").stdout.splitlines()),
            len(treble("embed", "--help", COLUMNS="60").stdout.splitlines()),
        )

    def test_every_option_is_described(self) -> None:
        for command in COMMANDS:
            text = treble(command, "--help").stdout
            self.assertIn("Usage: treble " + command, text)
            self.assertIn("Examples:", text)
            for noise in (":INT", "{false}", "\n\n\n", "Env:", "Excludes:"):
                self.assertNotIn(noise, text)


class Examples(Folder):
    """The examples of --help, run as they stand, on a tiny model under the name of the real one."""

    def setUp(self) -> None:
        super().setUp()
        golden = Path(ARGUMENTS.golden)
        # A tiny T5 has no table of positions, so that it reads the lengths that the real model reads.
        shutil.copytree(golden / "t5" / "model", self.folder / MODEL)
        settings = self.folder / MODEL / "sentence_bert_config.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "max_seq_length": 256}))
        snapshots = self.folder / "cache" / "models--sentence-transformers--all-MiniLM-L6-v2" / "snapshots"
        snapshots.mkdir(parents=True)
        (snapshots / "0123").symlink_to(self.folder / MODEL)
        shutil.copytree(golden / "mpnet" / "model", self.folder / "models" / "all-mpnet-base-v2")
        corpus = "".join(json.dumps({"_id": f"d{i}", "text": text}) + "\n" for i, text in enumerate(lines_of(90, 50)))
        self.write("corpus.jsonl", corpus)
        self.write("scifact/corpus.jsonl", corpus)
        growing_states.write_model(self.folder / "models" / "mamba2")
        lengths = (30, 200, 700, 800)
        texts = [json.dumps({"text": growing_states.text_of(length, i)}) for i, length in enumerate(lengths)]
        self.write("long.jsonl", "".join(f"{text}\n" for text in texts))
        labelled = "".join(json.dumps({"text": t, "label": i % 3}) + "\n" for i, t in enumerate(lines_of(60, 9)))
        self.write("labelled.jsonl", labelled)
        with gzip.open(self.folder / "papers.jsonl.gz", "wt") as file:
            file.writelines(json.dumps({"meta": {"abstract": text}}) + "\n" for text in lines_of(9, 50))
        for i, text in enumerate(lines_of(20, 9)):
            self.write(f"notes/{i}.md", text)
        queries = "".join(
            json.dumps({"_id": f"q{i}", "text": " ".join(text.split()[:3])}) + "\n"
            for i, text in enumerate(lines_of(20, 50))
        )
        self.write("scifact/queries.jsonl", queries)
        judged = "".join(f"q{i}\td{i}\t1\n" for i in range(20))
        self.write("scifact/qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + judged)
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "treble").symlink_to(Path(ARGUMENTS.treble).resolve())

    def examples(self, command: str) -> str:
        """The indented lines behind "Examples:"; those that go on end in a backslash."""
        text = treble(*([command] if command else []), "--help").stdout
        block = text.split("Examples:" if command else "Start here:")[1].lstrip("\n").split("\n\n")[0]
        # What fetches a model, test_pull.py tests with a server of its own.
        return "\n".join(line for line in block.splitlines() if not line.startswith("  treble pull"))

    def run_examples(self, command: str) -> None:
        script = self.examples(command)
        self.assertIn("treble", script)
        if "--onnx" in script:
            script = "\n".join(line for line in script.splitlines() if "--onnx" not in line)
        environment = {name: value for name, value in os.environ.items() if name != "TREBLE_MODEL"}
        environment["HF_HUB_CACHE"] = str(self.folder / "cache")
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
            env=environment,
        )
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])

    def test_main(self) -> None:
        self.run_examples("")

    def test_embed(self) -> None:
        shutil.copytree(Path(ARGUMENTS.golden) / "sparse" / "bert" / "model", self.folder / "models" / "splade")
        self.copy_multi_vector()
        self.run_examples("embed")
        self.assertTrue((self.folder / "corpus.npz").exists())
        self.assertTrue((self.folder / "notes.npz").exists())
        self.assertTrue((self.folder / "papers.npy.json").exists())

    def copy_multi_vector(self) -> None:
        late = Path(ARGUMENTS.golden) / "multi-vector" / "pylate-bert" / "model"
        shutil.copytree(late, self.folder / "models" / "colbert")

    def copy_reranker(self) -> None:
        reranker = Path(ARGUMENTS.golden) / "rerankers" / "bert" / "model"
        shutil.copytree(reranker, self.folder / "models" / "ms-marco-MiniLM-L6-v2")

    def test_rerank(self) -> None:
        self.copy_reranker()
        self.write("pairs.jsonl", "".join(json.dumps({"query": "q", "text": t}) + "\n" for t in lines_of(5, 9)))
        self.run_examples("rerank")
        self.assertEqual(len((self.folder / "scores.jsonl").read_text().splitlines()), 6)

    def test_inspect(self) -> None:
        self.copy_multi_vector()
        self.run_examples("inspect")
        self.assertTrue((self.folder / "tokens.html").exists())
        self.assertTrue((self.folder / "report.html").exists())
        self.assertTrue((self.folder / "classes.html").exists())
        self.assertTrue((self.folder / "states.html").exists())

    def test_sweep(self) -> None:
        self.copy_reranker()
        run = (f"q{i} Q0 d{(i + n) % 50} {n} {-n} bm25\n" for i in range(20) for n in range(5))
        self.write("bm25.trec", "".join(run))
        self.run_examples("sweep")

    def test_calibrate(self) -> None:
        self.run_examples("calibrate")

    def test_fit(self) -> None:
        self.run_examples("fit")

    def test_collapse_model(self) -> None:
        texts = self.write("labelled.txt", "\n".join(lines_of(40, 20)))
        done = treble("embed", "--model", bert(), texts, "-o", self.folder / "vectors.npy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("labels.txt", "".join(f"{i % 4}\n" for i in range(40)))
        self.run_examples("collapse-model")
        self.assertTrue((self.folder / "collapse.html").exists())

    def test_passkey(self) -> None:
        model = Path(ARGUMENTS.golden).parent / "data" / "state-passkey" / "model"
        (self.folder / "models").mkdir(exist_ok=True)
        (self.folder / "models" / "mamba2-130m-hf").symlink_to(model)
        self.run_examples("passkey")
        self.assertTrue((self.folder / "passkey.html").exists())

    def test_bake(self) -> None:
        # What --onnx does, test_bake_onnx.py tests with a model of that kind.
        self.run_examples("bake")
        self.assertTrue((self.folder / "models" / "MiniLM-t0.8" / "treble.json").exists())

    def test_info(self) -> None:
        self.run_examples("info")


class Usage(Folder):
    """Slips are named, with what may have been meant."""

    def refused(self, *arguments: str | Path) -> str:
        done = treble(*arguments)
        self.assertEqual(done.returncode, 64, (arguments, done.stderr))
        return done.stderr

    def test_suggestions(self) -> None:
        for words, arguments in (
            ("did you mean embed?", ("embd", "x.txt")),
            ("did you mean inspect?", ("inpsect",)),
            ("there are embed, rerank, inspect", ("frobnicate",)),
            ("name a command: embed, rerank, inspect", ()),
            ("embed has no option --temprature; did you mean --temperature?", ("embed", "--temprature", "0.8")),
            ("did you mean --max-length?", ("embed", "--max-lenght=64")),
            ("did you mean --normalize?", ("embed", "--normalise")),
            ("did you mean bfloat16?", ("embed", "--dtype", "bfloat", "-")),
            (
                '"grupo" is none of group, group-long, interpolate, interpolate-long, none, ntk, ntk-long, recur; '
                "did you mean group?",
                ("info", "--extend", "grupo"),
            ),
            ('"left" is none of end, start, error', ("embed", "--truncate", "left")),
        ):
            self.assertIn(words, self.refused(*arguments))
        message = self.refused("embed", "--nonsense-altogether")
        self.assertNotIn("did you mean", message)
        self.assertIn("try: treble embed --help", message)

    def test_a_value_that_looks_like_an_option_is_a_value(self) -> None:
        texts = self.write("a.txt", "a letter\n")
        done = treble("embed", "--model", bert(), "--prompt", "--temprature", texts)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[0])["treble"]["prompt"], "--temprature")

    def test_an_empty_value_is_empty(self) -> None:
        texts = self.write("a.jsonl", '{"title": "a", "text": "letter"}\n')
        model = ("--model", bert())
        head, row = treble("embed", *model, "--title-field=", texts).stdout.splitlines()
        untitled = treble("embed", *model, self.write("b.txt", "letter\n")).stdout.splitlines()[1]
        self.assertEqual(json.loads(row)["embedding"], json.loads(untitled)["embedding"])
        head = treble("embed", *model, "--prompt=", texts).stdout.splitlines()[0]
        self.assertEqual(json.loads(head)["treble"]["prompt"], "")
        head = treble("embed", *model, "--prompt-name=", texts).stdout.splitlines()[0]
        self.assertEqual(json.loads(head)["treble"]["prompt"], "")
        for option in ("--max-length", "--model", "-o", "--temperature", "--json-summary"):
            message = self.refused("embed", *model[: 0 if option == "--model" else 2], option, "", texts)
            self.assertIn("has an empty value", message)
        self.assertIn("--max-length has an empty value", self.refused("embed", *model, "--max-length=", texts))
        self.assertIn("--force= has no value", self.refused("embed", *model, "--force=", texts))

    def test_a_list_leaves_the_next_argument_alone(self) -> None:
        texts = self.write("a.txt", "\n".join(lines_of(40, 20)))
        pairs = self.write(
            "pairs.jsonl",
            "".join(
                json.dumps({"sentence1": text, "sentence2": text[5:], "score": i % 5}) + "\n"
                for i, text in enumerate(lines_of(40, 20))
            ),
        )
        out = self.folder / "p.json"
        for command in (
            ("calibrate", "--reference-length", "16", "--lengths", "16,32", texts, "-o", out),
            ("inspect", "--cut-lengths", "8,16", texts),
            ("inspect", "--bucket-edges", "16,32", texts),
            ("inspect", "--layers", "0,1", texts),
            ("inspect", "--post", "centring,whitening:4", texts),
            ("inspect", "--temperature", "0.8", texts),
            ("sweep", "-t", "0.8", "--post", "centring,whitening:4", pairs),
            ("sweep", "-t", "0.8", "--bucket-edges", "16,32", pairs),
            ("sweep", "-t", "0.8", "--try-dtype", "bfloat16,int8", pairs),
            ("sweep", "-t", "0.8", "--try-extend", "group:128,recur:128", pairs),
        ):
            done = treble(*command, "--model", bert())
            self.assertEqual(done.returncode, 0, (command, done.stderr))
        self.assertEqual(json.loads(out.read_text())["lengths"], [16, 32])

    def test_an_extension_without_effect_is_said(self) -> None:
        texts = self.write("a.txt", "a letter\n")
        for options in ((), ("--max-length", "64"), ("--max-length", "96")):
            done = treble("embed", "--model", bert(), "--extend", "group", *options, texts)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("--extend group has no effect", done.stderr)
        done = treble("embed", "--model", bert(), "--extend", "group", "--max-length", "128", texts)
        self.assertNotIn("has no effect", done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = str(Path(parsed.treble).resolve()), str(Path(parsed.golden).resolve())
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
