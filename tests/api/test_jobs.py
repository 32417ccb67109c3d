from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.settings import Settings
from jobs.states import StepKind
from tests.api.conftest import Hands, Server, narrate, problem


def test_a_job_shows_how_far_it_has_come(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client, title="T")
    hands.plan()
    hands.speak()
    job = client.get(f"/v1/jobs/{job_id}").json
    assert job["state"] == "running"
    assert job["title"] == "A Book"
    assert job["started_at"].endswith("Z")
    assert job["progress"]["utterances"] == 4
    assert job["progress"]["utterances_done"] == 2
    assert job["progress"]["audio_seconds"] == 3.5
    assert job["progress"]["eta_seconds"] >= 0
    assert [(c["index"], c["title"], c["utterances_done"]) for c in job["chapters"]] == [
        (1, "Chapter 1", 2),
        (2, "Chapter 2", 0),
    ]
    assert job["artefacts"] == []
    assert job["doubtful_takes"] == 0
    assert set(job["links"]) == {"cancel", "pause", "events"}


def test_an_off_peak_job_says_when_it_goes_on(
    serve: Callable[[Settings], Server], settings: Settings
) -> None:
    opens = (datetime.now(UTC) + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} UTC"
    server = serve(settings.model_copy(update={"window": window}))
    job_id = narrate(server.local(), when="off-peak")
    shown = server.local().get(f"/v1/jobs/{job_id}").json
    assert (shown["spec"]["when"], shown["progress"]["goes_on_at"]) == ("off-peak", None)  # planned at once
    Hands(server.office).plan()
    shown = server.local().get(f"/v1/jobs/{job_id}").json
    assert shown["progress"]["goes_on_at"] == f"{opens:%Y-%m-%dT%H:%M:%S}.000Z"


def test_a_finished_job_shows_its_files(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client)
    hands.finish()
    job = client.get(f"/v1/jobs/{job_id}").json
    assert job["state"] == "succeeded"
    (book,) = job["artefacts"]
    assert book["name"] == "A Book — 本.m4b"
    assert book["bytes"] == 10_240
    assert job["doubtful_takes"] == 2
    assert len(book["sha256"]) == 64
    assert client.get(book["href"]).status_code == 200
    assert set(job["links"]) == {"events"}


def test_a_failed_job_says_why(client: FlaskClient, hands: Hands) -> None:
    job_id = narrate(client)
    hands.fail()
    job = client.get(f"/v1/jobs/{job_id}").json
    assert job["state"] == "failed"
    assert (job["error"]["code"], job["error"]["message"]) == ("unreadable-book", "not a book")
    assert set(job["links"]) == {"retry", "events"}


def test_a_job_shows_nothing_of_where_things_are_stored(
    server: Server, client: FlaskClient, hands: Hands
) -> None:
    job_id = narrate(client)
    hands.finish()
    shown = client.get(f"/v1/jobs/{job_id}").text + client.get("/v1/jobs").text
    assert "t/0000" not in shown
    assert str(server.office.settings.home) not in shown
    assert "hands" not in client.get(f"/v1/jobs/{job_id}/events").text, "a worker's name"


# --- ETag ---


def test_an_unchanged_job_is_not_sent_again(client: FlaskClient, hands: Hands) -> None:
    path = f"/v1/jobs/{narrate(client)}"
    tag = client.get(path).headers["ETag"]
    same = client.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    hands.plan()
    changed = client.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_the_etag_changes_with_whatever_a_reader_sees(client: FlaskClient, hands: Hands) -> None:
    path = f"/v1/jobs/{narrate(client)}"
    tags = [client.get(path).headers["ETag"]]

    def did(step: Callable[[], object]) -> None:
        step()
        tags.append(client.get(path).headers["ETag"])

    did(hands.plan)
    did(hands.speak)
    did(hands.speak)
    did(lambda: client.post(f"{path}/pause"))
    did(lambda: client.post(f"{path}/resume"))
    did(lambda: hands.ledger.steps.finish(hands.claim(StepKind.MASTER), audio_seconds=4))
    assert len(set(tags)) == len(tags)


# --- lists ---


def test_a_list_goes_page_by_page_newest_first(client: FlaskClient) -> None:
    made = [narrate(client) for _ in range(5)]
    seen, path = [], "/v1/jobs?limit=2"
    while path:
        answer = client.get(path)
        seen.append([job["id"] for job in answer.json["jobs"]])
        link = answer.headers.get("Link", "")
        assert (answer.json["next"] is not None) == bool(link)
        path = link.partition("<")[2].partition(">")[0]
        assert not link or link.endswith('; rel="next"')
    assert [len(page) for page in seen] == [2, 2, 1]
    assert [job_id for page in seen for job_id in page] == made[::-1]


