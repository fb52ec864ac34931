"""Frameworks' OpenAI classes against `treble serve`: LangChain, LlamaIndex, mteb."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import openai
import pytest
from conftest import NAME, TEXTS, Server, assert_same, embed
from datasets import Dataset
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.openai import OpenAIEmbedding
from mteb.models.model_implementations.openai_models import OpenAIModel
from torch.utils.data import DataLoader


def langchain_embeddings(server: Server, **options: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(model=NAME, base_url=server.url + "/v1", api_key="-", max_retries=0, **options)


def test_langchain(server: Server) -> None:
    embeddings = langchain_embeddings(server, check_embedding_ctx_length=False)
    assert_same(embeddings.embed_documents(TEXTS), embed(TEXTS))
    assert_same([embeddings.embed_query(TEXTS[0])], embed(TEXTS[:1]))
    assert_same(asyncio.run(embeddings.aembed_documents(TEXTS)), embed(TEXTS))
    cut = langchain_embeddings(server, check_embedding_ctx_length=False, dimensions=64)
    assert_same(cut.embed_documents(TEXTS), embed(TEXTS, "--dimensions", "64"))
    tempered = langchain_embeddings(
        server, check_embedding_ctx_length=False, model_kwargs={"extra_body": {"temperature": 0.8}}
    )
    assert_same(tempered.embed_documents(TEXTS), embed(TEXTS, "--temperature", "0.8"))
    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    assert store.similarity_search("planets and their moons", k=1)[0].page_content == TEXTS[2]


def test_langchain_with_the_tokens_of_another_model_is_refused(server: Server) -> None:
    """By default it sends ids of OpenAI's vocabulary, which has three times as many tokens as this model's."""
    with pytest.raises(openai.APIStatusError, match="vocabulary") as caught:
        langchain_embeddings(server, tiktoken_model_name="text-embedding-3-small").embed_documents(TEXTS)
    assert caught.value.status_code in (400, 422)


def test_llama_index(server: Server) -> None:
    embeddings = OpenAIEmbedding(model_name=NAME, api_base=server.url + "/v1", api_key="-", max_retries=0)
    assert_same(embeddings.get_text_embedding_batch(TEXTS), embed(TEXTS))
    assert_same([embeddings.get_query_embedding(TEXTS[0])], embed(TEXTS[:1]))
    assert_same(asyncio.run(embeddings.aget_text_embedding_batch(TEXTS)), embed(TEXTS))
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=embeddings)
    nodes = index.as_retriever(similarity_top_k=1).retrieve("planets and their moons")
    assert nodes[0].text == TEXTS[2]


def test_mteb(server: Server) -> None:
    """Empty texts have zero vectors there and are not sent."""
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="-", max_retries=0)
    model = OpenAIModel(f"treble/{NAME}", max_tokens=256, embed_dim=384, client=client)
    batches = DataLoader(Dataset.from_dict({"text": [*TEXTS, " "]}), batch_size=4)
    found = model.encode(batches, task_metadata=None, hf_split="test", hf_subset="default", batch_size=4)
    assert_same(found[:-1], embed(TEXTS))
    np.testing.assert_array_equal(found[-1], np.zeros(384, np.float32))
