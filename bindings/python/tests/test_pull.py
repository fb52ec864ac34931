"""`treble pull` against a small hub of our own (hub_server.py), and `treble info` on what it brought.

TREBLE names the program. Skipped where huggingface_hub is missing.
"""

# Without pytest, which the environment of `make test` does not have.
# ruff: noqa: PT009

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "bindings/python/treble/pull.py"
GOLDEN = ROOT / "tests/golden"
MODEL = "org/tiny"

if not importlib.util.find_spec("huggingface_hub"):
    if __name__ == "__main__":
        print("skipped: needs huggingface_hub")
        sys.exit(77)
    raise unittest.SkipTest("needs huggingface_hub")

sys.path.insert(0, str(Path(__file__).parent))
from hub_server import Hub, hash_of, serve  # noqa: E402

sys.path.pop(0)


def find_program() -> str:
    """The built `treble`."""
    candidates = [os.environ.get("TREBLE", ""), str(ROOT / "build/release/bin/treble")]
    return next(path for path in candidates if path and os.access(path, os.X_OK))


class PullTest(unittest.TestCase):
    """A hub with one model, and an empty cache."""

    def setUp(self) -> None:
        """Start the server."""
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.hub = Hub()
        self.model = self.add(MODEL, "bert")
        running = serve(self.hub)
        self.endpoint = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)

    def add(self, name: str, golden: str) -> Path:
        """A model of the hub, with files beside it that no engine of ours reads."""
        folder = shutil.copytree(GOLDEN / golden / "model", self.folder / "hub" / name)
        for other in ("README.md", "pytorch_model.bin", "onnx/model.onnx", "2_Other/config.json", "vocab.txt"):
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_text("not for us")
        self.hub.models[name] = folder
        return folder

    def environment(self, **values: str) -> dict[str, str]:
        """With a cache of its own, and none of the user's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_"))}
        own = {"HF_ENDPOINT": self.endpoint, "HF_HUB_CACHE": str(self.cache), "TREBLE_PYTHON": sys.executable}
        return kept | own | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(self.folder / "home")} | values

    @property
    def cache(self) -> Path:
        """Of the tests."""
        return self.folder / "cache"

    def run_command(self, *command: str, **values: str) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(
            command, env=self.environment(**values), capture_output=True, text=True, timeout=120, check=False
        )

    def pull(self, name: str = MODEL, **values: str) -> subprocess.CompletedProcess[str]:
        """The script by itself."""
        return self.run_command(sys.executable, str(SCRIPT), name, **values)

    def pulled(self, name: str = MODEL, **values: str) -> Path:
        """The folder that a pull gives, which holds the hub's files unchanged."""
        done = self.pull(name, **values)
        self.assertEqual(done.returncode, 0, done.stderr)
        (line,) = done.stdout.splitlines()
        folder = Path(line)
        for path in folder.rglob("*"):
            if path.is_file():
                original = self.hub.models[name.split("@")[0]] / path.relative_to(folder)
                self.assertEqual(path.read_bytes(), original.read_bytes())
        return folder

    def refused(self, code: int, *words: str, name: str = MODEL, **values: str) -> None:
        """With this exit code, and a message of one line that holds the words."""
        done = self.pull(name, **values)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        errors = [line for line in done.stderr.splitlines() if line.startswith("treble: error: ")]
        self.assertEqual(len(errors), 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, errors[0])

    def info(self, name: str = MODEL) -> subprocess.CompletedProcess[str]:
        """What the program says of a model."""
        return self.run_command(find_program(), "info", "--json", "--model", name)


