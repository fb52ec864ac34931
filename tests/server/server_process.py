"""A running `treble serve` for tests, and requests to it. Standard library alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LISTENING = re.compile(r"listening on ((?:http://|unix:)[^\s\"]+)")
PATIENCE = 60
"""Seconds for anything: a hang is a failure."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`treble serve` on a free port, until `stop`; `log` has its stderr, what comes first alone without `read_log`."""

    def __init__(
        self,
        program: str,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        read_log: bool = True,
    ) -> None:
        self.log: list[str] = []
        self.url = ""
        self.answered: set[tuple[str, str, int]] = set()  # method, path and status of every answer
        self._ready = threading.Event()
        self._read_log = read_log
        command = [program, "serve", "--hostname", "127.0.0.1", "--port", "0", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(PATIENCE) or not self.url:
            self.kill()
            raise RuntimeError("treble serve did not begin to listen:\n" + "".join(self.log))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            found = LISTENING.search(line)
            if found and not self.url:
                self.url = found[1].replace("0.0.0.0", "127.0.0.1")
                self._ready.set()
                if not self._read_log:
                    return
        self._ready.set()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def stop(self) -> int:
        """SIGTERM, as a supervisor ends it; returns the exit code, with the whole log read."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        return self.kill()

    def kill(self) -> int:
        """Whatever state it is in; nothing where it has ended."""
        self.process.kill()
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`body` as JSON, or `raw` as it is."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=dict(headers or {}))
        if data is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                answer = Answer(response.status, lower(response.headers), response.read())
        except urllib.error.HTTPError as response:
            with response:
                answer = Answer(response.code, lower(response.headers), response.read())
        self.answered.add((method, path.partition("?")[0], answer.status))
        return answer

    def undocumented(self) -> list[tuple[str, str, int]]:
        """Answers so far that /openapi.json does not foresee, of the operations that it has."""
        paths = self.get("/openapi.json").json()["paths"]

        def operation(method: str, path: str) -> dict[str, Any] | None:
            template = "/v1/models/{model}" if path.startswith("/v1/models/") else path
            return paths.get(template, {}).get(method.lower())

        known = [(answer, operation(*answer[:2])) for answer in sorted(self.answered)]
        return [answer for answer, found in known if found and str(answer[2]) not in found["responses"]]

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """`body` as JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else None
        return self.call("POST", path, None if raw is not None else body, raw, headers)


def lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def run(program: str, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Another command of the program, to its end."""
    command = [program, *map(str, arguments)]
    return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=PATIENCE, check=False)


def embed(program: str, model: Path, texts: list[str], *arguments: str) -> list[list[float]]:
    """The vectors of `treble embed` for texts of any content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        done = run(program, "embed", "--model", model, *arguments, path)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]
