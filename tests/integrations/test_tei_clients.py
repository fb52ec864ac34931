"""Clients of text-embeddings-inference against `treble serve`: huggingface_hub, LangChain, LlamaIndex."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from conftest import API_KEY, LONG_TEXT, NAME, TEXTS, Server, assert_same, embed
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from langchain_huggingface import HuggingFaceEndpointEmbeddings
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference


# With the address of a server the client posts to that address itself, as to an Inference Endpoint.
@pytest.fixture(params=["", "/embed"])
def client(request: pytest.FixtureRequest, server: Server) -> InferenceClient:
    return InferenceClient(server.url + request.param)


def test_feature_extraction(client: InferenceClient) -> None:
    for text in TEXTS:
        assert_same(client.feature_extraction(text), embed([text]))
    assert_same(client.feature_extraction(TEXTS), embed(TEXTS))


def test_options_of_feature_extraction(client: InferenceClient) -> None:
    plain = client.feature_extraction(TEXTS, normalize=False)
    assert_same(plain, embed(TEXTS, "--no-normalize"))
    assert_same(client.feature_extraction(TEXTS, dimensions=64), embed(TEXTS, "--dimensions", "64"))
    for side in ("Left", "Right", "left", "right"):
        cut = client.feature_extraction([LONG_TEXT], truncate=True, truncation_direction=side)
        assert_same(cut, embed([LONG_TEXT], "--truncate", "start" if side.lower() == "left" else "end"))
    with pytest.raises(HfHubHTTPError) as caught:
        client.feature_extraction(["tea", LONG_TEXT], truncate=False)
    assert caught.value.response.status_code in (413, 422)


def test_asynchronous_feature_extraction(server: Server) -> None:
    async def run() -> list[object]:
        client = AsyncInferenceClient(server.url + "/embed")
        return await asyncio.gather(*(client.feature_extraction(text) for text in TEXTS))

    assert_same(np.concatenate(asyncio.run(run())), embed(TEXTS))


def test_sentence_similarity(server: Server) -> None:
    client = InferenceClient(server.url + "/similarity")
    found = client.sentence_similarity(TEXTS[0], other_sentences=TEXTS[1:])
    vectors = embed(TEXTS, "--normalize")
    np.testing.assert_allclose(found, vectors[1:] @ vectors[0], atol=1e-5)


def test_keys_of_feature_extraction(locked_server: Server) -> None:
    assert_same(InferenceClient(locked_server.url + "/embed", token=API_KEY).feature_extraction(TEXTS), embed(TEXTS))
    with pytest.raises(HfHubHTTPError) as caught:
        InferenceClient(locked_server.url + "/embed", token="wrong").feature_extraction(TEXTS)
    assert caught.value.response.status_code == 401


def test_langchain(server: Server) -> None:
    """Its class refuses addresses, so it is given clients that have one."""
    embeddings = HuggingFaceEndpointEmbeddings(model=NAME, huggingfacehub_api_token="hf_none")
    embeddings.client = InferenceClient(server.url + "/embed")
    embeddings.async_client = AsyncInferenceClient(server.url + "/embed")
    assert_same(embeddings.embed_documents(TEXTS), embed(TEXTS))
    assert_same(asyncio.run(embeddings.aembed_documents(TEXTS)), embed(TEXTS))
    assert_same([embeddings.embed_query(TEXTS[0])], embed(TEXTS[:1]))


def test_llama_index(server: Server, locked_server: Server) -> None:
    embeddings = TextEmbeddingsInference(NAME, base_url=server.url, text_instruction="", query_instruction="")
    assert_same(embeddings.get_text_embedding_batch(TEXTS), embed(TEXTS))
    assert_same([embeddings.get_query_embedding(TEXTS[0])], embed(TEXTS[:1]))
    assert_same(asyncio.run(embeddings.aget_text_embedding_batch(TEXTS)), embed(TEXTS))
    # It never looks at the status: an error must at least be no list of vectors.
    locked = TextEmbeddingsInference(NAME, base_url=locked_server.url, text_instruction="", auth_token=f"{API_KEY}")
    assert_same(locked.get_text_embedding_batch(TEXTS), embed(TEXTS))
