#!/usr/bin/env python3
"""What those see who operate a server: health, metrics, the log, traces, the end.

Needs nothing but the standard library: `test_operations.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import queue
import re
import signal
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from server_process import PATIENCE, Server

ARGUMENTS = argparse.Namespace(treble="", golden="")
ROOT = Path(__file__).resolve().parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def serve(*options: str, **settings) -> Server:
    return Server(ARGUMENTS.treble, "--model", Path(ARGUMENTS.golden) / "bert/model", *options, **settings)


def series(server: Server) -> dict[str, float]:
    """Each series of /metrics and its value."""
    answer = server.get("/metrics")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers
    lines = [line.rpartition(" ") for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def matching(values: dict[str, float], name: str, **labels: str) -> float:
    """The sum of the series of a name that have these labels; there must be one."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [
        value for key, value in values.items() if key.split("{")[0] == name and all(part in key for part in wanted)
    ]
    assert found, f"no {name} with {labels}"
    return sum(found)


def until(condition, what: str):
    """Waits for something that becomes true soon; what it gives."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.01)
    raise TimeoutError(what)


class Collector:
    """Takes traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.messages: queue.Queue[tuple[str, str, dict]] = queue.Queue()
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                messages.put((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Metrics(unittest.TestCase):
    def test_everything_is_there_at_zero(self) -> None:
        with serve() as server:
            values = series(server)
        for name in (
            "te_request_count",
            "te_request_success",
            "te_embed_count",
            "treble_texts_total",
            "te_request_failure",
        ):
            self.assertEqual(matching(values, name), 0, name)
        for route in ("/embed", "/v1/embeddings", "/embed_all", "/similarity", "/tokenize", "/inspect"):
            for status in ("2xx", "4xx", "5xx"):
                self.assertEqual(
                    matching(values, "treble_http_requests_total", method="POST", route=route, status=status), 0, route
                )
        for kind in ("overloaded", "text_too_long", "invalid_argument"):
            self.assertEqual(matching(values, "te_request_failure", err=kind), 0, kind)
        for outcome in ("overloaded", "expired", "cancelled"):
            self.assertEqual(matching(values, "treble_queue_requests_total", outcome=outcome), 0, outcome)

    def test_the_documentation_lists_what_is_there(self) -> None:
        rows = re.findall(r"^\| `((?:te|treble|process)_\w+)` ", (ROOT / "docs/operate.md").read_text(), re.MULTILINE)
        with serve() as server:
            text = server.get("/metrics").body.decode()
        self.assertEqual(sorted(rows), sorted(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)))

    def test_requests_are_counted(self) -> None:
        with serve() as server:
            before = set(series(server))
            one = server.post("/embed", {"inputs": "the cat sat"})
            many = server.post("/v1/embeddings", {"input": ["a dog", "the harbour at night"], "model": "model"})
            self.assertEqual((one.status, many.status), (200, 200), many.body)
            self.assertEqual(server.post("/embed", {"inputs": []}).status // 100, 4)
            self.assertEqual(server.get("/nowhere").status, 404)
            values = until(
                lambda: (now := series(server))
                and matching(now, "treble_http_requests_total", route="other", status="4xx") == 1
                and now,
                "the requests are not counted",
            )
        tokens = int(one.headers["x-compute-tokens"]) + many.json()["usage"]["prompt_tokens"]
        self.assertEqual(set(values), before)  # None was added.
        self.assertEqual(matching(values, "treble_http_requests_total", route="/embed", status="2xx"), 1)
        self.assertEqual(matching(values, "treble_http_requests_total", route="/embed", status="4xx"), 1)
        self.assertEqual(matching(values, "treble_http_request_duration_seconds_count", route="/v1/embeddings"), 1)
        self.assertEqual(matching(values, "te_request_success", method="single"), 1)
        self.assertEqual(matching(values, "te_request_success", method="batch"), 1)
        self.assertEqual(matching(values, "te_embed_success"), 3)
        self.assertEqual(matching(values, "te_request_input_length_count"), 3)
        self.assertEqual(matching(values, "te_request_input_length_sum"), tokens)
        self.assertEqual(matching(values, "treble_tokens_total"), tokens)
        self.assertEqual(matching(values, "te_request_duration_count"), 2)
        self.assertGreater(matching(values, "te_request_inference_duration_sum"), 0)
        self.assertEqual(
            matching(values, "treble_characters_total"), len("the cat sat" + "a dog" + "the harbour at night")
        )
        self.assertGreater(matching(values, "treble_http_response_bytes_total", route="/embed"), len(one.body) - 1)

    def test_truncation_is_counted(self) -> None:
        with serve("--auto-truncate", "true") as server:
            answer = server.post("/embed", {"inputs": ["the cat " * 500, "short"]})
            self.assertEqual(answer.status, 200, answer.body)
            values = until(
                lambda: (now := series(server)) and matching(now, "treble_truncated_texts_total") == 1 and now,
                "the cut is not counted",
            )
        self.assertEqual(matching(values, "treble_truncated_tokens_total"), int(answer.headers["x-truncated-tokens"]))


class Health(unittest.TestCase):
    def test_ready_and_alive_without_a_key(self) -> None:
        with serve(environment={"API_KEY": "sesame-open"}) as server:
            self.assertEqual(server.get("/ping").status, 200)
            health = server.get("/health")
            self.assertEqual(health.status, 200, health.body)
            self.assertEqual(health.json()["status"], "ready")
            self.assertEqual(server.get("/metrics").status, 200)
            self.assertEqual(server.post("/embed", {"inputs": "x"}).status, 401)
            self.assertEqual(matching(series(server), "treble_model_ready"), 1)

    def test_answers_while_the_server_is_busy(self) -> None:
        with serve() as server:
            texts = ["the harbour at night and the ferry " * 20] * 1000
            worker = threading.Thread(target=server.post, args=("/embed", {"inputs": texts}))
            worker.start()
            for _ in range(20):
                self.assertEqual(server.get("/health").status, 200)
                self.assertEqual(server.get("/ping").status, 200)
            worker.join(PATIENCE)


class Log(unittest.TestCase):
    def test_a_json_object_for_each_request_without_texts_and_keys(self) -> None:
        key, wrong, text = "sesame-open-4711", "guessed-wrong-0815", "a most confidential sentence"
        with serve("--json-output", environment={"API_KEY": key}) as server:
            headers = {"Authorization": f"Bearer {key}", "x-request-id": "from-the-client-1"}
            good = server.post("/embed", {"inputs": text}, headers)
            self.assertEqual(good.status, 200, good.body)
            self.assertEqual(good.headers["x-request-id"], "from-the-client-1")
            refused = server.post("/embed", {"inputs": text}, {"Authorization": f"Bearer {wrong}"})
            self.assertEqual(refused.status, 401)
            bad = server.post("/embed", {"inputs": [text, 5]}, headers)
            self.assertEqual(bad.status // 100, 4)
            server.post(f"/embed?secret={wrong}", {"inputs": text}, headers)
            self.assertEqual(server.stop(), 0)
            log = "".join(server.log)
        for secret in (key, wrong, text, "confidential", "sesame", "guessed"):
            self.assertNotIn(secret, log)
        lines = [json.loads(line) for line in server.log]
        requests = [line for line in lines if line["message"] == "request"]
        self.assertEqual([line["status"] for line in requests][:3], [200, 401, bad.status])
        first = requests[0]
        self.assertEqual(first["request_id"], "from-the-client-1")
        self.assertEqual((first["method"], first["route"], first["level"]), ("POST", "/embed", "info"))
        self.assertEqual(first["texts"], 1)
        self.assertEqual(first["tokens"], int(good.headers["x-compute-tokens"]))
        self.assertGreater(first["total_ms"], 0)
        self.assertEqual(requests[1]["request_id"], refused.headers["x-request-id"])
        self.assertTrue(requests[2]["error"])
        self.assertTrue(requests[2]["error_type"])

    def test_probes_are_quiet_unless_asked_for(self) -> None:
        for level, seen in (("info", 0), ("debug", 1)):
            with serve("--json-output", "--log-level", level) as server:
                server.get("/health")
                server.stop()
                lines = [json.loads(line) for line in server.log]
            self.assertEqual(len([line for line in lines if line.get("route") == "/health"]), seen, level)

    def test_a_header_cannot_forge_a_line(self) -> None:
        with serve() as server:
            server.post("/embed", {"inputs": "x"}, {"x-request-id": 'a status=500 "x" b', "traceparent": "00-zz\t-1"})
            server.stop()
            lines = [line for line in server.log if " request " in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(" status=200 ", lines[0])
        self.assertNotIn(" status=500 ", lines[0])

    def test_nobody_reads_it(self) -> None:
        with serve("--json-output", read_log=False) as server:
            for _ in range(600):  # 64 KiB, the pipe's room, several times over
                self.assertEqual(server.post("/embed", {"inputs": "x"}).status, 200)
            self.assertGreater(matching(series(server), "treble_log_lines_total"), 599)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE), 0)


class Traces(unittest.TestCase):
    def test_spans_reach_a_collector(self) -> None:
        collector = Collector()
        self.addCleanup(collector.close)
        with serve("--json-output", "--otlp-endpoint", collector.url, "--otlp-service-name", "search") as server:
            parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            server.post("/embed", {"inputs": "x"}, parent)
            server.post("/embed", {"inputs": "x"}, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"})
            server.post("/v1/embeddings", {"input": "x", "model": "model"})
            self.assertEqual(server.stop(), 0)  # Sends what waits.
            lines = [json.loads(line) for line in server.log]
        spans = []
        while not collector.messages.empty():
            path, content_type, message = collector.messages.get()
            self.assertEqual((path, content_type), ("/v1/traces", "application/json"))
            resource = message["resourceSpans"][0]
            names = {item["key"]: item["value"] for item in resource["resource"]["attributes"]}
            self.assertEqual(names["service.name"], {"stringValue": "search"})
            spans += resource["scopeSpans"][0]["spans"]
        self.assertEqual([span["name"] for span in spans], ["POST /embed", "POST /v1/embeddings"])
        self.assertEqual((spans[0]["traceId"], spans[0]["parentSpanId"]), (TRACE, "b7ad6b7169203331"))
        self.assertNotIn("parentSpanId", spans[1])
        for span in spans:
            took = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
            self.assertGreater(took, 0)
            self.assertLess(abs(time.time() - int(span["startTimeUnixNano"]) / 1e9), 300)
        logged = [line["trace_id"] for line in lines if line["message"] == "request"]
        self.assertEqual(logged[0], TRACE)
        self.assertIn(spans[1]["traceId"], logged)

    def test_a_collector_that_is_away_costs_nothing(self) -> None:
        with serve("--json-output", "--otlp-endpoint", "http://127.0.0.1:9") as server:
            for _ in range(5):
                self.assertEqual(server.post("/embed", {"inputs": "x"}).status, 200)
            until(lambda: any("traces cannot be sent" in line for line in server.log), "nothing is said of it")
            self.assertEqual(server.stop(), 0)

    def test_an_endpoint_that_cannot_be(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "https"):
            serve("--otlp-endpoint", "https://collector.example:4318")


class End(unittest.TestCase):
    def test_sigterm_answers_what_was_accepted(self) -> None:
        with serve() as server:
            texts = ["the harbour at night and the ferry " * 20] * 500
            answers: list[int] = []
            workers = [
                threading.Thread(target=lambda: answers.append(server.post("/embed", {"inputs": texts}).status))
                for _ in range(4)
            ]
            for worker in workers:
                worker.start()
            until(
                lambda: matching(series(server), "treble_queue_open_requests") >= 4 or len(answers) == 4,
                "the requests do not arrive",
            )
            self.assertEqual(server.stop(), 0)
            for worker in workers:
                worker.join(PATIENCE)
            self.assertEqual(answers, [200] * 4)
            with self.assertRaises(OSError):
                server.get("/ping")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True, help="the program")
    parser.add_argument("--golden", required=True, help="tests/golden, which has the tiny models")
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
