from __future__ import annotations

import http.client
import json
import signal
import socket
from typing import Any

import psutil
import pytest

from tests.cli.conftest import Shell
from tests.cli.waiting import is_gone, until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.slow
def test_everything_comes_up_reads_a_text_and_goes_down_together(shell: Shell) -> None:
    address = f"http://127.0.0.1:{(port := free_port())}"
    with shell.start("up", "--port", str(port), "--workers", "1") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Lectorium is up at {address} with 1 worker.\n"
        body = {"text": "Nobody laughed.", "voice": "quick", "profile": "none", "language": "en"}
        job = ask(port, "POST", "/v1/narrations", body)
        until(lambda: ask(port, "GET", job["href"])["state"] == "succeeded", seconds=60)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 0
    until(lambda: all(is_gone(child.pid) for child in children))


def test_a_port_in_use_is_one_line(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = shell.run("up", "--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cannot listen on 127.0.0.1, port {port}: Address already in use\n"
