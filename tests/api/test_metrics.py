from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from jobs.errors import LedgerUnavailableError
from tests.api.conftest import Hands, Server, narrate

REACHED = ("queued", "running", "succeeded", "failed", "cancelled")


def read(client: FlaskClient) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values) -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_never_by_id(client: FlaskClient) -> None:
    job_id = narrate(client)
    for _ in range(3):
        client.get(f"/v1/jobs/{job_id}")
    client.get("/v1/jobs/nonsense")
    client.get("/no/such/place")
    found = read(client)
    assert found["http_requests_total", ("200", "GET", "/v1/jobs/<job_id>")] == 3
    assert found["http_requests_total", ("404", "GET", "/v1/jobs/<job_id>")] == 1
    assert found["http_requests_total", ("404", "GET", "none")] == 1
    assert found["http_requests_total", ("202", "POST", "/v1/narrations")] == 1
    assert found["http_request_duration_seconds_count", ("GET", "/v1/jobs/<job_id>")] == 4
    assert job_id not in client.get("/metrics").text


def test_strange_methods_make_one_series(client: FlaskClient) -> None:
    for n in range(5):
        client.open("/v1/jobs", method=f"ODD{n}")
    assert read(client)["http_requests_total", ("405", "other", "none")] == 5


def test_the_backlog_is_shown(client: FlaskClient, hands: Hands) -> None:
    for _ in range(3):
        narrate(client)
    hands.plan()
    hands.speak()
    found = read(client)
    assert found["jobs_queued", ("narration",)] == 2
    assert found["jobs", ("narration", "running")] == 1
    assert found["steps", ("plan", "ready")] == 2
    assert found["utterances_waiting", ()] == 2
    assert found["audio_seconds_rendered_total", ()] == 3.5
    assert found["job_oldest_queued_age_seconds", ("plan",)] >= 0
    assert found["stored_bytes", ()] > 0
    assert found["ledger_up", ()] == 1
    assert found["doorbell_publish_failures_total", ()] == 0


def test_jobs_are_counted_by_the_states_they_came_to(client: FlaskClient, hands: Hands) -> None:
    for _ in range(4):
        narrate(client)
    hands.finish()
    hands.fail()
    hands.plan()
    found = read(client)
    reached = {to: found["job_state_transitions_total", ("narration", to)] for to in REACHED}
    assert reached == {"queued": 4, "running": 3, "succeeded": 1, "failed": 1, "cancelled": 0}
    assert ("job_state_transitions_total", ("narration", "paused")) not in found
    assert found["units_rendered_total", ()] == 4


def test_webhooks_are_counted_by_their_end(
    server: Server, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        job_id = narrate(client, webhook={"url": "https://example.org/told"})
        assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    first, second, _ = server.ledger.deliveries.claim()
    server.ledger.deliveries.delivered(first)
    monkeypatch.setattr("jobs.ledger.deliveries.WAITS_SECONDS", ())  # the first try is the last
    server.ledger.deliveries.failed(second, "410 Gone")
    found = read(client)
    assert found["webhook_deliveries_total", ("delivered",)] == 1
    assert found["webhook_deliveries_total", ("abandoned",)] == 1
    assert found["webhook_deliveries_waiting", ()] == 1


def test_figures_that_never_rose_are_zero_and_not_absent(client: FlaskClient) -> None:
    found = read(client)
    assert found["webhook_deliveries_total", ("abandoned",)] == 0
    assert found["units_rendered_total", ()] == 0


def test_what_the_store_was_asked_is_counted(server: Server, client: FlaskClient, hands: Hands) -> None:
    narrate(client)
    job_id = hands.finish(name="Emma.m4b")
    before = read(client)
    assert before["storage_requests_total", ("ok", "put")] == 4  # the source; and, by these hands, three more
    path = f"/v1/jobs/{job_id}/artefacts/Emma.m4b"
    assert client.get(path).status_code == 200
    client.get(path, headers={"Range": "bytes=0-9"})
    client.get("/readyz")
    for stored in (server.office.settings.home / "objects").rglob("book-*"):
        stored.unlink()
    assert client.get(path).status_code == 500
    found = read(client)
    assert found["storage_requests_total", ("ok", "open_range")] == 2
    assert found["storage_requests_total", ("missing", "open_range")] == 1
    assert found["storage_requests_total", ("ok", "check")] == 1


def test_the_backlog_is_read_once_in_ten_seconds(
    server: Server, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(client)
    monkeypatch.setattr(server.ledger.operations, "backlog", lambda: pytest.fail("read again"))
    read(client)


def test_what_workers_count_is_shown(server: Server, client: FlaskClient) -> None:
    server.ledger.counts.note("voice_loads", "ahead", 2)
    server.ledger.counts.note("leases_expired")
    server.ledger.counts.write()
    found = read(client)
    assert found["voice_loads_total", ("ahead",)] == 2
    assert found["leases_expired_total", ()] == 1
    assert found["fenced_writes_total", ()] == 0


def test_a_ledger_that_is_down_is_shown_as_down(
    server: Server, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise LedgerUnavailableError

    monkeypatch.setattr(server.ledger.operations, "backlog", down)
    found = read(client)
    assert found["ledger_up", ()] == 0
    assert not [name for name, _ in found if name.startswith("jobs")]
