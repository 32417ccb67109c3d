"""The knock: every setting the guarantees lean on, and a broker that does not answer."""

from __future__ import annotations

import ast
import inspect
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

import jobs.messages
from jobs.messages import DELIVER, KNOCK, Doorbell, Knock, make_app, queue_name
from jobs.states import StepKind

# Each row names its evidence, so that nobody drops the setting as superfluous. Numbers are issues of
# celery/celery; "measured" are experiments of our own with Celery 5.7 on Redis 7.
SETTINGS: dict[str, Any] = {
    # Acknowledged on arrival, so no message outlives visibility_timeout: a late acknowledgement of a long
    # step is redelivered while it runs. Measured: timeout 3 s, one 11 s task, 4 starts in 16 s. #5935, #2481.
    "task_acks_late": False,
    # Results expire after a day and "PENDING" also means "unknown"; the ledger knows. #3573, #5237.
    "task_ignore_result": True,
    "result_backend": None,
    # A pickle from the broker would be code from the broker.
    "task_serializer": "json",
    "accept_content": ["json"],
    # The row is the enqueueing: a knock that cannot be sent must not delay or fail the request. #10271.
    "task_publish_retry": False,
    # A misspelt kind is an error here, and not a queue that nobody reads.
    "task_create_missing_queues": False,
    # With the default of 4, knocks for others wait behind a long step of this worker. Optimizing guide.
    "worker_prefetch_multiplier": 1,
    # A worker with a long step would still reserve one more knock with early acknowledgement. Only on Redis.
    "worker_disable_prefetch": True,
    # True from Celery 6 on: a hiccup of Redis would kill hours of work that the ledger still vouches for.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # SIGTERM must not wait for ever (warm shutdown does); what is in hand is returned within 10 s. Measured:
    # a 12 s task held SIGTERM up for 14 s; with a soft limit the exit came in time. #10271.
    "worker_soft_shutdown_timeout": 8,
    "worker_enable_soft_shutdown_on_idle": True,
    # Nobody listens: metrics come from the ledger, and revoke is kept in workers' memory only. #2620, #7529.
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    # Our lines carry job and step ids.
    "worker_hijack_root_logger": False,
    # A worker that starts before its broker waits for it, and one whose broker restarts comes back. #8030.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
}
TRANSPORT: dict[str, Any] = {
    # kombu's default is None: a half-open connection then reads for ever. #8030, #10205; and redis-py 8
    # changed its own default, so it is said here (redis-py #4125).
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    # A consumer that went silent notices within timeout + twice this. kombu 5.7's redis transport.
    "health_check_interval": 10,
    # An hour, as by default. It does not matter, since nothing is acknowledged late; the shortest among all
    # apps of a broker would win, hence the prefix of our own. Redis guide.
    "visibility_timeout": 3600,
    "global_keyprefix": "lectorium.",
    # One attempt more: what cannot be sent is repaired by the sweep.
    "max_retries": 1,
}


@pytest.mark.parametrize("name", list(SETTINGS))
def test_setting_stands(name: str) -> None:
    app = make_app("redis://localhost:1/0")
    assert name in app.conf.changes or any(name in layer for layer in app.conf.maps[:2]), "left to a default"
    assert app.conf[name] == SETTINGS[name]


@pytest.mark.parametrize("name", list(TRANSPORT))
def test_transport_option_stands(name: str) -> None:
    assert make_app("redis://localhost:1/0").conf.broker_transport_options[name] == TRANSPORT[name]


def test_no_setting_is_without_its_evidence() -> None:
    """Whoever adds a setting adds a row above."""
    tree = ast.parse(inspect.getsource(jobs.messages.make_app))
    updated = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "update"
    )
    given = {keyword.arg for keyword in updated.keywords}
    explained_elsewhere = {"task_queues", "task_default_queue", "broker_transport_options"}
    assert given - explained_elsewhere == set(SETTINGS)
    assert set(make_app("redis://localhost:1/0").conf.broker_transport_options) == set(TRANSPORT)


