"""treble.haystack against haystack-ai itself."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import treble
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.core.errors import DeserializationError, PipelineRuntimeError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from treble.haystack import TrebleDocumentEmbedder, TrebleTextEmbedder

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")


def test_vectors_are_those_of_the_encoder(model_path: str, texts: list[str]) -> None:
    expected = treble.SentenceEncoder(model_path, temperature=0.8, threads=1).encode(texts)
    embedder = TrebleDocumentEmbedder(model_path, temperature=0.8, threads=1)
    documents = [Document(content=text) for text in texts]
    embedded = embedder.run(documents)["documents"]
    np.testing.assert_array_equal(np.array([one.embedding for one in embedded], np.float32), expected)
    assert [one.content for one in embedded] == texts
    assert documents[0].embedding is None
    assert embedder.run([]) == {"documents": []}
    query = TrebleTextEmbedder(embedder.encoder).run(texts[0])["embedding"]
    np.testing.assert_array_equal(np.array(query, np.float32), expected[0])


def test_prompts_and_fields_come_before_the_content(encoder: treble.SentenceEncoder) -> None:
    assert TrebleTextEmbedder(encoder, query_prompt="query: ").run("tea") == {
        "embedding": encoder.encode("query: tea").tolist()
    }
    embedder = TrebleDocumentEmbedder(
        encoder,
        document_prompt="passage: ",
        meta_fields_to_embed=["title", "missing", "year"],
        embedding_separator=" | ",
    )
    embedded = embedder.run([Document(content="tea", meta={"title": "Drinks", "year": 1773, "missing": None})])
    assert embedded["documents"][0].embedding == encoder.encode("passage: Drinks | 1773 | tea").tolist()


def test_coroutines_give_the_same(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    text, document = TrebleTextEmbedder(encoder), TrebleDocumentEmbedder(encoder)
    documents = [Document(content=text) for text in texts]
    assert asyncio.run(text.run_async(texts[0])) == text.run(texts[0])
    assert asyncio.run(document.run_async(documents)) == document.run(documents)


def test_pipelines_find_the_nearest_also_after_being_written_and_read(
    encoder: treble.SentenceEncoder, texts: list[str]
) -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    indexing = Pipeline()
    indexing.add_component("embedder", TrebleDocumentEmbedder(encoder))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    indexing.run({"embedder": {"documents": [Document(content=text) for text in texts]}})
    search = Pipeline()
    search.add_component("embedder", TrebleTextEmbedder(encoder))
    search.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=3))
    search.connect("embedder.embedding", "retriever.query_embedding")
    query = "stars and planets"
    scores = encoder.similarity(encoder.encode(query), encoder.encode(texts))[0]
    found = search.run({"embedder": {"text": query}})["retriever"]["documents"]
    assert [texts.index(one.content) for one in found] == np.argsort(-scores)[:3].tolist()

    alone = Pipeline()
    alone.add_component("embedder", TrebleTextEmbedder(encoder._path, temperature="log:8", query_prompt="q: "))
    written = alone.dumps()
    assert "log:8" in written
    again = Pipeline.loads(written, allowed_modules=["treble.haystack"])
    data = {"embedder": {"text": query}}
    assert again.run(data) == alone.run(data)


def test_components_are_written_and_read(encoder: treble.SentenceEncoder, texts: list[str]) -> None:
    embedder = TrebleDocumentEmbedder(
        encoder._path, temperature=0.8, document_prompt="d: ", meta_fields_to_embed=["title"], embedding_separator="; "
    )
    data = embedder.to_dict()
    assert data == {
        "type": "treble.haystack.TrebleDocumentEmbedder",
        "init_parameters": {
            "model": encoder._path,
            "temperature": "0.8",
            "document_prompt": "d: ",
            "meta_fields_to_embed": ["title"],
            "embedding_separator": "; ",
        },
    }
    documents = [Document(content=text, meta={"title": "T"}) for text in texts]
    assert TrebleDocumentEmbedder.from_dict(data).run(documents) == embedder.run(documents)
    with pytest.raises(DeserializationError):
        TrebleTextEmbedder.from_dict(data)


def test_errors_are_trebles_own(encoder: treble.SentenceEncoder) -> None:
    with pytest.raises(treble.NotFoundError):
        TrebleTextEmbedder("no-such-model")
    with pytest.raises(treble.InvalidArgumentError, match=r"document 1 .* has no content") as caught:
        TrebleDocumentEmbedder(encoder).run([Document(content="a"), Document(content=None, meta={"a": 1})])
    assert caught.value.text_index == 1
    with pytest.raises(TypeError, match="takes a str, not list"):
        TrebleTextEmbedder(encoder).run(["a"])
    pipeline = Pipeline()
    pipeline.add_component("embedder", TrebleTextEmbedder(encoder._path, truncation="error", max_length=16))
    with pytest.raises(PipelineRuntimeError) as wrapped:
        pipeline.run({"embedder": {"text": "long " * 50}})
    assert isinstance(wrapped.value.__cause__, treble.TextTooLongError)
