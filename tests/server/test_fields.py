#!/usr/bin/env python3
"""Bodies of fields that are right and wrong, on every route that reads JSON: the status is the expected one.

Needs nothing but the standard library: `test_fields.py --treble PROGRAM --golden FOLDER [--seed N] [--bodies N]`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

from server_process import Server

ARGUMENTS = argparse.Namespace(treble="", golden="", seed=19, bodies=150)
OK = 200

# A value and the status of a body in which everything else is right.
Choices = list[tuple[Any, int]]

TEXT = "the ferry leaves"
NOT_A_TEXT: Choices = [(7, 422), (True, 422), ([], 422), ({}, 422), (["x"], 422), (1.5, 422)]
NOT_A_BOOLEAN: Choices = [(0, 422), (1, 422), ("true", 422), ([], 422), ({}, 422)]
BOOLEAN: Choices = [(True, OK), (False, OK), (None, OK), *NOT_A_BOOLEAN]


def whole(low: int, high: int) -> Choices:
    """Whole numbers from `low` to `high`."""
    right: Choices = [(low, OK), (high, OK), ((low + high) // 2, OK), (None, OK)]
    wrong: Choices = [(low - 1, 422), (high + 1, 422), (10**30, 422), (-(10**30), 422), (1.5, 422), (1e300, 422)]
    return [*right, *wrong, ("1", 422), (True, 422), ([1], 422), ({}, 422)]


def whole_list(low: int, high: int, count: int) -> Choices:
    """Lists of at most `count` of them, in rising order."""
    return [
        ([], OK),
        ([low], OK),
        (sorted({low, high}), OK),
        (None, OK),
        ([low - 1], 422),
        ([high + 1], 422),
        ([low] * (count + 1), 422),
        (["1"], 422),
        ([1.5], 422),
        ([[low]], 422),
        ([None], 422),
        (low, 422),
        ("all", 422),
        ({}, 422),
    ]


TEXTS: Choices = [
    (TEXT, OK),
    ([TEXT], OK),
    ([TEXT, "a", "ä\u0000😀\ud7ff"], OK),
    ([" "], OK),
    ("", 400),
    ([], 400),
    ([TEXT, ""], 400),
    (None, 422),
    (7, 422),
    (True, 422),
    ({}, 422),
    ([TEXT, 7], 422),
    ([TEXT, None], 422),
    ([TEXT, [TEXT]], 422),
    ([None], 422),
    ([{}], 422),
]
IDS: Choices = [
    ([5], OK),
    ([5, 6, 7], OK),
    ([[5], [6, 7]], OK),
    ([[]], 400),
    ([[5], []], 400),
    ([265], 422),
    ([-1], 422),
    ([1.0], 422),
    ([2**31], 422),
    ([2**64], 422),
    ([5, "6"], 422),
    ([5, [6]], 422),
    ([[5], 6], 422),
    ([[5], [None]], 422),
]
INPUTS: Choices = [*(item for item in TEXTS if item[0] != [TEXT, [TEXT]]), ([TEXT, [TEXT]], 422), *IDS]
TEMPERATURE: Choices = [
    (1, OK),
    (0.7, OK),
    ("0.7", OK),
    ("log:8", OK),
    ("ssmax:0.4", OK),
    ("ssmax:0.4,0.2", OK),
    ("yarn:4", OK),
    (None, OK),
    (0, 422),
    (-1, 422),
    ("", 422),
    ("log:", 422),
    ("log:-1", 422),
    ("1,2,3", 422),
    ("match:x", 422),
    ("/etc/passwd", 422),
    (True, 422),
    ([1], 422),
    ({}, 422),
]
# Of a model without a state: what changes nothing is as good as nothing.
STATE: Choices = [
    ("none", OK),
    ("rri:1,1", OK),
    ("norm:inf", OK),
    (None, OK),
    ("window:8", 501),
    ("rri:0.9999,0.75", 501),
    ("norm:2.5", 501),
    ("", 422),
    ("window:", 422),
    ("window:0", 422),
    ("rri:2,1", 422),
    ("norm:nan", 422),
    ("norm:/etc/passwd", 422),
    ("norm:x.json", 422),
    (1, 422),
    (True, 422),
    (["none"], 422),
    ({}, 422),
]
MODEL: Choices = [("tiny", OK), ("other", 404), ("", OK), *NOT_A_TEXT]
OPTIONS: dict[str, Choices] = {
    "model": [*MODEL, (None, OK)],
    "temperature": TEMPERATURE,
    "state": STATE,
    "prompt_name": [("", OK), (None, OK), ("other", 404), *NOT_A_TEXT],
    "truncate": BOOLEAN,
    "truncation_direction": [("Left", OK), ("right", OK), (None, OK), ("LEFT", 422), ("end", 422), *NOT_A_TEXT],
    "normalize": BOOLEAN,
    "dimensions": whole(1, 32),
    # Room for every text here, as `truncate` may be false.
    "max_length": [(0, 422), *(choice for choice in whole(40, 64) if choice[0] != 39)],
}
PRECISION: dict[str, Choices] = {
    "precision": [
        *[(name, OK) for name in ("float32", "float", "float16", "binary", "ubinary", None)],
        # Without --ranges.
        *[("int8", 501), ("uint8", 501), ("int4", 422), ("", 422)],
        *NOT_A_TEXT,
    ]
}
FOREIGN: dict[str, Choices] = {"user": [("me", OK), (7, OK)], "raw_scores": [(True, OK)], "return_text": [("x", OK)]}
WITHOUT_PROMPT = {name: choices for name, choices in OPTIONS.items() if name != "prompt_name"}
PROMPT: dict[str, Choices] = {"prompt": [("query: ", OK), ("", OK), (None, OK), *NOT_A_TEXT]}


def pairs() -> Choices:
    """Inputs of /similarity."""
    choices: Choices = [({"source_sentence": TEXT, "sentences": texts}, status) for texts, status in TEXTS]
    choices += [({"source_sentence": text, "sentences": [TEXT]}, status) for text, status in [(TEXT, OK), ("", 400)]]
    choices += [({"source_sentence": text, "sentences": [TEXT]}, 422) for text, _ in NOT_A_TEXT]
    return [*choices, (TEXT, 422), ([TEXT], 422), ({}, 422), ({"sentences": [TEXT]}, 422), (None, 422)]


INSPECT: dict[str, Choices] = {
    "temperatures": [
        ([], OK),
        ([0.8, "log:8"], OK),
        (None, OK),
        (0.8, 422),
        ([0], 422),
        ([None], 422),
        ([1] * 17, 422),
    ],
    "posts": [
        ([], OK),
        (None, OK),
        ("centring", 422),
        (["x"], 422),
        ([1], 422),
        (["whitening:x"], 422),
    ],
    "queries": [([], OK), ([TEXT], OK), (TEXT, OK), (None, OK), ([""], 400), ([1], 422), (1, 422), ({}, 422)],
    "query_prompt_name": [("", OK), (None, OK), ("other", 404), *NOT_A_TEXT],
    "layers": whole_list(0, 1, 2),
    "sample": whole(2, 1000),
    "seed": whole(0, 2**63 - 1),
    "bootstrap": [(0, OK), (20, OK), (None, OK), (-1, 422), (10_001, 422), ("1", 422), (1.5, 422)],
    "cut_lengths": whole_list(3, 2048, 16)[:4] + whole_list(1, 2048, 16)[4:],
    "bucket_edges": [*whole_list(1, 1_000_000, 16), ([20, 10], 422)],
    "probe_texts": whole(1, 64),
    "neighbors": whole(1, 100),
}
ROUTES: dict[str, tuple[dict[str, Choices], dict[str, Choices]]] = {  # path: required fields, others
    "/embed": ({"inputs": INPUTS}, {**OPTIONS, **PRECISION, **FOREIGN}),
    "/": ({"inputs": TEXTS}, {**WITHOUT_PROMPT, **PRECISION, **PROMPT}),
    "/embed_all": ({"inputs": INPUTS}, {**OPTIONS, **FOREIGN}),
    "/similarity": ({"inputs": pairs()}, {**OPTIONS, "parameters": [({}, OK), (None, OK), ([], 422), ("x", 422)]}),
    "/tokenize": (
        {"inputs": TEXTS},
        {"add_special_tokens": BOOLEAN, "prompt_name": OPTIONS["prompt_name"], "model": OPTIONS["model"]},
    ),
    "/decode": (
        {"ids": [*IDS, ([], 400), ("x", 422), (7, 422), (None, 422), (["x"], 422)]},
        {"skip_special_tokens": BOOLEAN, "model": OPTIONS["model"]},
    ),
    "/v1/embeddings": (
        {"input": INPUTS, "model": [*MODEL, (None, 422)]},
        {
            **{name: choices for name, choices in OPTIONS.items() if name != "model"},
            **PRECISION,
            **FOREIGN,
            "encoding_format": [("float", OK), ("base64", OK), (None, OK), ("hex", 422), *NOT_A_TEXT],
        },
    ),
    "/inspect": (
        {"inputs": [item for item in TEXTS if item[0] != [{}]] + [([{}], 422), ([{"id": "x", "text": TEXT}], OK)]},
        {**{name: OPTIONS[name] for name in ("model", "prompt_name", "truncate", "temperature")}, **INSPECT},
    ),
}


def body_of(source: random.Random, path: str) -> tuple[dict[str, Any], set[int]]:
    """A body, and the statuses that it may have: one of those of the fields that are wrong, or 200."""
    required, others = ROUTES[path]
    fields = {
        **required,
        **{name: others[name] for name in source.sample(sorted(others), source.randrange(min(4, len(others) + 1)))},
    }
    wrong = set(source.sample(sorted(fields), min(len(fields), source.choice([0, 0, 1, 1, 1, 2]))))
    body: dict[str, Any] = {}
    expected = set()
    for name, choices in fields.items():
        bad = [choice for choice in choices if choice[1] != OK]
        good = [choice for choice in choices if choice[1] == OK]
        value, status = source.choice(bad if name in wrong and bad else good)
        body[name] = value
        expected.add(status)
    if source.random() < 0.1:
        missing = source.choice(sorted(required))
        del body[missing]
        expected.add(422)
    items = list(body.items())
    source.shuffle(items)
    return dict(items), (expected - {OK}) or {OK}


class Fields(unittest.TestCase):
    def setUp(self) -> None:
        model = Path(ARGUMENTS.golden) / "bert/model"
        self.server = Server(ARGUMENTS.treble, "--model", model, "--served-model-name", "tiny")
        self.addCleanup(self.server.stop)

    def test_statuses(self) -> None:
        source = random.Random(ARGUMENTS.seed)
        seen: dict[str, Counter[int]] = {path: Counter() for path in ROUTES}
        for path in ROUTES:
            for _ in range(ARGUMENTS.bodies):
                body, expected = body_of(source, path)
                answer = self.server.post(path, body)
                self.assertIn(answer.status, expected, f"{path} {json.dumps(body)}: {answer.body[:300]!r}")
                seen[path][answer.status] += 1
        for path, counts in seen.items():
            self.assertLess(ARGUMENTS.bodies / 10, counts[OK], path)
            self.assertLess(ARGUMENTS.bodies / 10, counts[422], path)
        self.assertEqual(self.server.undocumented(), [])
        self.assertEqual(self.server.stop(), 0)

    def test_each_field_alone(self) -> None:
        """Every value of every field once, all else as it should be; a wrong one is named."""
        for path, (required, others) in ROUTES.items():
            right = {
                name: next(value for value, status in choices if status == OK) for name, choices in required.items()
            }
            for name, choices in {**required, **others}.items():
                for value, status in choices:
                    answer = self.server.post(path, {**right, name: value})
                    where = f"{path} {name}={json.dumps(value)}: {answer.body[:300]!r}"
                    self.assertEqual(answer.status, status, where)
                    if status in (400, 422) and path == "/v1/embeddings":
                        self.assertEqual(answer.json()["error"]["param"].partition("[")[0], name, where)

    def test_garbage_in_place_of_bytes(self) -> None:
        source = random.Random(ARGUMENTS.seed)
        for path in ROUTES:
            good = json.dumps(body_of(source, path)[0]).encode()
            for _ in range(ARGUMENTS.bodies // 3):
                data = bytearray(good)
                for _ in range(source.randrange(1, 6)):
                    place = source.randrange(len(data))
                    data[place : place + source.randrange(2)] = source.choice(
                        [b"{", b"]", b'"', b"\\", b"\xff", b"0", b","]
                    )
                answer = self.server.call("POST", path, raw=bytes(data))
                self.assertIn(answer.status, (200, 400, 404, 413, 422), (path, bytes(data), answer.body[:300]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--bodies", type=int, default=150, help="of each route")
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
