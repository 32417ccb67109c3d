"""The test servers themselves: each starts, does what its handle says and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from kombu import Connection

from tests.services.postgres import PrivatePostgres
from tests.services.process import HOST, MissingServerError, Process, find_program, free_port, is_listening
from tests.services.redis import PrivateRedis
from tests.services.s3 import MotoServer, S3Account

ROOT = Path(__file__).resolve().parents[2]


def test_postgres_url_is_an_empty_database_of_its_own(postgres_url: str, empty_postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE only_here (n int)")
        assert connection.execute("SELECT count(*) FROM only_here").fetchone() == (0,)
        connection.rollback()
    with psycopg.connect(empty_postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_private_postgres_keeps_what_was_committed_through_a_crash(private_postgres: PrivatePostgres) -> None:
    with psycopg.connect(private_postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    for crash in (lambda: private_postgres.stop("immediate"), private_postgres.kill):
        crash()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(private_postgres.url, connect_timeout=2)
        private_postgres.start()
        with psycopg.connect(private_postgres.url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_redis_url_is_a_numbered_database_that_is_ours(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("a", "b")
        assert client.get("a") == b"b"
        client.delete("a")


def test_private_redis_is_killed_restarted_paused_and_flushed(private_redis: PrivateRedis) -> None:
    with redis.Redis.from_url(private_redis.url, socket_timeout=2) as client:
        client.set("a", "b")
        private_redis.restart()
        assert client.get("a") == b"b"
        private_redis.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("a")
        private_redis.resume()
        private_redis.flushall()
        assert client.get("a") is None


def test_s3_server_gives_each_test_a_fresh_bucket(s3_server: S3Account) -> None:
    assert s3_server.bucket.startswith("lectorium-")
    assert s3_server.with_fresh_bucket().bucket != s3_server.bucket


def test_s3rver_server_answers(s3rver_server: S3Account) -> None:
    with urllib.request.urlopen(s3rver_server.endpoint, timeout=60) as answer:  # noqa: S310 - our own server
        assert b"ListAllMyBucketsResult" in answer.read()


def test_rabbitmq_url_takes_a_message(rabbitmq_url: str) -> None:
    name = f"lectorium-test-{os.getpid()}"
    with (
        Connection(rabbitmq_url) as connection,
        connection.SimpleQueue(name, queue_opts={"auto_delete": True}) as queue,
    ):
        queue.put({"knock": 1})
        message = queue.get(timeout=60)
        message.ack()
        assert message.payload == {"knock": 1}


def test_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import time, sys\n"
        "from tests.services.redis import PrivateRedis\n"
        "from tests.services.postgres import PrivatePostgres\n"
        "a, b = PrivateRedis(), PrivatePostgres()\n"
        "print(a.port, b.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        ports = [int(port) for port in parent.stdout.readline().split()]
        assert len(ports) == 2
        assert all(is_listening(port) for port in ports)
        os.kill(parent.pid, signal.SIGKILL)
    give_up = time.monotonic() + 60
    while any(is_listening(port) for port in ports):
        assert time.monotonic() < give_up, "a server outlived its parent"
        time.sleep(0.02)


def test_closing_a_server_leaves_no_process() -> None:
    with MotoServer() as server:
        children = psutil.Process(server.pid).children(recursive=True)
        assert is_listening(server.port)
    assert not is_listening(server.port)
    assert not any(child.is_running() for child in children)


def test_a_server_that_dies_at_once_says_why(tmp_path: Path) -> None:
    broken = Process([sys.executable, "-c", "raise SystemExit('no such cluster')"], log=tmp_path / "log")
    with pytest.raises(MissingServerError, match="no such cluster"):
        broken.wait_until_listening(free_port())


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(MissingServerError, match="apt-get install nothing-like-this"):
        find_program("nothing-like-this-at-all", package="nothing-like-this")


@pytest.mark.parametrize(("in_ci", "outcome"), [("true", "1 error"), ("", "1 skipped")])
def test_missing_server_fails_in_ci_and_skips_at_home(in_ci: str, outcome: str) -> None:
    test = f"{Path(__file__)}::test_private_redis_is_killed_restarted_paused_and_flushed"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", test],
        cwd=ROOT,
        env={"PATH": "/nowhere", "CI": in_ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "redis-server is not installed: apt-get install redis-server" in done.stdout
    assert outcome in done.stdout.splitlines()[-1]


def test_free_port_is_free() -> None:
    assert not is_listening(free_port(), HOST)