class Pulling(PullTest):
    """What arrives."""

    def test_the_program_pulls_and_uses_it(self) -> None:
        self.assertEqual(self.info().returncode, 66)
        done = self.run_command(find_program(), "pull", MODEL)
        self.assertEqual(done.returncode, 0, done.stderr)
        (folder,) = done.stdout.splitlines()
        self.assertEqual(Path(folder), self.cache / "models--org--tiny/snapshots" / self.hub.commit(MODEL))
        info = self.info()
        self.assertEqual(info.returncode, 0, info.stderr)
        self.assertEqual(json.loads(info.stdout)["path"], folder)
        original = json.loads(self.info(str(self.model)).stdout)
        self.assertEqual(json.loads(info.stdout)["weights_sha256"], original["weights_sha256"])

    def test_only_what_is_read_is_fetched_and_only_once(self) -> None:
        folder = self.pulled()
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        self.assertLessEqual({"config.json", "model.safetensors", "tokenizer.json", "modules.json"}, names)
        self.assertIn("1_Pooling/config.json", names)
        self.assertEqual(names & {"README.md", "pytorch_model.bin", "onnx/model.onnx", "2_Other/config.json"}, set())
        self.assertEqual(sorted(self.hub.fetched()), sorted(names))
        self.hub.requests.clear()
        self.assertEqual(self.pulled(), folder)
        self.assertEqual(self.hub.fetched(), [])

    def test_every_golden_folder_is_as_good_after_its_journey(self) -> None:
        """Shards, Dense modules, token lists in other places: the program reads the same of both."""
        for golden in ("bert-sharded", "t5-gated-gelu", "gemma3-text", "nomic-bert", "mpnet", "qwen3"):
            name = f"org/{golden}"
            original = self.add(name, golden)
            shutil.rmtree(original / "2_Other") if not (GOLDEN / golden / "model/2_Other").exists() else None
            self.pulled(name)
            there, here = self.info(str(original)), self.info(name)
            self.assertEqual(here.returncode, 0, here.stderr)
            kept = ("weights_sha256", "modules", "prompts", "max_length", "max_length_source", "pooling", "warnings")
            one, other = json.loads(there.stdout), json.loads(here.stdout)
            self.assertEqual({key: one[key] for key in kept}, {key: other[key] for key in kept})

    def test_revisions(self) -> None:
        commit = self.hub.commit(MODEL)
        references = self.cache / "models--org--tiny/refs"
        for revision in (commit, "v1", "main"):
            self.assertEqual(self.pulled(f"{MODEL}@{revision}").name, commit)
            self.assertEqual((references / "main").exists(), revision == "main")
        self.assertEqual((references / "v1").read_text(), commit)
        self.assertEqual((references / "main").read_text(), commit)
        self.assertEqual(len(self.hub.fetched()), len(set(self.hub.fetched())))

    def test_a_new_commit(self) -> None:
        before = self.pulled()
        self.hub.requests.clear()
        (self.model / "config_sentence_transformers.json").write_text('{"prompts": {"query": "new: "}}')
        after = self.pulled()
        self.assertNotEqual(before, after)
        self.assertEqual(json.loads(self.info().stdout)["prompts"]["query"], "new: ")

    def test_gated_models_with_a_token(self) -> None:
        self.hub.gated.add(MODEL)
        self.refused(66, "org/tiny is gated", self.endpoint, "HF_TOKEN")
        self.refused(66, "gated", HF_TOKEN="hf_denied")
        self.pulled(HF_TOKEN="hf_allowed")

    def test_offline(self) -> None:
        self.refused(66, "org/tiny is not in the cache", "HF_HUB_OFFLINE is set", HF_HUB_OFFLINE="1")
        self.assertEqual(self.hub.requests, [])
        folder = self.pulled()
        self.hub.requests.clear()
        self.assertEqual(self.pulled(HF_HUB_OFFLINE="1"), folder)
        (folder / "model.safetensors").unlink()
        self.refused(66, "only in part", HF_HUB_OFFLINE="1")
        self.assertEqual(self.hub.requests, [])


class Broken(PullTest):
    """What goes wrong on the way."""

    def test_a_connection_that_breaks_goes_on_where_it_was(self) -> None:
        chunk = 10 << 20  # in which huggingface_hub writes
        (self.model / "model.safetensors").write_bytes(os.urandom(2 * chunk + 9))
        self.hub.cuts["model.safetensors"] = [chunk + 5, chunk + 7]
        self.pulled()
        ranges = [
            part for method, path, part in self.hub.requests if method == "GET" and path.endswith("l.safetensors")
        ]
        self.assertEqual(ranges, ["", f"bytes={chunk}-", f"bytes={2 * chunk}-"])

    def test_a_connection_that_stays_broken(self) -> None:
        """Nothing names the half of a model; what had arrived whole is not fetched again."""
        self.hub.cuts["model.safetensors"] = [0] * 1000
        self.refused(74, "org/tiny", "connection", self.endpoint, "run the same command again")
        self.assertFalse((self.cache / "models--org--tiny/refs/main").exists())
        self.assertEqual(self.info().returncode, 66)
        self.hub.cuts.clear()
        self.hub.requests.clear()
        self.pulled()
        self.assertNotIn("config.json", self.hub.fetched())
        self.assertIn("model.safetensors", self.hub.fetched())

    def test_a_failed_update_leaves_the_old_model(self) -> None:
        before = self.pulled()
        (self.model / "tokenizer_config.json").write_text("{}")
        self.hub.damaged = {"tokenizer_config.json"}
        self.refused(65, "tokenizer_config.json")
        self.assertEqual(json.loads(self.info().stdout)["path"], str(before))

    def test_damaged_files_are_removed(self) -> None:
        for name in ("model.safetensors", "config.json"):
            shutil.rmtree(self.cache, ignore_errors=True)
            self.hub.damaged = {name}
            wrong = hash_of(self.model / name)
            self.refused(65, f"org/tiny: {name} has the hash", f"the hub says {wrong}", "run the same command again")
        self.hub.damaged = set()
        self.pulled()

    def test_no_server(self) -> None:
        self.refused(74, "connection to http://127.0.0.1:1 failed", HF_ENDPOINT="http://127.0.0.1:1")

    def test_a_hub_in_trouble(self) -> None:
        self.hub.status = 501
        self.refused(74, self.endpoint, "501")