def test_a_full_last_page_has_no_next(client: FlaskClient) -> None:
    for _ in range(2):
        narrate(client)
    assert client.get("/v1/jobs?limit=2").json["next"] is None


def test_a_list_may_be_of_one_state(client: FlaskClient, hands: Hands) -> None:
    narrate(client)
    failed = hands.fail()
    queued = [narrate(client) for _ in range(3)]
    assert [job["id"] for job in client.get("/v1/jobs?state=failed").json["jobs"]] == [failed]
    page = client.get("/v1/jobs?state=queued&limit=1")
    assert [job["id"] for job in page.json["jobs"]] == queued[:-2:-1]
    assert "state=queued" in page.headers["Link"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("state=done", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=../etc", "cursor"),
        ("cursor=01ARZ3NDEKTSV4RRFFQ69G5FAV%0A", "cursor"),
        ("sate=queued", "sate"),
    ],
)
def test_a_wrong_query_is_named(client: FlaskClient, query: str, parameter: str) -> None:
    body = problem(client.get(f"/v1/jobs?{query}"), 422)
    assert body["errors"][0]["parameter"] == parameter


# --- steering ---


def at_rest(hands: Hands) -> None:
    """The job stays as it was made."""


@pytest.mark.parametrize(
    ("prepare", "verb", "state"),
    [
        (at_rest, "cancel", "cancelled"),
        (Hands.plan, "cancel", "cancelled"),
        (Hands.plan, "pause", "paused"),
        (Hands.fail, "retry", "running"),
    ],
)
def test_a_job_can_be_steered(client: FlaskClient, hands: Hands, prepare: Any, verb: str, state: str) -> None:
    path = f"/v1/jobs/{narrate(client)}"
    prepare(hands)
    answer = client.post(f"{path}/{verb}")
    assert (answer.status_code, answer.json["state"]) == (202, state)
    assert client.get(path).json == answer.json


def test_a_paused_job_goes_on(client: FlaskClient, hands: Hands) -> None:
    path = f"/v1/jobs/{narrate(client)}"
    hands.plan()
    client.post(f"{path}/pause")
    answer = client.post(f"{path}/resume")
    assert (answer.status_code, answer.json["state"]) == (202, "running")
    hands.speak()


@pytest.mark.parametrize(
    ("prepare", "verb", "state"),
    [
        (at_rest, "pause", "queued"),
        (at_rest, "resume", "queued"),
        (at_rest, "retry", "queued"),
        (Hands.plan, "resume", "running"),
        (Hands.plan, "retry", "running"),
        (Hands.fail, "cancel", "failed"),
        (Hands.fail, "pause", "failed"),
        (Hands.finish, "cancel", "succeeded"),
        (Hands.finish, "retry", "succeeded"),
    ],
)
def test_an_impossible_move_is_refused_with_the_state(
    client: FlaskClient, hands: Hands, prepare: Any, verb: str, state: str
) -> None:
    path = f"/v1/jobs/{narrate(client)}"
    prepare(hands)
    body = problem(client.post(f"{path}/{verb}"), 409)
    assert body["state"] == state
    assert body["type"] == "urn:lectorium:problem:move-refused"
    assert verb not in client.get(path).json["links"]


def test_knocks_go_out_for_what_is_due_again(
    server: Server, client: FlaskClient, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/jobs/{narrate(client, webhook={'url': 'https://hooks.example/'})}"
    hands.fail()
    rung: list[str] = []
    monkeypatch.setattr(server.office.doorbell, "ring", lambda knocks: rung.extend(k.kind for k in knocks))
    client.post(f"{path}/retry")
    assert rung == ["plan"]
    client.post(f"{path}/cancel")
    assert rung == ["plan", "deliver"]


# --- ids ---


@pytest.mark.parametrize(
    "job_id",
    [
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01arz3ndektsv4rrffq69g5fav",
        "1",
        "..",
        "%2e%2e%2fetc",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV%00",
        "'; DROP TABLE jobs; --",
        "٣" * 26,
        "x" * 5000,
    ],
)
def test_an_id_that_nobody_has_is_not_found(client: FlaskClient, job_id: str) -> None:
    for rest in ("", "/events", "/artefacts/a", "/cancel", "/retry"):
        method = "POST" if rest in {"/cancel", "/retry"} else "GET"
        answer = client.open(f"/v1/jobs/{job_id}{rest}", method=method)
        assert answer.status_code in {404, 405}
        assert answer.mimetype == "application/problem+json"


def test_ids_that_are_none_and_ids_of_nobody_look_the_same(client: FlaskClient) -> None:
    assert client.get("/v1/jobs/nonsense").json == client.get("/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV").json