def test_prefetch_is_switched_off_only_where_that_exists() -> None:
    assert not make_app("amqp://localhost:1//").conf.worker_disable_prefetch
    assert make_app("amqp://localhost:1//").conf.broker_transport_options == {}


def test_each_kind_has_its_durable_queue() -> None:
    queues = make_app("redis://localhost:1/0").conf.task_queues
    assert {queue.name for queue in queues} == {queue_name(kind) for kind in (*StepKind, DELIVER)}
    assert all(queue.durable for queue in queues)


# --- ringing ---


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word: a stopped broker, a firewall that swallows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def _ring(app: Celery, *knocks: Knock) -> tuple[int, float]:
    doorbell = Doorbell(app)
    started = time.monotonic()
    doorbell.ring(knocks)
    return doorbell.n_failed, time.monotonic() - started


@pytest.mark.parametrize("scheme", ["redis://{}/0", "amqp://{}//"])
def test_broker_that_is_down_costs_next_to_nothing(scheme: str) -> None:
    n_failed, seconds = _ring(
        make_app(scheme.format("127.0.0.1:1")), Knock("plan"), Knock("bind"), Knock("master")
    )
    assert n_failed == 3
    assert seconds < 1.5


@pytest.mark.parametrize("scheme", ["redis://{}/0", "amqp://{}//"])
def test_broker_that_says_nothing_costs_three_seconds_once(scheme: str, silent_port: int) -> None:
    app = make_app(scheme.format(f"127.0.0.1:{silent_port}"))
    doorbell = Doorbell(app)
    started = time.monotonic()
    doorbell.ring([Knock("plan"), Knock("bind"), Knock("master")])
    doorbell.ring([Knock("plan")])
    assert time.monotonic() - started < 3
    assert doorbell.n_failed == 4


def test_broker_that_came_back_is_knocked_on_again(
    private_redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.messages, "SILENT_SECONDS", 0.2)
    app = make_app(private_redis.url)
    doorbell = Doorbell(app)
    doorbell.ring([Knock("plan")])
    private_redis.kill()
    doorbell.ring([Knock("plan")])
    assert doorbell.n_failed == 1
    private_redis.start()
    deadline = time.monotonic() + 60
    while _n_waiting(app, "plan") == 0 and time.monotonic() < deadline:
        time.sleep(0.25)
        doorbell.ring([Knock("plan")])
    assert _n_waiting(app, "plan") > 0


def test_ring_sends_each_distinct_knock_once(redis_url: str) -> None:
    app = make_app(redis_url)
    with app.connection_for_write() as connection:
        for kind in ("plan", "synthesize"):
            connection.default_channel.queue_purge(queue_name(kind))
    n_failed, _ = _ring(
        app, *[Knock("plan")] * 5, Knock("synthesize", "a" * 64), Knock("synthesize", "b" * 64)
    )
    assert n_failed == 0
    assert (_n_waiting(app, "plan"), _n_waiting(app, "synthesize")) == (1, 2)


def test_knock_carries_a_kind_and_never_the_work(redis_url: str) -> None:
    app = make_app(redis_url)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge(queue_name("bind"))
        _ring(app, Knock("bind", "a" * 64))
        message = connection.SimpleQueue(app.conf.task_queues[3]).get(timeout=60)
        message.ack()
    arguments, keywords, _ = message.payload
    assert message.headers["task"] == KNOCK
    assert (arguments, keywords) == ([], {"kind": "bind", "weights_digest": "a" * 64})
    assert message.headers["eta"] is None
    assert message.headers["expires"] is None


def _n_waiting(app: Celery, kind: str) -> int:
    with app.connection_for_write() as connection:
        n_messages: int = connection.default_channel._size(queue_name(kind))
        return n_messages
