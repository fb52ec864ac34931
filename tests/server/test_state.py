#!/usr/bin/env python3
"""Control of the state over HTTP, on a tiny Mamba-2 model: the field, the server's default, what is refused.

Needs nothing but the standard library: `test_state.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

from server_process import Server

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tiny_mamba2

ARGUMENTS = argparse.Namespace(treble="", golden="")
LONG = tiny_mamba2.text(80)
SHORT = tiny_mamba2.text(5)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


class State(unittest.TestCase):
    """One server with two models: the first as trained, the second under a control."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.holder = tempfile.TemporaryDirectory()
        folder = tiny_mamba2.make_model(Path(cls.holder.name) / "tiny-mamba2")
        norms = tiny_mamba2.write_norms(Path(cls.holder.name) / "norms.json", 0.05)
        models = ("--model", folder, "--served-model-name", "plain", "--model", folder, "--served-model-name", "held")
        cls.server = Server(ARGUMENTS.treble, *models, "--state", "none", "--state", f"norm:{norms}")

    @classmethod
    def tearDownClass(cls) -> None:
        undocumented = cls.server.undocumented()
        cls.server.stop()
        cls.holder.cleanup()
        if undocumented:
            raise AssertionError(f"answers that openapi.json does not have: {undocumented}")

    def vector(self, text: str, **fields: Any) -> list[float]:
        answer = self.server.post("/embed", {"inputs": text, **fields})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()[0]

    def test_the_field_changes_what_it_can_reach_and_nothing_else(self) -> None:
        plain = self.vector(LONG)
        for state in ("none", "rri:1,1", "norm:inf", "window:80", None):
            self.assertEqual(self.vector(LONG, state=state), plain, state)
        for state in ("rri:0.999,0.75", "window:16", "norm:0.05"):
            self.assertLess(cosine(self.vector(LONG, state=state), plain), 0.9999, state)
        self.assertEqual(self.vector(SHORT, state="window:16"), self.vector(SHORT))

    def test_every_route_takes_it_and_says_it(self) -> None:
        texts = {"source_sentence": LONG, "sentences": [SHORT, LONG + " w3"]}
        for path, body in (
            ("/embed", {"inputs": LONG}),
            ("/embed_all", {"inputs": LONG}),
            ("/similarity", {"inputs": texts}),
            ("/v1/embeddings", {"input": LONG, "model": "plain"}),
        ):
            plain = self.server.post(path, body)
            held = self.server.post(path, {**body, "state": "window:16"})
            self.assertEqual((plain.status, held.status), (200, 200), (path, held.body))
            self.assertNotEqual(plain.body, held.body, path)
            self.assertNotIn("x-ignored-fields", held.headers, path)
        answer = self.server.post("/embed", {"inputs": LONG, "state": "window:16"})
        self.assertEqual(answer.headers["x-state"], "window:16")
        self.assertEqual(answer.headers["x-temperature"], "1")

    def test_the_default_is_the_models_own(self) -> None:
        held = self.vector(LONG, model="held")
        self.assertLess(max(abs(a - b) for a, b in zip(held, self.vector(LONG, state="norm:0.05"), strict=True)), 1e-6)
        self.assertEqual(self.vector(LONG, model="held", state="none"), self.vector(LONG))
        answer = self.server.post("/embed", {"inputs": LONG, "model": "held"})
        self.assertRegex(answer.headers["x-state"], r"^norm:.*norms\.json$")

    def test_info_and_the_log_say_it(self) -> None:
        first, second = self.server.get("/info").json()["models"]
        self.assertEqual((first["state"], first["state_layers"], first["tempered_layers"]), ("none", 2, 0))
        self.assertRegex(second["state"], r"^norm:.*norms\.json$")
        self.assertEqual(self.server.get("/v1/models/plain").json()["state"], "none")
        self.assertTrue(any("serving" in line and "norms.json" in line for line in self.server.log))

    def test_requests_of_different_states_in_one_queue_do_not_mix(self) -> None:
        states = ["none", "window:16", "rri:0.999,0.75", "norm:0.05"] * 6
        alone = {state: self.vector(LONG, state=state) for state in set(states)}
        found: list[list[float] | None] = [None] * len(states)

        def ask(i: int) -> None:
            found[i] = self.server.post("/embed", {"inputs": LONG, "state": states[i]}).json()[0]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(states))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for state, vector in zip(states, found, strict=True):
            assert vector is not None
            self.assertLess(max(abs(a - b) for a, b in zip(vector, alone[state], strict=True)), 1e-6, state)

    def test_what_is_no_control_is_refused_with_the_forms(self) -> None:
        for value in ("window", "window:0", "rri:2,1", "norm:0", "norm:nan", "log:64", "norm:/etc/passwd.json", 7, []):
            answer = self.server.post("/embed", {"inputs": SHORT, "state": value})
            self.assertEqual(answer.status, 422, value)
            self.assertIn("window:R" if value in ("window", "log:64", 7) else "", answer.json()["error"])
        error = self.server.post("/v1/embeddings", {"input": SHORT, "model": "plain", "state": "window:x"}).json()
        self.assertEqual((error["error"]["param"], error["error"]["code"]), ("state", "invalid_argument"))
        self.assertIn("`state` must be one of the texts none, rri:A,B, window:R, norm:P", error["error"]["message"])

    def test_a_temperature_is_refused_as_there_is_no_attention(self) -> None:
        answer = self.server.post("/embed", {"inputs": SHORT, "temperature": 0.8})
        self.assertEqual((answer.status, "no attention layer" in answer.json()["error"]), (501, True))
        self.assertEqual(self.vector(SHORT, temperature=1), self.vector(SHORT))

    def test_inspect_has_no_attention_and_the_state_asked_for(self) -> None:
        texts = [tiny_mamba2.text(4 + i % 60, first=i) for i in range(60)]
        body = {"inputs": texts, "bootstrap": 10, "cut_lengths": [8, 16], "model": "held"}
        for fields, settings in (({}, ["none"]), ({"state": "window:16"}, ["none", "window:16"])):
            answer = self.server.post("/inspect", {**body, **fields})
            self.assertEqual(answer.status, 200, answer.body)
            report = answer.json()
            self.assertEqual(report["attention"], [])
            self.assertEqual(report["settings"], settings)
        self.assertEqual(self.server.post("/inspect", {**body, "temperatures": [0.8]}).status, 501)

    def test_openapi_describes_it(self) -> None:
        schemas = self.server.get("/openapi.json").json()["components"]["schemas"]
        self.assertIn("window:R", schemas["State"]["description"])
        for name in ("EmbedRequest", "EmbeddingsRequest", "SimilarityRequest"):
            self.assertIn("State", json.dumps(schemas[name]["properties"]["state"]), name)
        self.assertIn("state", schemas["InfoResponse"]["properties"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
