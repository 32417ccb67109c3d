from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.events import Stream
from jobs.ledger.keys import LOCAL_TENANT
from jobs.settings import Settings
from tests.api.conftest import Hands, Server, narrate, problem


def listen(client: Any, job_id: str, after: str = "0") -> TestResponse:
    """The whole stream, heard to its end."""
    answer = client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": after}, buffered=True)
    assert isinstance(answer, TestResponse)
    return answer


def parse(text: str) -> list[dict[str, Any]]:
    """The events of a stream as a browser's EventSource would see them."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append({**fields, "data": json.loads(fields["data"])})
    return events


def test_the_events_of_an_ended_job_are_told_and_the_stream_ends(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client)
    hands.finish(n_chapters=1)
    answer = listen(client, job_id)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    told = parse(answer.text)
    kinds = [event["event"] for event in told]
    assert kinds[0] == "job.queued"
    assert "chapter.done" in kinds
    assert kinds[-1] == "job.succeeded"
    assert [event["data"]["kind"] for event in told] == kinds
    ids = [int(event["id"]) for event in told]
    assert ids == sorted(set(ids))


def test_a_client_that_lost_the_line_misses_nothing(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client)
    hands.finish()
    whole = parse(listen(client, job_id).text)
    for n, event in enumerate(whole[:-1], start=1):
        rest = parse(listen(client, job_id, event["id"]).text)
        assert rest == whole[n:]


def test_after_the_last_event_an_event_source_is_told_to_stop(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client)
    hands.fail()
    last = parse(listen(client, job_id).text)[-1]["id"]
    answer = listen(client, job_id, last)
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 19, "١"])
def test_a_last_event_id_that_is_none_is_refused(client: FlaskClient, given: str) -> None:
    headers = [("Last-Event-ID", given.encode().decode("latin-1"))]
    answer = client.get(f"/v1/jobs/{narrate(client)}/events", headers=headers)
    assert problem(answer, 422)["errors"][0]["header"] == "Last-Event-ID"


def follow(stream: Stream) -> tuple[threading.Thread, list[str]]:
    told: list[str] = []

    def read() -> None:
        told.extend(iter(stream))

    thread = threading.Thread(target=read)
    thread.start()
    return thread, told


def test_events_are_told_as_they_happen(server: Server, hands: Hands) -> None:
    job_id = narrate(server.local())
    thread, told = follow(Stream(server.office, LOCAL_TENANT, job_id, look_seconds=0.01))
    hands.plan()
    deadline = time.monotonic() + 60
    while not any("step.succeeded" in text for text in told):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert thread.is_alive()
    server.ledger.jobs.cancel(LOCAL_TENANT, job_id)
    thread.join(5)
    assert not thread.is_alive()
    assert "job.cancelled" in "".join(told)


def test_a_silent_stream_pings(server: Server) -> None:
    job_id = narrate(server.local())
    stream = Stream(server.office, LOCAL_TENANT, job_id, look_seconds=0.01, ping_seconds=0.05)
    texts = iter(stream)
    assert next(texts).startswith("id: ")
    started = time.monotonic()
    assert next(texts) == ": still here\n\n"
    assert next(texts) == ": still here\n\n"
    assert 0.09 < time.monotonic() - started < 5


def test_a_stream_ends_with_its_time(server: Server) -> None:
    job_id = narrate(server.local())
    stream = Stream(server.office, LOCAL_TENANT, job_id, look_seconds=0.01, most_seconds=0.05)
    assert len(list(stream)) == 1


def test_a_stream_ends_when_the_server_closes(server: Server) -> None:
    job_id = narrate(server.local())
    thread, _ = follow(Stream(server.office, LOCAL_TENANT, job_id, look_seconds=60))
    server.office.closing.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.fixture
def crowded(serve: Callable[[Settings], Server], settings: Settings) -> Server:
    return serve(settings.model_copy(update={"require_keys": True, "event_streams": 2}))


def opened(client: Any, job_id: str) -> Iterator[bytes]:
    answer = client.get(f"/v1/jobs/{job_id}/events", buffered=False)
    assert answer.status_code == 200
    return answer


def test_a_tenant_holds_so_many_streams_and_no_more(crowded: Server) -> None:
    alice, bob = crowded.as_tenant("alice"), crowded.as_tenant("bob")
    job_id = narrate(alice)
    first, second = opened(alice, job_id), opened(alice, job_id)
    answer = alice.get(f"/v1/jobs/{job_id}/events")
    assert problem(answer, 429)["type"] == "urn:lectorium:problem:too-many-streams"
    assert answer.headers["Retry-After"]
    opened(bob, narrate(bob)).close()
    first.close()
    opened(alice, job_id).close()
    second.close()
    assert crowded.office.streams._taken == {}


def test_asking_for_the_head_holds_no_stream(crowded: Server) -> None:
    alice = crowded.as_tenant("alice")
    job_id = narrate(alice)
    for _ in range(5):
        assert alice.open(f"/v1/jobs/{job_id}/events", method="HEAD").status_code == 200
    assert crowded.office.streams._taken == {}


def test_more_events_than_one_look_brings_are_all_told(
    server: Server, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.MOST_ROWS", 3)
    job_id = narrate(server.local())
    hands.finish()
    told = parse("".join(Stream(server.office, LOCAL_TENANT, job_id, look_seconds=60)))
    assert len(told) == len(server.ledger.jobs.events(LOCAL_TENANT, job_id))
