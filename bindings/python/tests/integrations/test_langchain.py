"""treble.langchain against langchain-core itself."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import treble
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from treble.langchain import TrebleEmbeddings

pytestmark = pytest.mark.usefixtures("no_network")


def test_vectors_are_those_of_the_encoder(model_path: str, texts: list[str]) -> None:
    embeddings = TrebleEmbeddings(model_path, temperature=0.8, threads=1)
    assert isinstance(embeddings, Embeddings)
    expected = treble.SentenceEncoder(model_path, temperature=0.8, threads=1).encode(texts)
    vectors = embeddings.embed_documents(texts)
    assert type(vectors[0][0]) is float
    np.testing.assert_array_equal(np.array(vectors, np.float32), expected)
    np.testing.assert_array_equal(np.array(embeddings.embed_query(texts[0]), np.float32), expected[0])
    assert embeddings.embed_documents([]) == []


def test_queries_and_documents_have_their_prompts(encoder: treble.SentenceEncoder) -> None:
    embeddings = TrebleEmbeddings(encoder, query_prompt="query: ", document_prompt="passage: ")
    assert embeddings.embed_query("tea") == encoder.encode("query: tea").tolist()
    assert embeddings.embed_documents(["tea"]) == [encoder.encode("passage: tea").tolist()]


def test_coroutines_give_the_same_and_run_side_by_side(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    embeddings = TrebleEmbeddings(encoder)

    async def run() -> tuple[list[list[float]], list[list[float]]]:
        documents = await embeddings.aembed_documents(texts)
        return documents, await asyncio.gather(*(embeddings.aembed_query(text) for text in texts))

    documents, queries = asyncio.run(run())
    assert documents == embeddings.embed_documents(texts)
    np.testing.assert_allclose(queries, documents, atol=1e-6)


def test_in_memory_vector_store(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    store = InMemoryVectorStore(TrebleEmbeddings(encoder))
    ids = store.add_documents([Document(page_content=text, metadata={"number": n}) for n, text in enumerate(texts)])
    assert len(ids) == len(texts)
    for query in ("stars and planets", "how to bake", "a football match"):
        scores = encoder.similarity(encoder.encode(query), encoder.encode(texts))[0]
        nearest = np.argsort(-scores)[:3]
        found = store.similarity_search_with_score(query, k=3)
        assert [document.metadata["number"] for document, _ in found] == nearest.tolist()
        np.testing.assert_allclose([score for _, score in found], scores[nearest], atol=1e-6)
    retrieved = asyncio.run(store.as_retriever(search_kwargs={"k": 1}).ainvoke("planets around the sun"))
    assert retrieved[0].page_content == texts[2]


def test_errors_are_trebles_own(encoder: treble.SentenceEncoder) -> None:
    strict = TrebleEmbeddings(encoder._path, truncation="error", max_length=16)
    with pytest.raises(treble.TextTooLongError) as caught:
        strict.embed_documents(["short", "long " * 50])
    assert caught.value.text_index == 1
    with pytest.raises(treble.NotFoundError):
        TrebleEmbeddings("no-such-model")