class Refused(PullTest):
    """What could not be used is not fetched."""

    def test_unknown_names(self) -> None:
        self.refused(66, "knows no model org/other", "HF_TOKEN", name="org/other")
        self.refused(66, "org/tiny has no revision v9", name=f"{MODEL}@v9")
        self.refused(66, "knows no model sentence-transformers/tiny", name="tiny")
        for name in ("org/tiny/more", "org/ti ny", "../tiny", "org/tiny@", "", "-"):
            self.assertEqual(self.pull(name).returncode, 64, name)

    def test_models_that_the_engine_cannot_read(self) -> None:
        for missing, words in (
            (
                "model.safetensors",
                ("no model.safetensors", "weights there: onnx/model.onnx, pytorch_model.bin", "`treble convert "),
            ),
            ("tokenizer.json", ("no tokenizer.json", "AutoTokenizer")),
            ("config.json", ("no config.json", "not a transformer")),
        ):
            kept = (self.model / missing).read_bytes()
            (self.model / missing).unlink()
            (self.model / "vocab.txt").unlink(missing_ok=True)
            self.refused(69, *words)
            (self.model / missing).write_bytes(kept)
        self.assertNotIn("model.safetensors", self.hub.fetched())
        (self.model / "adapter_config.json").write_text("{}")
        self.refused(69, "PEFT adapter without adapter_model.safetensors")

    def test_a_tokenizer_from_before_tokenizer_json(self) -> None:
        tokenizer = json.loads((self.model / "tokenizer.json").read_text())
        vocab = tokenizer["model"]["vocab"]
        (self.model / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocab, key=vocab.get)))
        (self.model / "tokenizer.json").unlink()
        folder = self.pulled()
        self.assertTrue((folder / "vocab.txt").exists())
        self.assertEqual(self.info().returncode, 0)

    def test_a_static_embedding_has_no_config(self) -> None:
        folder = self.folder / "hub/org/static"
        shutil.copytree(GOLDEN / "static/normalized", folder / "0_StaticEmbedding")
        for name in ("modules.json", "config_sentence_transformers.json", "1_Normalize"):
            (folder / "0_StaticEmbedding" / name).rename(folder / name)
        modules = json.loads((folder / "modules.json").read_text())
        modules[0]["path"] = "0_StaticEmbedding"
        (folder / "modules.json").write_text(json.dumps(modules))
        self.hub.models["org/static"] = folder
        self.pulled("org/static")
        info = json.loads(self.info("org/static").stdout)
        self.assertEqual((info["architecture"], info["dim"]), ("StaticEmbedding", 12))
        (folder / "0_StaticEmbedding/tokenizer.json").unlink()
        self.refused(69, "no 0_StaticEmbedding/tokenizer.json", name="org/static")

    def test_an_adapter_and_its_base_model(self) -> None:
        base = self.pulled()
        folder = self.folder / "hub/org/adapter"
        shutil.copytree(GOLDEN / "adapters/bert-all-biases/adapter", folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": MODEL}))
        self.hub.models["org/adapter"] = folder
        self.pulled("org/adapter")
        info = json.loads(self.info("org/adapter").stdout)
        self.assertEqual((info["path"], info["task"]), (str(base.resolve()), None))
        self.assertTrue(info["adapter"].endswith(self.hub.commit("org/adapter")), info["adapter"])

    def test_files_that_make_no_sense(self) -> None:
        (self.model / "modules.json").write_text('{"not": "a list"}')
        self.refused(65, "modules.json")
        sharded = self.add("org/sharded", "bert-sharded")
        next(sharded.glob("model-*3-of-*.safetensors")).unlink()
        self.refused(65, "model.safetensors.index.json names model-0000", name="org/sharded")


if __name__ == "__main__":
    unittest.main()
