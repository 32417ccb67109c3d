"""A hub of our own: the real one's protocol as far as downloads see it, with a storage on a second port.

Large files answer with a redirect to the storage and carry `X-Linked-Etag` (their SHA-256), small ones are
served at once under git's name for them. Addresses, headers and error codes are those that
`huggingface_hub` 2.4.0 sends and reads (`file_download.py`, `hf_api.py`, `utils/_http.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 1000
"""Bytes from which on a file is kept in the storage."""


@dataclass
class Fault:
    """What goes wrong with one request."""

    status: int = 0
    """An answer of this status instead of the file."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """The connection ends after so many bytes of the body."""
    method: str = "GET"
    whole: bool = False
    """The range asked for is ignored."""
    pause_seconds: float = 0.0
    """Before each kilobyte."""


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]


class LocalHub:
    """The hub and its storage; what they were asked; how many bytes of each file went out."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], dict[str, bytes]] = {}
        """(repository, commit) -> path -> content."""
        self.branches: dict[tuple[str, str], str] = {}
        self.lies: dict[str, bytes] = {}
        """Path -> content that is sent instead, under the right digest."""
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        """Path -> what goes wrong with its next requests, in order."""
        self.asked: list[Asked] = []
        self.bytes_sent: dict[str, int] = defaultdict(int)
        self.lock = threading.Lock()
        self._hub = _serve(self, _HubHandler)
        self._storage = _serve(self, _StorageHandler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    @property
    def storage_address(self) -> str:
        return f"http://127.0.0.1:{self._storage.server_address[1]}"

    def publish(self, repository: str, commit: str, files: Mapping[str, bytes]) -> None:
        """A commit, which `main` stands for from now on."""
        self.files[repository, commit] = dict(files)
        self.branches[repository, "main"] = commit

    def close(self) -> None:
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    def fault_of(self, path: str, method: str) -> Fault | None:
        with self.lock:
            for fault in self.faults[path]:
                if fault.method == method:
                    self.faults[path].remove(fault)
                    return fault
        return None


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """A hub of this machine, there until the end of the block."""
    hub = LocalHub()
    try:
        yield hub
    finally:
        hub.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: LocalHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


def _serve(owner: LocalHub, handler: type[BaseHTTPRequestHandler]) -> _Server:
    server = _Server(("127.0.0.1", 0), handler)
    server.owner = owner
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> LocalHub:
        assert isinstance(self.server, _Server)
        return self.server.owner

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def note(self) -> None:
        with self.hub.lock:
            self.hub.asked.append(
                Asked(self.command, unquote(self.path), {k.lower(): v for k, v in self.headers.items()})
            )

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, path: str, content: bytes, headers: Mapping[str, str], fault: Fault | None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked.group(1)) if asked and not (fault and fault.whole) else 0
        if start >= len(content) and start:
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        end = len(content) if fault is None or fault.cut_at is None else start + fault.cut_at
        for place in range(start, end, 1024):
            if fault:
                time.sleep(fault.pause_seconds)
            block = content[place : min(place + 1024, end)]
            self.wfile.write(block)
            with self.hub.lock:
                self.hub.bytes_sent[path] += len(block)
        if end < len(content):
            self.wfile.flush()
            self.close_connection = True


class _HubHandler(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.note()
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path):
            self.send_revision(found.group(1), found.group(2))
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.send_resolved(*found.groups())
        else:
            self.answer(404, {"X-Error-Message": "Not Found"})

    def commit_of(self, repository: str, revision: str) -> str | None:
        if not any(known == repository for known, _ in self.hub.files):
            self.answer(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return None
        commit = self.hub.branches.get((repository, revision), revision)
        if (repository, commit) not in self.hub.files:
            self.answer(
                404,
                {
                    "X-Error-Code": "RevisionNotFound",
                    "X-Error-Message": f"Invalid rev id: {revision}",
                },
            )
            return None
        return commit

    def send_revision(self, repository: str, revision: str) -> None:
        if fault := self.hub.fault_of("revision", self.command):
            self.answer(fault.status, fault.headers)
        elif commit := self.commit_of(repository, revision):
            listing = [{"rfilename": path} for path in self.hub.files[repository, commit]]
            content = {"id": repository, "sha": commit, "tags": ["license:mit"], "siblings": listing}
            self.answer(200, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def send_resolved(self, repository: str, revision: str, path: str) -> None:
        commit = self.commit_of(repository, revision)
        if commit is None:
            return
        content = self.hub.files[repository, commit].get(path)
        headers = {"X-Repo-Commit": commit}
        if content is None:
            self.answer(
                404, {**headers, "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            )
            return
        is_large = len(content) >= LARGE
        fault = None if is_large and self.command == "GET" else self.hub.fault_of(path, self.command)
        if fault and fault.status:
            self.answer(fault.status, fault.headers)
            return
        if is_large:
            sha256 = hashlib.sha256(content).hexdigest()
            xet = f'<{self.hub.address}/api/models/{repository}/xet-read-token/{commit}>; rel="xet-auth"'
            self.answer(
                302,
                {
                    **headers,
                    "Location": f"{self.hub.storage_address}/{commit}/{path.replace('=', '%3D')}",
                    "ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
                    "X-Linked-Etag": f'"{sha256}"',
                    "X-Linked-Size": str(len(content)),
                    "X-Xet-Hash": sha256,
                    "Link": xet,
                },
            )
            return
        name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        sent = self.hub.lies.get(path, content)
        self.send_file(path, sent, {**headers, "ETag": f'"{name}"'}, fault)


class _StorageHandler(_Handler):
    def do_GET(self) -> None:
        self.note()
        commit, _, path = unquote(self.path).removeprefix("/").partition("/")
        fault = self.hub.fault_of(path, "GET")
        if fault and fault.status:
            self.answer(fault.status, fault.headers)
            return
        contents = next(files for (_, known), files in self.hub.files.items() if known == commit)
        self.send_file(path, self.hub.lies.get(path, contents[path]), {}, fault)
