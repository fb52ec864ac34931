"""treble.llama_index against llama-index-core itself."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pydantic
import pytest
import treble
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from treble.llama_index import TrebleEmbedding

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(scope="module")
def embedding(model_path: str) -> TrebleEmbedding:
    return TrebleEmbedding(model_name=model_path)


def test_vectors_are_those_of_the_encoder(model_path: str, texts: list[str]) -> None:
    embedding = TrebleEmbedding(model_name=Path(model_path), temperature=0.8, threads=1, dtype="int8")
    assert isinstance(embedding, BaseEmbedding)
    expected = treble.SentenceEncoder(model_path, temperature=0.8, threads=1, dtype="int8").encode(texts)
    vectors = embedding.get_text_embedding_batch(texts)
    np.testing.assert_array_equal(np.array(vectors, np.float32), expected)
    assert embedding.get_text_embedding(texts[1]) == vectors[1]
    assert embedding.get_query_embedding(texts[2]) == vectors[2]
    assert embedding.get_text_embedding_batch([]) == []


def test_batches_of_any_size_and_coroutines_give_the_same(embedding: TrebleEmbedding, texts: list[str]) -> None:
    expected = embedding.get_text_embedding_batch(texts)
    small = TrebleEmbedding(model_name=embedding.model_name, embed_batch_size=3)
    np.testing.assert_allclose(small.get_text_embedding_batch(texts), expected, atol=1e-6)

    async def run() -> tuple[list[list[float]], list[float], list[float]]:
        batch = await embedding.aget_text_embedding_batch(texts)
        return batch, await embedding.aget_query_embedding(texts[0]), await embedding.aget_text_embedding(texts[0])

    batch, query, text = asyncio.run(run())
    assert batch == expected
    assert query == text == embedding.get_query_embedding(texts[0])


def test_queries_and_documents_have_their_prompts(model_path: str, encoder: treble.SentenceEncoder) -> None:
    embedding = TrebleEmbedding(model_name=model_path, query_prompt="query: ", document_prompt="passage: ")
    assert embedding.get_query_embedding("tea") == encoder.encode("query: tea").tolist()
    assert embedding.get_text_embedding("tea") == encoder.encode("passage: tea").tolist()


def test_it_is_written_and_read_back(model_path: str, texts: list[str]) -> None:
    embedding = TrebleEmbedding(
        model_name=model_path,
        temperature=treble.Temperature.parse("log:8"),
        truncate_dim=64,
        document_prompt="d: ",
        encoder_options={"special_tokens_as_text": True},
    )
    written = json.loads(embedding.to_json())
    assert written["class_name"] == "TrebleEmbedding"
    assert (written["temperature"], written["truncate_dim"], written["document_prompt"]) == ("log:8", 64, "d: ")
    expected = embedding.get_text_embedding_batch(texts)
    copies = (
        TrebleEmbedding.from_dict(written),
        TrebleEmbedding.from_json(embedding.to_json()),
        pickle.loads(pickle.dumps(embedding)),
        copy.deepcopy(embedding),
    )
    for one in copies:
        assert one.get_text_embedding_batch(texts) == expected


def test_fields_cannot_be_changed_behind_the_loaded_model(embedding: TrebleEmbedding) -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        embedding.temperature = 0.5
    embedding.embed_batch_size = 16


def test_index_and_ingestion(embedding: TrebleEmbedding, encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    nodes = IngestionPipeline(transformations=[embedding]).run(
        nodes=[TextNode(text=text, id_=str(n)) for n, text in enumerate(texts)]
    )
    np.testing.assert_array_equal(np.array([node.embedding for node in nodes], np.float32), encoder.encode(texts))
    retriever = VectorStoreIndex(nodes, embed_model=embedding).as_retriever(similarity_top_k=3)
    for query in ("stars and planets", "how to bake"):
        scores = encoder.similarity(encoder.encode(query), encoder.encode(texts))[0]
        nearest = np.argsort(-scores)[:3]
        found = retriever.retrieve(query)
        assert [int(one.node.node_id) for one in found] == nearest.tolist()
        np.testing.assert_allclose([one.score for one in found], scores[nearest], atol=1e-6)


def test_errors_are_trebles_own(model_path: str) -> None:
    with pytest.raises(treble.NotFoundError):
        TrebleEmbedding(model_name="no-such-model")
    with pytest.raises(treble.TextTooLongError):
        TrebleEmbedding(model_name=model_path, truncation="error", max_length=16).get_text_embedding("long " * 50)
    with pytest.raises(pydantic.ValidationError, match="dtype"):
        TrebleEmbedding(model_name=model_path, dtype="float8")
