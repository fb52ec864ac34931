"""A small server that speaks as much of the Hugging Face Hub's API as fetching a model takes.

Models are folders; each has one commit, whose hash is made from its files.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def is_large(path: Path) -> bool:
    """Kept by the hub as a large file, with its SHA-256 in place of git's hash."""
    return path.suffix == ".safetensors"


def hash_of(path: Path) -> str:
    """What the hub calls a file's blob."""
    content = path.read_bytes()
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Hub:
    """What the server has, how it misbehaves, and what it was asked for."""

    models: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)  # opened by the token "hf_allowed"
    cuts: dict[str, list[int]] = field(default_factory=dict)  # by file: bytes after which a connection breaks, one each
    damaged: set[str] = field(default_factory=set)  # files that arrive with another content
    status: int = 0  # answered to everything, unless 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    endpoint: str = ""

    def commit(self, model: str) -> str:
        """The only commit of a model."""
        return hashlib.sha1("".join(hash_of(path) for path in self.files(model).values()).encode()).hexdigest()

    def files(self, model: str) -> dict[str, Path]:
        """Name to path, sorted."""
        root = self.models[model]
        return {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}

    def fetched(self) -> list[str]:
        """The files whose content was asked for."""
        return [path.split("/", 5)[5] for method, path, _ in self.requests if method == "GET" and "/resolve/" in path]

    def info(self, model: str) -> dict[str, Any]:
        """The answer of the API about a model, with `blobs=true`."""
        siblings = []
        for name, path in self.files(model).items():
            size = path.stat().st_size
            entry: dict[str, Any] = {"rfilename": name, "size": size, "blobId": hash_of(path)}
            if is_large(path):
                entry["blobId"] = "0" * 40  # of the pointer, which nobody fetches
                entry["lfs"] = {"sha256": hash_of(path), "size": size, "pointerSize": 130}
            siblings.append(entry)
        return {"_id": "0" * 24, "id": model, "sha": self.commit(model), "siblings": siblings, "tags": []}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Headers alone."""
        self.do_GET()

    def do_GET(self) -> None:
        """The API or a file."""
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        api = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([^/]+))?", path)
        file = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path)
        found = api or file
        if self.hub.status:
            self._send(self.hub.status, b"{}")
        elif not found or found[1] not in self.hub.models:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif found[1] in self.hub.gated and self.headers.get("Authorization") != "Bearer hf_allowed":
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif found[2] not in (None, "main", "v1", self.hub.commit(found[1])):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        elif api:
            self._send(200, json.dumps(self.hub.info(found[1])).encode(), {"Content-Type": "application/json"})
        else:
            self._send_file(found[1], found[3])

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send_file(self, model: str, name: str) -> None:
        path = self.hub.files(model).get(name)
        if path is None:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        content = path.read_bytes()
        if name in self.hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        headers = {"ETag": f'"{hash_of(path)}"', "X-Repo-Commit": self.hub.commit(model), "Accept-Ranges": "bytes"}
        if is_large(path):
            headers |= {"X-Linked-Etag": f'"{hash_of(path)}"', "X-Linked-Size": str(len(content))}
        first = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, "0"])[1])
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        rest = content[first:]
        cuts = self.hub.cuts.get(name)
        if self.command == "GET" and cuts:
            headers["Content-Length"] = str(len(rest))
            self._send(206 if first else 200, rest[: cuts.pop(0)], headers)
            self.close_connection = True
        else:
            self._send(206 if first else 200, rest, headers)


@contextmanager
def serve(hub: Hub) -> Iterator[str]:
    """Run on a port of its own; gives the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
