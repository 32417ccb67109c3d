"""The server as operators run it: a process of its own, over a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from jobs.ledger import Ledger
from jobs.settings import PREFIX, Settings, environment_of
from tests.api.test_events import parse

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(settings: Settings, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server's process and its address."""
    environment = {**os.environ, **environment_of(settings), f"{PREFIX}PORT": "0", **variables}  # noqa: TID251
    process = subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("http://127.0.0.1:"), process.communicate()[1]
        yield process, line
    finally:
        process.kill()
        process.communicate()


def post(address: str, text: str = "Hello.") -> urllib3.BaseHTTPResponse:
    """The answer, over a new connection: after a 413 gunicorn closes the one whose rest it did not read."""
    with urllib3.PoolManager() as lines:
        return lines.request("POST", f"{address}/v1/narrations", json={"text": text, "voice": "stub"})


def test_a_server_prints_its_address_serves_and_stops(settings: Settings) -> None:
    with running(settings) as (process, address):
        answer = post(address)
        assert answer.status == 202
        job = urllib3.request("GET", address + answer.headers["Location"])
        assert job.json()["state"] == "queued"
        assert urllib3.request("GET", f"{address}/readyz").json()["status"] == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.slow
def test_a_stop_lets_answers_finish_and_ends_event_streams(settings: Settings) -> None:
    with running(settings) as (process, address):
        events = post(address).headers["Location"] + "/events"
        stream = urllib3.request("GET", address + events, preload_content=False)
        told = stream.read(20)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        told += stream.read()
        assert process.wait(10) == 0
        assert time.monotonic() - started < 8
        assert parse(told.decode())[0]["event"] == "job.queued"


@pytest.mark.slow
def test_an_upload_under_way_is_answered_after_sigterm(settings: Settings) -> None:
    with running(settings) as (process, address):
        host, port = address.removeprefix("http://").split(":")
        body = json.dumps({"text": "Hello.", "voice": "stub"}).encode()
        head = (
            f"POST /v1/narrations HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), 5) as line:
            line.sendall(head.encode() + body[:10])
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            line.sendall(body[10:])
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert process.wait(10) == 0
    with Ledger(settings) as ledger:
        assert len(ledger.jobs.page(ledger.keys.local().tenant_id)) == 1


@pytest.mark.slow
def test_a_server_killed_in_the_middle_has_made_each_job_once(settings: Settings) -> None:
    keys = [f"key-{n}" for n in range(40)]
    accepted: dict[str, str] = {}

    def send(address: str, key: str) -> None:
        try:
            answer = urllib3.request(
                "POST",
                f"{address}/v1/narrations",
                json={"text": key, "voice": "stub"},
                headers={"Idempotency-Key": key},
                retries=False,
            )
        except urllib3.exceptions.HTTPError:
            return
        if answer.status == 202:
            assert accepted.setdefault(key, answer.json()["id"]) == answer.json()["id"]

    def send_all(address: str, *, kill: Callable[[], None] | None = None) -> None:
        threads = [threading.Thread(target=send, args=(address, key)) for key in keys]
        for n, thread in enumerate(threads):
            thread.start()
            if kill and n == len(threads) // 2:
                kill()
        for thread in threads:
            thread.join()

    with running(settings) as (process, address):
        send_all(address, kill=lambda: _kill_family(process.pid))
    with running(settings) as (_, address):
        while len(accepted) < len(keys):
            send_all(address)
    with Ledger(settings) as ledger:
        jobs = ledger.jobs.page(ledger.keys.local().tenant_id, most=1000)
    assert {job.id for job in jobs} == set(accepted.values())
    assert len(jobs) == len(keys)


def _kill_family(pid: int) -> None:
    import psutil

    process = psutil.Process(pid)
    for each in [*process.children(recursive=True), process]:
        each.kill()


@pytest.mark.slow
def test_too_large_an_upload_is_told_so_over_a_real_line(settings: Settings) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 100_000})
    small = Settings(**small.model_dump(exclude_unset=True))
    with running(small) as (_, address):
        answer = urllib3.request(
            "POST", f"{address}/v1/narrations", fields={"file": ("a.txt", bytes(150_000))}, retries=False
        )
        assert answer.status == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert post(address).status == 202


@pytest.mark.slow
def test_logs_are_json_lines_without_text_or_keys(settings: Settings) -> None:
    with running(settings, LECTORIUM_LOG_FORMAT="json") as (process, address):
        job_id = post(address, "Call me Ishmael.").json()["id"]
        urllib3.request("GET", f"{address}/v1/jobs/{job_id}")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    lines = [json.loads(line) for line in errors.splitlines()]
    answered = [line for line in lines if line["event"] == "request answered"]
    assert [(line["method"], line["route"], line["code"]) for line in answered] == [
        ("POST", "/v1/narrations", 202),
        ("GET", "/v1/jobs/<job_id>", 200),
    ]
    assert answered[1]["job_id"] == job_id
    assert "Ishmael" not in errors


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("LECTORIUM_PROT", "1", "did you mean LECTORIUM_PORT?"), ("LECTORIUM_PORT", "x", "LECTORIUM_PORT: ")],
)
def test_a_wrong_setting_stops_the_server_with_one_line(name: str, value: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env={**os.environ, name: value},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_api_never_loads_torch() -> None:
    command = "import sys, api.app, api.__main__; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
