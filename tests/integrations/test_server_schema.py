"""schemathesis against /openapi.json: whatever is sent, an answer that the document foresees, and never a 500.

TREBLE_SCHEMA_EXAMPLES says how many requests an operation gets.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from conftest import NAME, Server, serve
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
EXAMPLES = int(os.environ.get("TREBLE_SCHEMA_EXAMPLES", "40"))
CONFORMANCE = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    ]
)
NOT_IMPLEMENTED = {"/rerank", "/v1/rerank", "/predict", "/embed_sparse"}


@pytest.fixture(scope="module")
def api(server: Server) -> Any:
    return schemathesis.openapi.from_url(server.url + "/openapi.json")


def failures_of(operation: Any, mode: GenerationMode) -> list[str]:
    """Of requests that the document allows, or that it does not."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = NAME  # or hardly a request would come to its texts
        response = case.call()
        assert response.status_code != 500, response.text
        assert response.status_code == 501 or case.operation.path not in NOT_IMPLEMENTED
        case.validate_response(response, checks=CONFORMANCE)

    try:
        check()
    except Unsatisfiable:
        # There is no request that breaks a document without parameters and body.
        return []
    except Exception as error:  # whatever schemathesis raises for a broken promise
        return [f"{operation.label}, {mode}: {error}"]
    return []


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_documented(api: Any, mode: GenerationMode) -> None:
    operations = [result.ok() for result in api.get_all_operations()]
    failures = [line for operation in operations for line in failures_of(operation, mode)]
    assert not failures, "\n\n".join(failures)


def test_the_routes_are_there(api: Any) -> None:
    paths = {operation.ok().path for operation in api.get_all_operations()}
    named = {"/embed", "/embed_all", "/similarity", "/tokenize", "/decode", "/info", "/health", "/metrics", "/inspect"}
    assert paths >= named | {"/v1/embeddings", "/v1/models", "/rerank", "/v1/rerank", "/predict"}


def test_the_server_lives_on(api: Any, server: Server) -> None:
    """After everything above."""
    assert server.process.poll() is None
    assert server.post("/embed", {"inputs": "tea"})


def test_it_is_one_document_for_a_server_with_a_key() -> None:
    with serve("--api-key", "secret") as locked:
        document = schemathesis.openapi.from_url(
            locked.url + "/openapi.json", headers={"Authorization": "Bearer secret"}
        )
        assert list(document.get_all_operations())
