"""`treble serve` as other people's clients meet it, and `treble embed` for the vectors that must come out."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_index.core

# LlamaIndex carries the vocabulary of OpenAI's models, which LangChain's and mteb's classes would fetch.
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(llama_index.core.__file__).parent / "_static/tiktoken_cache")

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TREBLE", str(ROOT / "build/release/bin/treble"))
MODEL = ROOT / "models/all-MiniLM-L6-v2"
NAME = MODEL.name
API_KEY = "a key of the tests"
START_SECONDS = 60
STOP_SECONDS = 30

TEXTS = [
    "The harbour master signs the letters of the ships that leave at dawn.",
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Ünïcödé und 漢字 stand in one sentence, and so does an emoji 🚢.",
    "tea",
]
LONG_TEXT = "the ferry leaves the harbour at noon " * 120


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    process: subprocess.Popen[str]
    messages: list[str]

    def post(self, path: str, body: object) -> object:
        """JSON to JSON, for what no client is at hand."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


@contextmanager
def serve(*arguments: str) -> Iterator[Server]:
    """A server of the real model on a free port. It must end in order when it is told to."""
    command = [PROGRAM, "serve", "--model", str(MODEL), "--hostname", "127.0.0.1", "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    messages: list[str] = []
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            messages.append(line)
            address = re.search(r"listening on (http://[0-9.:]+)", line)
            if address:
                found.append(address[1])
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        ready.wait(START_SECONDS)
        assert found, f"{' '.join(command)} does not listen:\n{''.join(messages)}"
        yield Server(found[0], process, messages)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0, "".join(messages)
    finally:
        process.kill()
        reader.join()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be fetched. HF_HUB_OFFLINE would also keep huggingface_hub from servers on this machine."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
            return connect(self, address)
        raise AssertionError(f"a test wants to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def locked_server() -> Iterator[Server]:
    """One that asks for API_KEY."""
    with serve("--api-key", API_KEY) as running:
        yield running


def embed(texts: list[str], *arguments: str) -> npt.NDArray[np.float32]:
    """What `treble embed` makes of the texts."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/vectors.npy"
        command = [PROGRAM, "embed", "--quiet", "--model", str(MODEL), "--format", "jsonl", "-o", output, *arguments]
        subprocess.run(command, input=lines, text=True, check=True)
        return np.load(output)


def assert_same(found: object, expected: npt.NDArray[np.float32]) -> None:
    """A float32 vector is the same alone and in any batch to 1e-6; an int8 one bit for bit (test_openai_client.py)."""
    vectors = np.asarray(found, np.float32)
    assert vectors.shape == expected.shape
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)
