"""What tests against other frameworks share: the real model, some texts, and no network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import treble
from postgres_server import postgres_server

# Nothing here may be fetched; packages that ask a hub must fail at once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[4]
TEXTS = [
    "The harbour master signs the letters of the ships that leave at dawn.",
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Taxes on imported tea led to the protests in the port of Boston.",
    "Sourdough needs flour, water, salt and a night of patience.",
    "Astronomers measure the distance of galaxies by their red shift.",
    "Ünïcödé und 漢字 stand in one sentence, and so does an emoji 🚢.",
]


@pytest.fixture(scope="session")
def model_path() -> str:
    """all-MiniLM-L6-v2, as `make models/all-MiniLM-L6-v2` fetches it."""
    path = ROOT / "models" / "all-MiniLM-L6-v2"
    assert path.is_dir(), f"no {path}: make models/all-MiniLM-L6-v2"
    return str(path)


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture(scope="session")
def encoder(model_path: str) -> treble.SentenceEncoder:
    return treble.SentenceEncoder(model_path)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuses connections to other machines and lists them."""
    asked: list[object] = []

    def guarded(name: str):
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: object) -> object:
            host = address[0] if isinstance(address, tuple) else None
            if self.family == socket.AF_UNIX or host in ("127.0.0.1", "::1", "localhost"):
                return original(self, address)
            asked.append(address)
            raise OSError(f"a test asked for the network: {address}")

        return connect

    def getaddrinfo(host: object, *args: object, **kwargs: object) -> list[object]:
        if host in (None, "", "127.0.0.1", "::1", "localhost"):
            return resolve(host, *args, **kwargs)
        asked.append(host)
        raise OSError(f"a test asked for the network: {host}")

    resolve = socket.getaddrinfo
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(name))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Of a PostgreSQL with pgvector, for this session."""
    with postgres_server() as url:
        yield url
