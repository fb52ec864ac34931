"""A `treble serve` for tests, on a port of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 60  # seconds for anything: a hang is a failure


class Answer:
    """What came back: status, headers by lower-case name, body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class RunningServer:
    """Listens when constructed; `log` has the lines of its stderr, read until it ends unless `read_log` is False."""

    def __init__(
        self,
        treble: str,
        model: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        read_log: bool = True,
    ) -> None:
        command = [treble, "serve", "--model", str(model), "--hostname", "127.0.0.1", "--port", "0", *options]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        assert self.process.stderr
        self.log: list[str] = []
        self.port = 0
        while not self.port:
            line = self.process.stderr.readline()
            if not line:
                self.process.wait(PATIENCE)
                self.process.stderr.close()
                raise RuntimeError("the server ended: " + "".join(self.log[-5:]))
            self.log.append(line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            self.port = int(found.group(1)) if found else 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        if read_log:
            self.reader.start()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        if self.reader.ident:
            self.reader.join(PATIENCE)
        if self.process.stderr:
            self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr
        self.log.extend(self.process.stderr)

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("POST", path, body, headers)

    def stop(self) -> int:
        """Ends it as a supervisor does; its exit status, with the whole log read."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        if self.reader.ident:
            self.reader.join(PATIENCE)
        return status
