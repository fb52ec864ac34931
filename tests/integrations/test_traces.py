"""Traces of `treble serve` read with OpenTelemetry's own message types: every field is one of OTLP, and of its kind."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import NAME, serve
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
IDS = ("traceId", "spanId", "parentSpanId")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Where traces are sent to, and what has come."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def parse(body: bytes) -> ExportTraceServiceRequest:
    """OTLP's JSON is Protobuf's, but for ids, which are hexadecimal in place of base64."""
    message = json.loads(body)
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in IDS:
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return ParseDict(message, ExportTraceServiceRequest(), ignore_unknown_fields=False)


def send(url: str, path: str, body: object) -> int:
    headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_messages_are_otlp(collector: tuple[str, list[bytes]]) -> None:
    endpoint, bodies = collector
    with serve("--otlp-endpoint", endpoint, "--otlp-service-name", "search") as server:
        for path, body, status in (
            ("/embed", {"inputs": ["tea", "ships"]}, 200),
            ("/v1/embeddings", {"input": "tea", "model": NAME}, 200),
            ("/embed", {"inputs": ["tea", 7]}, 422),
            ("/rerank", {"query": "tea", "texts": ["ships"]}, 501),
        ):
            assert send(server.url, path, body) == status
    resources = [resource for body in bodies for resource in parse(body).resource_spans]
    for resource in resources:
        names = {item.key: item.value.string_value for item in resource.resource.attributes}
        assert names["service.name"] == "search"
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["POST /embed", "POST /v1/embeddings", "POST /embed", "POST /rerank"]
    for span in spans:
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
        assert len(span.span_id) == 8
        assert span.kind == Span.SPAN_KIND_SERVER
        assert 0 < span.start_time_unix_nano < span.end_time_unix_nano
        assert len({item.key for item in span.attributes}) == len(span.attributes)
    statuses = [
        next(item.value.int_value for item in span.attributes if item.key == "http.response.status_code")
        for span in spans
    ]
    assert statuses == [200, 200, 422, 501]
    assert [span.status.code for span in spans] == [Status.STATUS_CODE_UNSET] * 3 + [Status.STATUS_CODE_ERROR]
