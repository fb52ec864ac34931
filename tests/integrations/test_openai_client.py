"""OpenAI's own Python client against `treble serve`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator

import numpy as np
import openai
import pytest
from conftest import API_KEY, LONG_TEXT, NAME, TEXTS, Server, assert_same, embed, serve


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url + "/v1", api_key="not asked for", max_retries=0) as made:
        yield made


def vectors_of(response: openai.types.CreateEmbeddingResponse) -> list[list[float]]:
    """In the order that the response numbers them, which must be that of the list."""
    assert [one.index for one in response.data] == list(range(len(response.data)))
    assert {one.object for one in response.data} == {"embedding"}
    return [one.embedding for one in response.data]


def test_a_list_and_a_string(client: openai.OpenAI) -> None:
    response = client.embeddings.create(model=NAME, input=TEXTS)
    assert (response.object, response.model) == ("list", NAME)
    assert_same(vectors_of(response), embed(TEXTS))
    assert_same(vectors_of(client.embeddings.create(model=NAME, input=TEXTS[0])), embed(TEXTS[:1]))


def test_both_encodings_and_the_program_agree_bit_for_bit() -> None:
    expected = embed(TEXTS, "--dtype", "int8")
    with serve("--dtype", "int8") as running:
        client = openai.OpenAI(base_url=running.url + "/v1", api_key="-", max_retries=0)
        floats = client.embeddings.create(model=NAME, input=TEXTS, encoding_format="float")
        np.testing.assert_array_equal(np.array(vectors_of(floats), np.float32), expected)
        raw = client.embeddings.with_raw_response.create(model=NAME, input=TEXTS, encoding_format="base64")
        coded = raw.http_response.json()["data"]
        decoded = [np.frombuffer(base64.b64decode(one["embedding"], validate=True), "<f4") for one in coded]
        np.testing.assert_array_equal(np.array(decoded), expected)
        # The client's own default is base64, which it decodes itself.
        np.testing.assert_array_equal(
            np.array(vectors_of(client.embeddings.create(model=NAME, input=TEXTS)), np.float32), expected
        )


def test_many_at_once_keep_their_own_vectors(server: Server) -> None:
    texts = [f"letter number {number} of the harbour master" for number in range(64)]

    async def run() -> list[openai.types.CreateEmbeddingResponse]:
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="-", max_retries=0) as client:
            return await asyncio.gather(*(client.embeddings.create(model=NAME, input=text) for text in texts))

    assert_same([vectors_of(response)[0] for response in asyncio.run(run())], embed(texts))


def test_token_ids_have_the_vectors_of_their_texts(client: openai.OpenAI, server: Server) -> None:
    tokens = server.post("/tokenize", {"inputs": TEXTS})
    ids = [[token["id"] for token in text] for text in tokens]
    response = client.embeddings.create(model=NAME, input=ids)
    assert_same(vectors_of(response), embed(TEXTS))
    assert response.usage.prompt_tokens == response.usage.total_tokens == sum(len(text) for text in ids)
    assert_same(vectors_of(client.embeddings.create(model=NAME, input=ids[0])), embed(TEXTS[:1]))
    assert client.embeddings.create(model=NAME, input=TEXTS).usage.prompt_tokens == response.usage.prompt_tokens


def test_dimensions_and_temperature(client: openai.OpenAI) -> None:
    assert_same(
        vectors_of(client.embeddings.create(model=NAME, input=TEXTS, dimensions=64)), embed(TEXTS, "--dimensions", "64")
    )
    for temperature in (0.8, "log:16"):
        response = client.embeddings.create(model=NAME, input=TEXTS, extra_body={"temperature": temperature})
        assert_same(vectors_of(response), embed(TEXTS, "--temperature", str(temperature)))


def test_truncation_is_reported(client: openai.OpenAI) -> None:
    usage = client.embeddings.create(model=NAME, input=["tea", LONG_TEXT]).usage
    extra = usage.model_extra
    assert extra is not None
    assert extra["truncated_texts"] == 1
    assert extra["truncated_tokens"] > 0
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model=NAME, input=["tea", LONG_TEXT], extra_body={"truncate": False})
    assert caught.value.status_code in (400, 413, 422)
    assert "text 1" in caught.value.message


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [NAME]


@pytest.mark.parametrize("wrong", [[], "", ["tea", ""], [[]], [[1 << 24]], [[101], [-1]]])
def test_bad_input_is_the_clients_error(client: openai.OpenAI, wrong: object) -> None:
    with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError)) as caught:
        client.embeddings.create(model=NAME, input=wrong)
    # In OpenAI's form the client finds message and type itself.
    assert caught.value.message
    assert caught.value.type


def test_an_unknown_model_is_not_found_and_those_served_are_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=NAME):
        client.embeddings.create(model="text-embedding-3-small", input="tea")


def test_api_keys(locked_server: Server) -> None:
    address = locked_server.url + "/v1"
    good = openai.OpenAI(base_url=address, api_key=API_KEY, max_retries=0)
    assert_same(vectors_of(good.embeddings.create(model=NAME, input=TEXTS)), embed(TEXTS))
    for key in ("wrong", API_KEY[:-1]):
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=address, api_key=key, max_retries=0).embeddings.create(model=NAME, input="tea")
    assert not [line for line in locked_server.messages if API_KEY in line]
