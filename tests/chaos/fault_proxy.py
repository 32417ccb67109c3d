"""An HTTP proxy that fails: what a network and an overloaded S3 server do, at seeded rates.

    with FaultProxy("http://127.0.0.1:9000", Faults(errors=0.1, wrong_bytes=0.01), seed=7) as proxy:
        ... talk to proxy.endpoint ...
    print(proxy.counts)

Runs by itself too: python -m tests.chaos.fault_proxy http://127.0.0.1:9000 --errors 0.1 --seed 7
"""

from __future__ import annotations

import argparse
import http.client
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect"}


@dataclass(frozen=True)
class Faults:
    """How often each fault strikes a request, from 0 to 1; a request suffers one at most."""

    errors: float = 0
    """Answered 500, 502 or 503 SlowDown, half of them after the server did what was asked."""
    resets: float = 0
    """The connection is reset: before the request is passed on, or in the middle of the answer."""
    stalls: float = 0
    """Silence for `stall_seconds`, then the connection is closed."""
    truncations: float = 0
    """The answer's body ends early, in good order."""
    wrong_bytes: float = 0
    """One byte of the body is another, on its way there or back; bodies only."""
    stall_seconds: float = 5

    def draw(self, random_source: random.Random) -> str | None:
        """The fault of one request, or None."""
        point = random_source.random()
        for name in ("errors", "resets", "stalls", "truncations", "wrong_bytes"):
            point -= getattr(self, name)
            if point < 0:
                return name
        return None


@dataclass
class Order:
    """A fault for the next requests of a kind, whatever the rates say."""

    fault: str
    method: str
    path_holds: str = ""
    times: int = 1
    then: Callable[[], object] = lambda: None
    """Called when the fault has struck, before the client is told."""


class FaultProxy:
    """The proxy, listening on `endpoint` while the `with` block lasts; `counts` says what it did.

    The same seed draws the same faults for the same order of requests. `faults` may be replaced at any time.
    """

    def __init__(self, target: str, faults: Faults, *, seed: int, port: int = 0) -> None:
        """Stand in front of `target`, an http:// address."""
        address = urlsplit(target)
        self.target = (address.hostname or "127.0.0.1", address.port or 80)
        self.faults = faults
        self.counts: Counter[str] = Counter()
        self.orders: list[Order] = []
        self.other_etags = False
        """Whether every ETag is changed on its way back, as if the server had encrypted the object."""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def order(self, fault: str, method: str, **details: Any) -> None:
        """Let the next requests of this kind suffer this fault: see `Order`."""
        self.orders.append(Order(fault, method, **details))

    def draw(self, method: str, path: str) -> tuple[str | None, random.Random, Callable[[], object]]:
        """The fault of this request, the random source of its details, and what follows it."""
        with self._lock:
            fault, details = self.faults.draw(self._random), random.Random(self._random.random())
            self.counts["requests"] += 1
            for order in self.orders:
                if order.times > 0 and order.method == method and order.path_holds in path:
                    order.times -= 1
                    return order.fault, details, order.then
        return fault, details, lambda: None

    def count(self, what: str, n: int = 1) -> None:
        """So many more of these."""
        with self._lock:
            self.counts[what] += n

    def __enter__(self) -> Self:
        """Itself, listening."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: FaultProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hung up is what we are here for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Pass it on, with its fault."""
        proxy = self.server.proxy
        fault, details, then = proxy.draw(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if proxy.other_etags and self.command == "POST":
            body = re.sub(rb"[0-9a-f]{32}", lambda etag: etag[0][::-1], body)
        early = details.random() < 0.5
        if fault == "wrong_bytes" and body:
            body = _damage(body, details)
            proxy.count("wrong bytes sent")
            fault = None
        if fault == "resets" and early:
            self._reset()
        elif fault == "stalls":
            self._stall(proxy.faults.stall_seconds)
        elif fault == "errors" and early:
            self._error(details)
        else:
            response, answer = self._ask(body)
            then()
            self._answer(fault, details, response, answer)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server looks for these names

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(*self.server.proxy.target, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, text in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, text)
            connection.endheaders(body)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def _answer(
        self, fault: str | None, details: random.Random, response: http.client.HTTPResponse, body: bytes
    ) -> None:
        proxy = self.server.proxy
        if fault in {"errors", "lost_answers"}:
            self._error(details)
            return
        cut = len(body)
        if fault in {"resets", "truncations"}:
            cut = details.randrange(len(body)) if body else 0
        elif fault == "wrong_bytes" and body:
            body = _damage(body, details)
            proxy.count("wrong bytes received")
        self.send_response_only(response.status, response.reason)
        for name, text in response.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                other = proxy.other_etags and name.lower() == "etag"
                self.send_header(name, text[::-1] if other else text)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        if length is not None and response.status not in {204, 304}:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
            proxy.count("bytes", cut)
        if fault == "resets":
            self._reset()
        elif fault == "truncations":
            proxy.count(fault)
            self.close_connection = True

    def _error(self, details: random.Random) -> None:
        self.server.proxy.count("errors")
        status, code = details.choice([(500, "InternalError"), (502, "BadGateway"), (503, "SlowDown")])
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.server.proxy.count("resets")
        self.wfile.flush()
        # Linger of zero seconds: closing sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _stall(self, seconds: float) -> None:
        self.server.proxy.count("stalls")
        time.sleep(seconds)
        self.close_connection = True


def _damage(body: bytes, details: random.Random) -> bytes:
    place = details.randrange(len(body))
    return body[:place] + bytes([body[place] ^ details.randrange(1, 256)]) + body[place + 1 :]


def main() -> None:
    """Run until interrupted, then say what was done."""
    parser = argparse.ArgumentParser(description="An HTTP proxy that fails.")
    parser.add_argument("target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    for field in fields(Faults):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    given = vars(parser.parse_args())
    place = {name: given.pop(name) for name in ("target", "seed", "port")}
    with FaultProxy(place["target"], Faults(**given), seed=place["seed"], port=place["port"]) as proxy:
        print(proxy.endpoint, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(dict(proxy.counts))


if __name__ == "__main__":
    main()
