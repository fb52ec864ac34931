"""treble.chroma against chromadb itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import chromadb
import numpy as np
import pytest
import treble
from chromadb.config import Settings
from treble.chroma import TrebleEmbeddingFunction

pytestmark = pytest.mark.usefixtures("no_network")
SETTINGS = Settings(anonymized_telemetry=False)


@pytest.fixture
def collection(encoder: treble.SentenceEncoder, texts: list[str]) -> chromadb.Collection:
    client = chromadb.EphemeralClient(SETTINGS)
    made = client.create_collection("letters", embedding_function=TrebleEmbeddingFunction(encoder))
    made.add(ids=[str(n) for n in range(len(texts))], documents=texts)
    yield made
    client.delete_collection("letters")


def test_vectors_are_those_of_the_encoder(model_path: str, texts: list[str]) -> None:
    function = TrebleEmbeddingFunction(model_path, temperature=0.8, threads=1)
    expected = treble.SentenceEncoder(model_path, temperature=0.8, threads=1).encode(texts)
    np.testing.assert_array_equal(function(texts), expected)
    np.testing.assert_array_equal(function.embed_query(texts), expected)


def test_queries_and_documents_have_their_prompts(encoder: treble.SentenceEncoder) -> None:
    function = TrebleEmbeddingFunction(encoder, query_prompt="query: ", document_prompt="passage: ")
    np.testing.assert_array_equal(function.embed_query(["tea"])[0], encoder.encode("query: tea"))
    np.testing.assert_array_equal(function(["tea"])[0], encoder.encode("passage: tea"))


def test_a_collection_holds_the_vectors_and_finds_the_nearest(
    collection: chromadb.Collection, encoder: treble.SentenceEncoder, texts: list[str], no_network: list[object]
) -> None:
    stored = collection.get(include=["embeddings"])
    rows = np.argsort([int(one) for one in stored["ids"]])
    # Chroma normalizes once more for the cosine.
    np.testing.assert_allclose(stored["embeddings"][rows], encoder.encode(texts), rtol=0, atol=1e-7)
    assert collection.configuration["hnsw"]["space"] == "cosine"
    for query in ("stars and planets", "how to bake"):
        scores = encoder.similarity(encoder.encode(query), encoder.encode(texts))[0]
        nearest = np.argsort(-scores)[:3]
        found = collection.query(query_texts=[query], n_results=3)
        assert [int(one) for one in found["ids"][0]] == nearest.tolist()
        np.testing.assert_allclose(1 - np.array(found["distances"][0]), scores[nearest], atol=1e-5)
    assert no_network == []


def test_a_kept_collection_is_opened_by_another_program(model_path: str, texts: list[str], tmp_path: Path) -> None:
    function = TrebleEmbeddingFunction(model_path, temperature=0.8, query_prompt="q: ")
    made = chromadb.PersistentClient(str(tmp_path), SETTINGS).create_collection("kept", embedding_function=function)
    made.add(ids=[str(n) for n in range(len(texts))], documents=texts)
    expected = made.query(query_texts=["stars"], n_results=2)
    program = f"""
import chromadb, json, treble.chroma
client = chromadb.PersistentClient({str(tmp_path)!r}, chromadb.config.Settings(anonymized_telemetry=False))
found = client.get_collection("kept").query(query_texts=["stars"], n_results=2)
print(json.dumps([found["ids"], found["distances"]]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [expected["ids"], expected["distances"]]


def test_configuration(model_path: str, texts: list[str]) -> None:
    function = TrebleEmbeddingFunction(model_path, temperature=0.8, document_prompt="d: ")
    config = function.get_config()
    assert config == {"model": model_path, "temperature": "0.8", "document_prompt": "d: "}
    assert TrebleEmbeddingFunction.name() == "treble"
    assert not function.is_legacy()
    np.testing.assert_array_equal(TrebleEmbeddingFunction.build_from_config(config)(texts), function(texts))
    unloaded = TrebleEmbeddingFunction.build_from_config({"model": "no-such-model"})
    assert unloaded.get_config() == {"model": "no-such-model"}
    with pytest.raises(treble.NotFoundError):
        unloaded(texts)


def test_a_configuration_that_changes_the_vectors_is_refused(collection: chromadb.Collection, model_path: str) -> None:
    with pytest.raises(treble.InvalidArgumentError, match=r"temperature from None to '0\.8'"):
        collection.modify(configuration={"embedding_function": TrebleEmbeddingFunction(model_path, temperature=0.8)})
    collection.modify(configuration={"embedding_function": TrebleEmbeddingFunction(model_path, threads=1)})


def test_errors_are_trebles_own(model_path: str) -> None:
    with pytest.raises(treble.NotFoundError):
        TrebleEmbeddingFunction("no-such-model")
    client = chromadb.EphemeralClient(SETTINGS)
    strict = TrebleEmbeddingFunction(model_path, truncation="error", max_length=16)
    collection = client.create_collection("strict", embedding_function=strict)
    try:
        with pytest.raises(treble.TextTooLongError) as caught:
            collection.add(ids=["a", "b"], documents=["short", "long " * 50])
        assert caught.value.text_index == 1
    finally:
        client.delete_collection("strict")
