#!/usr/bin/env python3
"""Drives what every command writes: nothing is mixed, nothing is lost, whatever the standard streams are.

Needs nothing but the standard library: `test_outputs.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
QUICK = ("--bootstrap", "100", "-t", "0.8", "--post", "none")


def treble(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120, check=False)


def lines_of(count: int, words: int = 12) -> str:
    """Texts that differ in length and in what they say."""
    lines = (
        " ".join(f"the ferry {(i * 7 + word * 3) % 41} harbour" for word in range(1 + i % words)) for i in range(count)
    )
    return "\n".join(lines) + "\n"


def rows_in(path: Path) -> int:
    """The rows that an npy file says it has; checks that it has as many bytes as that takes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<H", data[8:10])
    count, dim = (int(part) for part in data[10 : 10 + length].decode().split("(")[1].split(")")[0].split(","))
    assert len(data) == 10 + length + 4 * count * dim, (count, dim, len(data))
    return count


class Folder(unittest.TestCase):
    """A folder of its own for each test, with a model and some texts in it."""

    family = "bert"

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.model = self.folder / "model"
        shutil.copytree(Path(ARGUMENTS.golden) / self.family / "model", self.model)
        self.texts = self.write("texts.txt", lines_of(40))

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run_command(self, command: str, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = treble(command, "--model", self.model, *arguments)
        self.assertEqual(done.returncode, code, (command, arguments, done.stderr))
        return done

    def profile(self, name: str, scale: float) -> Path:
        table = [[[scale]]] * json.loads((self.model / "config.json").read_text()).get("num_hidden_layers", 2)
        content = {"schema": "treble.temperature_profile/1", "lengths": [16], "logit_scales": table}
        return self.write(name, json.dumps(content))

    def pairs(self) -> Path:
        texts = lines_of(41).splitlines()
        rows = (
            {"sentence1": first, "sentence2": second, "score": i % 5}
            for i, (first, second) in enumerate(itertools.pairwise(texts))
        )
        return self.write("pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


class Content(Folder):
    """What vectors depend on counts by content, not by name."""

    family = "t5"  # has a Dense module

    def stopped_output(self, *options: str | Path) -> Path:
        """An output of the first texts alone, which --resume goes on with."""
        out = self.folder / "v.npy"
        first = self.write("first.txt", lines_of(20))
        self.run_command("embed", first, "-o", out, *options)
        return out

    def damage(self, name: str) -> None:
        """Changes a file's content, not its meaning where it is JSON."""
        path = self.model / name
        if name.endswith(".json"):
            path.write_text(path.read_text() + "\n")
        else:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)

    def test_what_int8_made_of_the_weights_is_kept_by_content(self) -> None:
        kept = self.folder / "kept"
        outs = [self.folder / f"{i}.npy" for i in range(4)]

        def prepared() -> str:
            text = self.run_command("info", "--json", "--dtype", "int8", "--cache", kept).stdout
            return str(json.loads(text)["prepared_from"])

        self.run_command("embed", self.texts, "-o", outs[0], "--dtype", "int8")
        self.run_command("embed", self.texts, "-o", outs[1], "--dtype", "int8", "--cache", kept)
        (file,) = kept.iterdir()
        self.run_command("embed", self.texts, "-o", outs[2], "--dtype", "int8", "--cache", kept)
        self.assertEqual(prepared(), str(file))
        self.assertEqual(outs[0].read_bytes(), outs[1].read_bytes())
        self.assertEqual(outs[0].read_bytes(), outs[2].read_bytes())
        self.damage("model.safetensors")
        self.assertEqual(prepared(), "")
        self.damage("model.safetensors")
        file.write_bytes(file.read_bytes()[:-1])
        done = self.run_command("embed", self.texts, "-o", outs[3], "--dtype", "int8", "--cache", kept, code=65)
        self.assertIn(str(file), done.stderr)
        self.assertIn("--cache", done.stderr)

    def test_resume_refuses_another_model(self) -> None:
        out = self.stopped_output()
        names = (
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "modules.json",
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "sentence_bert_config.json",
        )
        for name in names:
            before = (self.model / name).read_bytes()
            self.damage(name)
            done = self.run_command("embed", self.texts, "-o", out, "--resume", code=64)
            self.assertIn(f"{name} of the model is not what it was", done.stderr)
            (self.model / name).write_bytes(before)
        self.write("model/special_tokens_map.json", "{}")
        done = self.run_command("embed", self.texts, "-o", out, "--resume", code=64)
        self.assertIn("special_tokens_map.json of the model", done.stderr)
        (self.model / "special_tokens_map.json").unlink()
        self.damage("model.safetensors")
        done = self.run_command("embed", self.texts, "-o", out, "--resume", code=64)
        self.assertIn("weights", done.stderr)

    def test_resume_takes_the_same_model_of_another_name(self) -> None:
        out = self.stopped_output()
        self.model = self.model.rename(self.folder / "moved")
        self.write("moved/README.md", "not part of the model")
        self.run_command("embed", self.texts, "-o", out, "--resume")
        self.assertEqual(rows_in(out), 40)

    def test_resume_refuses_another_profile_of_the_same_name(self) -> None:
        profile = self.profile("p.json", 1.25)
        out = self.stopped_output("-t", f"match:{profile}")
        self.profile("p.json", 2.5)
        done = self.run_command("embed", self.texts, "-o", out, "--resume", "-t", f"match:{profile}", code=64)
        self.assertIn("temperature_canonical", done.stderr)
        # The same numbers under another name, written otherwise, are the same temperature.
        content = json.loads(self.profile("q.json", 1.25).read_text())
        self.write("q.json", json.dumps({**content, "texts": 9}, indent=3))
        self.run_command("embed", self.texts, "-o", out, "--resume", "-t", f"match:{self.folder / 'q.json'}")

    def test_resume_refuses_other_options(self) -> None:
        out = self.stopped_output()
        for option, field in (
            (("--prompt", "query: "), "prompt"),
            (("--max-length", "20"), "max_length"),
            (("--truncate", "start"), "truncation"),
            (("--no-normalize",), "normalized"),
            (("--dimensions", "8"), "dim"),
            (("--dtype", "int8"), "compute_dtype"),
            (("--special-tokens-as-text",), "special_tokens_as_text"),
            (("--temper-position-bias", "false"), "temper_position_bias"),
            (("--post", "chunk-mean"), "post"),
        ):
            done = self.run_command("embed", self.texts, "-o", out, "--resume", *option, code=64)
            self.assertIn(f"made with {field}", done.stderr)

    def test_resume_refuses_another_version_of_the_numerics(self) -> None:
        out = self.stopped_output()
        sidecar = self.folder / "v.npy.json"
        saved = json.loads(sidecar.read_text())
        sidecar.write_text(json.dumps({**saved, "numerics": saved["numerics"] - 1}))
        self.assertIn("numerics", self.run_command("embed", self.texts, "-o", out, "--resume", code=64).stderr)

    def test_the_cache_of_sweep_misses_when_anything_changes(self) -> None:
        pairs = self.pairs()
        profile = self.profile("p.json", 1.25)
        options = (pairs, *QUICK[:2], "-t", profile, "--post", "none", "--json", "-")
        cache = self.folder / "cache"

        def values(*more: str | Path) -> list[float]:
            done = self.run_command("sweep", *options, *more)
            return [row["value"] for row in json.loads(done.stdout)["settings"]]

        values("--cache", cache)
        kept = len(list(cache.iterdir()))
        self.assertEqual(values("--cache", cache), values())
        self.assertEqual(len(list(cache.iterdir())), kept)

        def swap_vocabulary() -> None:
            tokenizer = self.model / "tokenizer.json"
            tokenizer.write_text(tokenizer.read_text().replace("ferry", "yrref"))

        def flip_dense() -> None:
            path = self.model / "2_Dense" / "model.safetensors"
            data = bytearray(path.read_bytes())
            for at in range(len(data) - 1, len(data) - 2000, -16):  # signs of some of the floats
                data[at] ^= 0x80
            path.write_bytes(data)

        for change in (lambda: self.profile("p.json", 4.0), flip_dense, lambda: self.damage("tokenizer.json")):
            before = len(list(cache.iterdir()))
            change()
            self.assertEqual(values("--cache", cache), values())
            self.assertGreater(len(list(cache.iterdir())), before)

    def test_a_fitted_step_belongs_to_the_model_and_the_profile(self) -> None:
        profile = self.profile("p.json", 1.25)
        step = self.folder / "step.safetensors"
        self.run_command("fit", "--transform", "centring", self.texts, "-o", step, "-t", profile)
        embed = ("embed", self.texts, "--post", step, "-t", profile)
        self.run_command(*embed)
        self.profile("p.json", 2.5)
        self.assertIn("temperature", self.run_command(*embed, code=64).stderr)
        self.profile("p.json", 1.25)
        self.damage("tokenizer.json")
        self.assertIn("tokenizer.json", self.run_command(*embed, code=64).stderr)

    def test_every_output_says_what_it_depends_on(self) -> None:
        out = self.folder / "v.npy"
        options = ("--prompt", "query: ", "--max-length", "40")
        self.run_command("embed", self.texts, "-o", out, *options)
        self.run_command(
            "calibrate",
            self.texts,
            "-o",
            self.folder / "p.json",
            "--reference-length",
            "8",
            "--lengths",
            "8,16",
            "--max-length",
            "40",
        )
        step = self.folder / "step.safetensors"
        self.run_command("fit", "--transform", "centring", self.texts, "-o", step, *options)
        data = step.read_bytes()
        header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
        inspect = self.run_command("inspect", self.texts, *options, "--json", "-", "--bootstrap", "10")
        sweep = self.run_command("sweep", self.pairs(), *QUICK, *options, "--json", "-", "--try-dtype", "int8")
        jsonl = self.run_command("embed", self.texts, *options).stdout.splitlines()[0]
        sidecar = json.loads((self.folder / "v.npy.json").read_text())
        told = {
            "embed": sidecar,
            "embed to stdout": json.loads(jsonl)["treble"],
            "calibrate": json.loads((self.folder / "p.json").read_text())["provenance"],
            "fit": json.loads(header["__metadata__"]["treble_transform"])["vectors"]
            if "treble_transform" in header["__metadata__"]
            else json.loads(next(iter(header["__metadata__"].values())))["vectors"],
            "inspect": json.loads(inspect.stdout)["provenance"],
            "sweep": json.loads(sweep.stdout)["provenance"],
        }
        for name, provenance in told.items():
            self.assertEqual(provenance["model"], sidecar["model"], name)
            self.assertEqual(
                set(provenance["model"]["files"])
                >= {
                    "config.json",
                    "tokenizer.json",
                    "modules.json",
                    "1_Pooling/config.json",
                    "2_Dense/model.safetensors",
                    "weights",
                },
                True,
                name,
            )
            self.assertEqual(provenance["prompt"], "" if name == "calibrate" else "query: ", name)
            for field in (
                "max_length",
                "compute_dtype",
                "similarity",
                "numerics",
                "temperature_canonical",
                "pooling",
                "truncation",
                "cpu_isa",
                "normalized",
                "special_tokens_as_text",
            ):
                self.assertEqual(provenance[field], sidecar[field], (name, field))
        self.assertEqual(json.loads(sweep.stdout)["form_provenance"]["int8"]["compute_dtype"], "int8")
        self.assertEqual(json.loads(inspect.stdout)["temperatures_canonical"], ["1"])


class Files(Folder):
    """No file is lost: neither what is read, nor what was written before, nor what happens to lie there."""

    def test_files_of_temporary_names_stay(self) -> None:
        names = ("v.npy.json.tmp", "v.npy.tmp", "r.json.tmp", "r.html.tmp", "p.json.part", "p.json.tmp", "s.json.tmp")
        mine = [self.write(name, "mine") for name in names]
        precious = self.write("precious", "untouched")
        (self.folder / "step.safetensors.tmp").symlink_to(precious)
        self.run_command("embed", self.texts, "-o", self.folder / "v.npy", "--json-summary", self.folder / "s.json")
        self.run_command("inspect", self.texts, "--json", self.folder / "r.json", "--html", self.folder / "r.html")
        self.run_command(
            "calibrate", self.texts, "-o", self.folder / "p.json", "--reference-length", "8", "--lengths", "8,16"
        )
        self.run_command("fit", "--transform", "centring", self.texts, "-o", self.folder / "step.safetensors")
        self.assertEqual({path.read_text() for path in mine}, {"mine"})
        self.assertEqual(precious.read_text(), "untouched")
        self.assertFalse([path for path in self.folder.iterdir() if path.name.startswith(".")])

    def outputs(self) -> list[tuple[str, tuple[str | Path, ...], str]]:
        """Each option of each command that names a file to write."""
        lengths = ("--reference-length", "8", "--lengths", "8,16")
        return [
            ("embed", (self.texts,), "-o"),
            ("embed", (self.texts,), "--json-summary"),
            ("inspect", (self.texts,), "--json"),
            ("inspect", (self.texts,), "--html"),
            ("calibrate", (self.texts, *lengths), "-o"),
            ("fit", (self.texts, "--transform", "centring"), "-o"),
            ("sweep", (self.pairs(), *QUICK), "--json"),
            ("sweep", (self.pairs(), *QUICK), "--html"),
        ]

    def test_nothing_is_written_over_what_is_read(self) -> None:
        profile = self.profile("profile.json", 1.25)
        for command, arguments, option in self.outputs():
            given = [arguments[0], self.model / "tokenizer.json", self.model / "1_Pooling" / "config.json"]
            more: list[str | Path] = []
            if command != "calibrate":
                more += ["-t", profile]
                given.append(profile)
            if command == "inspect":
                queries = self.write("queries.txt", "the ferry\n")
                more += ["--queries", queries]
                given.append(queries)
            for path in map(Path, given):
                link = self.folder / "link.jsonl"
                os.link(path, link)
                before = path.read_bytes()
                for target in (link, path) if (command, option) != ("embed", "-o") else (link,):
                    done = treble(command, "--model", self.model, *arguments, *more, option, target, "--force")
                    self.assertEqual(done.returncode, 64, (command, option, path, done.stderr))
                    self.assertIn("at once; write somewhere else", done.stderr)
                    self.assertEqual(path.read_bytes(), before)
                link.unlink()

    def test_embed_does_not_write_over_a_fitted_step(self) -> None:
        step = self.folder / "step.safetensors"
        self.run_command("fit", "--transform", "centring", self.texts, "-o", step)
        link = self.folder / "v.jsonl"
        os.link(step, link)
        for option in ("-o", "--json-summary"):
            done = self.run_command("embed", self.texts, "--post", step, option, link, "--force", code=64)
            self.assertIn("--post", done.stderr)

    def test_standard_output_is_not_an_input(self) -> None:
        before = self.texts.read_bytes()
        with self.texts.open("ab") as out:
            command = [ARGUMENTS.treble, "embed", "--model", self.model, self.texts]
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual(done.returncode, 64)
        self.assertEqual(self.texts.read_bytes(), before)

    def test_a_new_file_does_not_become_part_of_the_model(self) -> None:
        for name in ("added_tokens.json", "sentence_roberta_config.json"):
            done = self.run_command("inspect", self.texts, "--json", self.model / name, code=64)
            self.assertIn("part of the model", done.stderr)
        self.run_command("inspect", self.texts, "--json", self.model / "report.json")

    def test_two_outputs_need_two_places(self) -> None:
        report = self.folder / "r.json"
        done = self.run_command(
            "inspect", self.texts, "--json", report, "--html", self.folder / "." / "r.json", code=64
        )
        self.assertIn("--json and --html both go to", done.stderr)
        done = self.run_command("embed", self.texts, "--json-summary", "-", code=64)
        self.assertIn("both go to stdout", done.stderr)
        out = self.folder / "v.npy"
        done = self.run_command("embed", self.texts, "-o", out, "--json-summary", f"{out}.json", code=64)
        self.assertIn("both go to", done.stderr)

    def test_what_exists_is_replaced_with_force_alone(self) -> None:
        for command, arguments, option in self.outputs():
            suffix = ".npy" if (command, option) == ("embed", "-o") else ".json"
            old = self.write(f"{command}{option}{suffix}", "old")
            done = treble(command, "--model", self.model, *arguments, option, old)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn("--force", done.stderr)
            self.assertEqual(old.read_text(), "old")
            self.run_command(command, *arguments, option, old, "--force")
            self.assertNotEqual(old.read_bytes(), b"old")

    def test_a_link_stays_a_link(self) -> None:
        (self.folder / "far").mkdir()
        for name, command in (
            ("r.json", ("inspect", self.texts, "--json")),
            ("v.npy", ("embed", self.texts, "-o")),
            ("v.jsonl", ("embed", self.texts, "-o")),
        ):
            link = self.folder / name
            link.symlink_to(self.folder / "far" / name)
            for options in ((), ("--force",)):
                self.run_command(*command, link, *options)
                self.assertTrue(link.is_symlink())
                self.assertGreater((self.folder / "far" / name).stat().st_size, 1000)

    def test_places_are_tried_before_the_model_is_loaded(self) -> None:
        self.model = self.folder / "no-model-here"
        nowhere = self.folder / "none" / "x.npy"
        for command, arguments, option in self.outputs():
            done = treble(command, "--model", self.model, *arguments, option, nowhere)
            self.assertEqual(done.returncode, 66, done.stderr)
            self.assertIn(str(nowhere), done.stderr)
            self.assertNotIn("no-model-here", done.stderr)
            self.assertIn(
                "folder",
                treble(command, "--model", self.model, *arguments, option, f"{self.folder}").stderr
                if option != "-o" or command != "embed"
                else "folder",
            )
        # What was opened is not left behind by a run that comes to nothing.
        self.run_command("embed", self.texts, "-o", self.folder / "v.npy", code=66)
        self.assertFalse((self.folder / "v.npy").exists())

    def test_dash_is_standard_output_or_an_error(self) -> None:
        out = self.folder / "v.npy"
        summary = self.run_command("embed", self.texts, "-o", out, "--json-summary", "-").stdout
        self.assertEqual(json.loads(summary)["texts"], 40)
        profile = self.run_command("calibrate", self.texts, "--reference-length", "8", "--lengths", "8,16", "-o", "-")
        self.assertEqual(json.loads(profile.stdout)["lengths"], [8, 16])
        self.assertIn("logit scale", profile.stderr)
        for arguments in (
            ("fit", self.texts, "--transform", "centring", "-o", "-"),
            ("bake", "-t", "0.8", "-o", "-"),
            ("bake", "-t", "0.8", "--onnx", "in.onnx", "-"),
            ("sweep", self.pairs(), "--cache", "-"),
        ):
            self.run_command(*arguments, code=64)
        self.assertFalse(Path("-").exists())


class Replacing(Folder):
    """--force: the old output stays until the new one is whole."""

    def setUp(self) -> None:
        super().setUp()
        self.out = self.folder / "v.npy"
        self.sidecar = self.folder / "v.npy.json"
        self.partial = self.folder / "v.npy.partial"
        self.run_command("embed", self.texts, "-o", self.out, "-t", "0.8")
        self.old = (self.out.read_bytes(), self.sidecar.read_bytes())

    def assert_old_stands(self) -> None:
        self.assertEqual((self.out.read_bytes(), self.sidecar.read_bytes()), self.old)

    def test_a_failing_run_leaves_the_old_and_what_it_has(self) -> None:
        fine = [f"letter {i}" for i in range(30)]
        broken = self.write("b.txt", "\n".join([*fine[:20], "word " * 90, *fine[20:]]))
        options = ("-o", self.out, "--truncate", "error", "--chunk-texts", "5")
        done = self.run_command("embed", broken, *options, "--force", code=65)
        self.assertIn("v.npy.partial has the 20 rows before that", done.stderr)
        self.assert_old_stands()
        self.assertEqual(rows_in(self.partial), 20)
        broken.write_text("\n".join(fine))
        done = self.run_command("embed", broken, *options, "--resume")
        self.assertIn("v.npy [30, 32]", done.stderr)
        self.assertEqual(rows_in(self.out), 30)
        self.run_command("embed", broken, "-o", self.folder / "whole.npy", "--truncate", "error")
        self.assertEqual(self.out.read_bytes(), (self.folder / "whole.npy").read_bytes())
        self.assertEqual(json.loads(self.sidecar.read_text())["temperature"], "1")
        self.assertEqual([path for path in self.folder.iterdir() if "partial" in path.name], [])

    def test_a_run_that_comes_to_nothing_leaves_nothing(self) -> None:
        self.run_command("embed", self.texts, "-o", self.out, "--force", "--max-length", "4000", code=64)
        self.run_command("embed", self.write("bad.txt", b"\xff\n"), "-o", self.out, "--force", code=65)
        self.assert_old_stands()
        self.assertEqual([path for path in self.folder.iterdir() if "partial" in path.name], [])

    def test_ctrl_c_and_resume(self) -> None:
        big = self.write("big.txt", lines_of(40_000, 9))
        for suffix in (".npy", ".jsonl"):
            out = self.folder / f"v{suffix}"
            partial = self.folder / f"v{suffix}.partial"
            if suffix == ".jsonl":
                self.run_command("embed", self.texts, "-o", out)
            old = out.read_bytes()
            command = [ARGUMENTS.treble, "embed", "--model", str(self.model), str(big), "-o", str(out), "--force"]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                while process.poll() is None and not (partial.exists() and partial.stat().st_size > 200_000):
                    time.sleep(0.001)
                process.send_signal(signal.SIGINT)
                message = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 130, message)
            self.assertIn("is as it was; run the same command with --resume in place of --force", message)
            self.assertEqual(out.read_bytes(), old)
            self.run_command("embed", big, "-o", out, "--resume", "--quiet")
            self.assertFalse(partial.exists())
            whole = self.folder / f"whole{suffix}"
            self.run_command("embed", big, "-o", whole, "--quiet")
            skip = 0 if suffix == ".npy" else whole.read_bytes().index(b"\n")
            self.assertEqual(out.read_bytes()[skip:], whole.read_bytes()[skip:])

    def test_a_file_of_somebody_else_is_not_written_into(self) -> None:
        self.partial.write_text("mine")
        done = self.run_command("embed", self.texts, "-o", self.out, "--force", code=64)
        self.assertIn("v.npy.partial exists and is no unfinished output", done.stderr)
        self.assertEqual(self.partial.read_text(), "mine")
        self.assert_old_stands()

    def test_killed_between_the_two_renames(self) -> None:
        """The rows have their name, the sidecar not yet."""
        self.run_command("embed", self.texts, "-o", self.folder / "new.npy")
        (self.folder / "new.npy").rename(self.out)
        (self.folder / "new.npy.json").rename(self.folder / "v.npy.partial.json")
        self.run_command("embed", self.texts, "-o", self.out, "--resume")
        self.assertEqual(json.loads(self.sidecar.read_text())["temperature"], "1")

    def test_resume_begins_where_a_killed_run_had_written_nothing(self) -> None:
        out = self.write("empty.npy", "")
        self.run_command("embed", self.texts, "-o", out, "--resume")
        self.assertEqual(rows_in(out), 40)

    def test_two_writers_of_one_output(self) -> None:
        big = self.write("big.txt", lines_of(40_000, 9))
        command = [ARGUMENTS.treble, "embed", "--model", str(self.model), str(big), "-o", str(self.out), "--force"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not self.partial.exists():
                time.sleep(0.001)
            done = self.run_command("embed", self.texts, "-o", self.out, "--force", code=64)
            process.kill()
        self.assertIn("another process", done.stderr)
        self.assert_old_stands()


class Streams(Folder):
    """Closed, full and broken standard streams."""

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TREBLE": ARGUMENTS.treble, "MODEL": str(self.model)}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def test_a_closed_stderr_stays_out_of_the_vectors(self) -> None:
        for closed in ("2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-"):
            done = self.shell(f'"$TREBLE" embed --model "$MODEL" texts.txt -o v.npy --force {closed}')
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(rows_in(self.folder / "v.npy"), 40)
            json.loads((self.folder / "v.npy.json").read_text())

    def test_a_closed_stdout_is_an_error_where_something_goes_there(self) -> None:
        for command in (
            "embed --model $MODEL texts.txt",
            "info --model $MODEL",
            "--help",
            "--version",
            "inspect --model $MODEL texts.txt",
        ):
            done = self.shell(f'"$TREBLE" {command} >&-')
            self.assertEqual(done.returncode, 74, (command, done.stderr))
            self.assertIn("stdout", done.stderr)
        self.assertEqual(self.shell('"$TREBLE" embed --model "$MODEL" texts.txt -o v.npy >&-').returncode, 0)

    def test_a_closed_stdin_is_an_error_where_texts_come_from_it(self) -> None:
        self.assertEqual(self.shell('"$TREBLE" embed --model "$MODEL" - <&-').returncode, 74)
        self.assertEqual(self.shell('"$TREBLE" embed --model "$MODEL" texts.txt <&-').returncode, 0)

    def test_a_full_stderr_changes_nothing(self) -> None:
        for command in (
            "embed --model $MODEL texts.txt -o v.npy",
            "inspect --model $MODEL texts.txt --json r.json",
            "calibrate --model $MODEL texts.txt --reference-length 8 --lengths 8,16 -o p.json",
            "fit --model $MODEL texts.txt --transform centring -o step.safetensors",
            "bake --model $MODEL -t 0.8 -o baked",
        ):
            done = self.shell(f'"$TREBLE" {command} 2>/dev/full')
            self.assertEqual(done.returncode, 0, command)
        self.assertEqual(self.shell('"$TREBLE" embed --nonsense 2>/dev/full').returncode, 64)

    def test_a_full_stdout_is_an_error(self) -> None:
        for command in (
            "embed --model $MODEL texts.txt",
            "info --model $MODEL",
            "--help",
            "embed --help",
            "--version",
            "inspect --model $MODEL texts.txt",
        ):
            done = self.shell(f'"$TREBLE" {command} >/dev/full')
            self.assertEqual(done.returncode, 74, (command, done.stderr))

    def test_a_reader_that_leaves_ends_the_program_without_a_word(self) -> None:
        self.write("big.txt", lines_of(20_000, 9))
        done = self.shell('"$TREBLE" embed --quiet --model "$MODEL" big.txt | head -c 10; echo "${PIPESTATUS[0]}"')
        self.assertEqual(done.stdout.splitlines()[-1].split()[-1][-3:], "141", done.stdout)
        self.assertEqual(done.stderr, "")


class Messages(Folder):
    """What is said, is said in words that fit."""

    def test_one_text_is_one_text(self) -> None:
        one = self.write("one.txt", "a letter\n")
        message = self.run_command("embed", one, "-o", self.folder / "v.npy").stderr
        self.assertIn("1 text, ", message)
        self.assertNotRegex(message, r"\b1 texts")
        long = self.write("long.txt", "word " * 90)
        self.assertIn("1 of 1 text cut at 64 tokens", self.run_command("embed", long).stderr)
        for command in (("calibrate", one, "-o", self.folder / "p.json"), ("inspect", one)):
            done = treble(*command[:1], "--model", self.model, *command[1:])
            self.assertNotRegex(done.stderr + done.stdout, r"\b1 texts")

    def test_texts_that_are_read_whole_are_not_said_to_be_cut(self) -> None:
        long = self.write("long.txt", "word " * 300)
        message = self.run_command("embed", long, "--post", "chunk-mean").stderr
        self.assertIn("read whole", message)
        self.assertNotIn("cut", message)
        self.assertNotIn("longer than", message)

    def test_sizes_have_their_usual_names(self) -> None:
        self.assertIn("32-dimensional", self.run_command("embed", self.texts).stderr)
        info = self.run_command("info").stdout
        self.assertIn("32-dimensional vectors", info)
        self.assertRegex(info, r"vocabulary of [0-9,]+ tokens")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = str(Path(parsed.treble).resolve()), str(Path(parsed.golden).resolve())
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
