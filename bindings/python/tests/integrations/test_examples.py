"""examples/python: vector stores hold the encoder's vectors and find the true neighbours."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hnswlib
import numpy as np
import pytest
import treble
from qdrant_client import QdrantClient

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = ROOT / "examples" / "python"
QUERIES = ("stars and planets", "how to bake", "a football match")

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(autouse=True)
def examples_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def nearest(encoder: treble.SentenceEncoder, query: str, texts: list[str], k: int) -> list[tuple[int, float]]:
    """By NumPy, over all texts."""
    scores = encoder.similarity(encoder.encode(query), encoder.encode(texts))[0]
    return [(int(row), float(scores[row])) for row in np.argsort(-scores)[:k]]


def check(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [row for row, _ in found] == [row for row, _ in expected]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=1e-6)


def test_faiss(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    module = example("faiss_search")
    index = module.build_index(encoder, texts)
    stored = index.reconstruct_n(0, len(texts))
    np.testing.assert_array_equal(stored, encoder.encode(texts, normalize_embeddings=True))
    for query in QUERIES:
        check(module.search(index, encoder, query, 3), nearest(encoder, query, texts, 3))


def test_hnswlib(encoder: treble.SentenceEncoder, texts: list[str], tmp_path: Path) -> None:
    module, path = example("hnswlib_search"), tmp_path / "texts.hnsw"
    module.write_index(encoder, texts, path)
    index = hnswlib.Index(space="cosine", dim=384)
    index.load_index(str(path))
    # hnswlib normalizes once more for the cosine.
    np.testing.assert_allclose(index.get_items(range(len(texts))), encoder.encode(texts), rtol=0, atol=1e-7)
    for query in QUERIES:
        check(module.search(encoder, path, query, 3), nearest(encoder, query, texts, 3))


def test_pgvector(encoder: treble.SentenceEncoder, texts: list[str], postgres_url: str) -> None:
    module = example("pgvector_search")
    with module.connect(postgres_url) as connection:
        module.fill(connection, encoder, texts)
        rows = connection.execute("SELECT text, vector FROM texts ORDER BY id").fetchall()
        assert [text for text, _ in rows] == texts
        np.testing.assert_array_equal([vector.to_numpy() for _, vector in rows], encoder.encode(texts))
        for query in QUERIES:
            found = module.search(connection, encoder, query, 3)
            check([(texts.index(text), score) for text, score in found], nearest(encoder, query, texts, 3))


def test_qdrant(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    module, client = example("qdrant_search"), QdrantClient(":memory:")
    module.fill(client, encoder, texts)
    points = client.retrieve("texts", range(len(texts)), with_vectors=True)
    stored = [point.vector for point in sorted(points, key=lambda point: point.id)]
    np.testing.assert_array_equal(np.array(stored, np.float32), encoder.encode(texts, normalize_embeddings=True))
    for query in QUERIES:
        found = module.search(client, encoder, query, 3)
        check([(texts.index(text), score) for text, score in found], nearest(encoder, query, texts, 3))


@pytest.mark.parametrize("name", ["faiss_search", "hnswlib_search", "pgvector_search", "qdrant_search"])
def test_as_a_program(name: str, model_path: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    between = {
        "hnswlib_search": lambda: [str(tmp_path / "letters.hnsw")],
        "pgvector_search": lambda: [request.getfixturevalue("postgres_url")],
    }.get(name, list)()
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), model_path, *between, "stars and planets"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = [line.split(maxsplit=1)[1] for line in run.stdout.splitlines()]
    assert sorted(lines) == [
        "A telescope of glass and brass shows the rings of Saturn.",
        "Astronomers measure the distance of galaxies by their red shift.",
    ]
