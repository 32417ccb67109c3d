from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from urllib3 import encode_multipart_formdata

from jobs.ids import ID_PATTERN
from jobs.messages import Knock
from jobs.settings import Settings
from jobs.states import StepKind
from tests.api.conftest import Hands, Server, narrate, problem

BOOK = b"# The Whale\n\nCall me Ishmael.\n"


def send_parts(client: Any, parts: dict[str, Any], **more: Any) -> Any:
    """The answer to a form of these parts: text, or (file name, content)."""
    body, content_type = encode_multipart_formdata(parts)
    return client.post("/v1/narrations", data=body, content_type=content_type, **more)


def send_book(
    client: Any, spec: Any = None, name: str = "whale.md", content: bytes = BOOK, **more: Any
) -> Any:
    parts: dict[str, Any] = {"file": (name, content)}
    if spec is not None:
        parts["spec"] = spec if isinstance(spec, str | tuple) else json.dumps(spec)
    return send_parts(client, parts, **more)


def test_a_text_is_accepted_and_becomes_a_job(server: Server, client: FlaskClient) -> None:
    answer = client.post("/v1/narrations", json={"text": "Hei — 你好。", "voice": "stub", "title": "Hello"})
    assert answer.status_code == 202
    job = answer.json
    assert ID_PATTERN.fullmatch(job["id"])
    assert answer.headers["Location"] == job["href"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (job["state"], job["title"], job["kind"]) == ("queued", "Hello", "narration")
    assert client.get(answer.headers["Location"]).json == job
    (claim,) = server.ledger.steps.claim([StepKind.PLAN], owner="w", lease_seconds=60)
    assert server.office.objects.get(claim.spec["source"]["key"]) == "Hei — 你好。".encode()
    assert claim.spec["source"]["name"] == "text.txt"


def test_a_book_file_is_accepted_and_stored_under_its_digest(server: Server, client: FlaskClient) -> None:
    answer = send_book(client, {"voice": "stub", "formats": ["mp3", "flac"]}, name="books/The Whale.md")
    assert answer.status_code == 202, answer.text
    digest = hashlib.sha256(BOOK).hexdigest()
    assert answer.json["title"] == "The Whale"
    assert answer.json["spec"]["source"] == {"name": "The Whale.md", "n_bytes": len(BOOK), "sha256": digest}
    (claim,) = server.ledger.steps.claim([StepKind.PLAN], owner="w", lease_seconds=60)
    assert claim.spec["source"]["key"] == f"t/{claim.tenant_id}/sources/{digest}"
    assert server.office.objects.get(claim.spec["source"]["key"]) == BOOK
    assert claim.spec["formats"] == ["mp3", "flac"]


def test_a_book_needs_no_spec(client: FlaskClient) -> None:
    assert send_book(client).status_code == 202


def test_the_spec_may_come_as_a_file_too(client: FlaskClient) -> None:
    answer = send_book(client, ("spec.json", b'{"title": "T"}'))
    assert answer.json["title"] == "T"


def test_a_large_book_passes_through_a_file_on_disk(client: FlaskClient) -> None:
    book = bytes(3_000_000)
    assert (
        send_book(client, content=book).json["spec"]["source"]["sha256"] == hashlib.sha256(book).hexdigest()
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "a\x00b.txt", "x" * 900 + ".txt", "\u202etxt.exe", ""]
)
def test_a_file_name_is_shown_but_leads_nowhere(client: FlaskClient, name: str) -> None:
    answer = send_book(client, name=name)
    if answer.status_code == 422:
        return  # without a file name, the part is no file
    shown = answer.json["spec"]["source"]["name"]
    assert "/" not in shown
    assert shown.isprintable()
    assert 0 < len(shown) <= 300


def test_the_doorbell_rings_after_the_commit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[tuple[Knock, ...]] = []

    def ring(knocks: Any) -> None:
        assert server.ledger.steps.due() == [Knock(StepKind.PLAN)], "committed by now"
        rung.append(tuple(knocks))

    monkeypatch.setattr(server.office.doorbell, "ring", ring)
    narrate(server.local())
    assert rung == [(Knock(StepKind.PLAN),)]


def test_a_broker_that_is_down_fails_no_request(
    serve: Callable[[Settings], Server], settings: Settings
) -> None:
    server = serve(settings.model_copy(update={"broker": "redis://127.0.0.1:1/0"}))
    narrate(server.local())
    assert server.office.doorbell.n_failed == 1


# --- Idempotency-Key ---


def test_the_same_key_and_request_get_the_first_answer_again(
    server: Server, client: FlaskClient, hands: Hands
) -> None:
    spec = {"text": "Hello.", "voice": "stub", "matter": ["front", "back"]}
    first = client.post("/v1/narrations", json=spec, headers={"Idempotency-Key": "k"})
    assert "Idempotency-Replayed" not in first.headers
    hands.finish()
    spec["matter"] = ["back", "front"]
    again = client.post("/v1/narrations", json=spec, headers={"Idempotency-Key": "k"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Location"] == first.headers["Location"]
    assert len(client.get("/v1/jobs").json["jobs"]) == 1


@pytest.mark.parametrize("other", [{"text": "Hello!"}, {"speed": 1.1}, {"matter": ["front"]}])
def test_the_same_key_with_another_request_is_refused(client: FlaskClient, other: dict[str, Any]) -> None:
    spec = {"text": "Hello.", "voice": "stub"}
    client.post("/v1/narrations", json=spec, headers={"Idempotency-Key": "k"})
    answer = client.post("/v1/narrations", json=spec | other, headers={"Idempotency-Key": "k"})
    assert problem(answer, 422)["errors"][0]["header"] == "Idempotency-Key"


def test_the_same_key_with_another_file_is_refused(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = send_book(client, headers=headers)
    assert send_book(client, headers=headers).data == first.data
    problem(send_book(client, content=BOOK + b"!", headers=headers), 422)
    problem(send_book(client, name="whale.txt", headers=headers), 422)


def test_a_key_of_another_tenant_is_another_key(keyed: Server) -> None:
    spec = {"text": "Hello.", "voice": "stub"}
    answers = [
        keyed.as_tenant(name).post("/v1/narrations", json=spec, headers={"Idempotency-Key": "k"})
        for name in ("alice", "bob")
    ]
    assert answers[0].json["id"] != answers[1].json["id"]


def test_many_at_once_with_one_key_make_one_job(everywhere: Server) -> None:
    client = everywhere.as_tenant("alice")
    barrier, answers = threading.Barrier(8), []

    def send() -> None:
        barrier.wait()
        answers.append(
            client.post(
                "/v1/narrations", json={"text": "x", "voice": "stub"}, headers={"Idempotency-Key": "one"}
            )
        )

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
    assert len(client.get("/v1/jobs").json["jobs"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb", "a b"])
def test_a_strange_idempotency_key_is_refused(client: FlaskClient, key: str) -> None:
    headers = [("Idempotency-Key", key.encode().decode("latin-1"))]
    answer = client.post("/v1/narrations", json={"text": "x"}, headers=headers)
    assert problem(answer, 422)["errors"][0]["header"] == "Idempotency-Key"


# --- what is wrong is named ---


@pytest.mark.parametrize(
    ("spec", "pointer", "says"),
    [
        ({}, "/text", "missing"),
        ({"text": ""}, "/text", "at least 1 character"),
        ({"text": 7}, "/text", "valid string"),
        ({"text": "x" * 2_000_001}, "/text", "at most 2000000 characters"),
        ({"text": "x", "voice": "Nobody"}, "/voice", "pattern"),
        ({"text": "x", "voice": "nobody"}, "/voice", "not on the shelf"),
        ({"text": "x", "sampling": {"top_k": 0}}, "/sampling/top_k", "greater than or equal to 1"),
        ({"text": "x", "sampling": {"top_k": 5}}, "/sampling/top_k", "has no such setting"),
        ({"text": "x", "lexicon": [{"word": "x", "language": "en"}]}, "/lexicon/0", "either phonemes or"),
        (
            {"text": "x", "lexicon": [{"word": "x", "language": "en", "phonemes": "EH1 K S"}]},
            "/lexicon/0",
            "a draft voice takes a respelling only",
        ),
        ({"text": "x", "voise": "stub"}, "/voise", "did you mean 'voice'?"),
        ({"text": "x", "speed": 3}, "/speed", "less than or equal to 2"),
        ({"text": "x", "speed": "1"}, "/speed", "valid number"),
        ({"text": "x", "priority": 10}, "/priority", "less than or equal to 9"),
        ({"text": "x", "formats": []}, "/formats", "at least 1 item"),
        ({"text": "x", "formats": ["mp3", "mp3"]}, "/formats", "twice"),
        ({"text": "x", "formats": ["mp3", "midi"]}, "/formats/1", "'m4b', 'mp3'"),
        ({"text": "x", "chapters": "1-"}, "/chapters", "pattern"),
        ({"text": "x", "title": "a\x00b"}, "/title", "pattern"),
        ({"text": "x", "source": {"key": "t/x"}}, "/source", "unknown field"),
        ({"text": "x", "webhook": {"url": "http://a.example/"}}, "/webhook/url", "https://"),
        ({"text": "x", "webhook": {"url": "https://127.0.0.1/"}}, "/webhook/url", "private"),
        ({"text": "x", "webhook": {"url": "https://a.example/\x00"}}, "/webhook/url", "pattern"),
        ({"text": "x", "webhook": {"uri": "https://a.example/"}}, "/webhook/uri", "did you mean 'url'?"),
        ([], "", "an object"),
        ({"text": "x", "a/b~c": 1}, "/a~1b~0c", "unknown field"),
    ],
)
def test_a_wrong_field_is_named_by_a_pointer(client: FlaskClient, spec: Any, pointer: str, says: str) -> None:
    body = problem(client.post("/v1/narrations", json=spec), 422)
    found = {fault["pointer"]: fault["detail"] for fault in body["errors"]}
    assert says in found[pointer]
    assert body["type"] == "urn:lectorium:problem:invalid"


def test_all_wrong_fields_are_named_at_once(client: FlaskClient) -> None:
    body = problem(client.post("/v1/narrations", json={"speed": 9, "priority": -1, "x": 1}), 422)
    assert {fault["pointer"] for fault in body["errors"]} == {"/speed", "/priority", "/x"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nul", b'{"text": "\\ud800"}', b"[" * 100_000])
def test_what_is_not_json_is_malformed(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/v1/narrations", data=body, content_type="application/json")
    assert problem(answer, 400)["type"] == "urn:lectorium:problem:malformed"


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml"]
)
def test_another_media_type_is_refused(client: FlaskClient, media_type: str) -> None:
    answer = client.post("/v1/narrations", data=b'{"text": "x"}', content_type=media_type)
    problem(answer, 415)
    assert "application/json" in answer.headers["Accept"]


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ({"spec": "{}"}, "/file"),
        ({"file": "not a file part"}, "/file"),
        ({"file": ("empty.txt", b"")}, "/file"),
        ({"file": ("a.txt", b"x"), "spec": '{"text": "x"}'}, "/text"),
        ({"file": ("a.txt", b"x"), "spec": '{"speed": 7}'}, "/speed"),
        ({"file": ("a.txt", b"x"), "cover": ("a.png", b"x")}, "/cover"),
    ],
)
def test_a_wrong_part_is_named(client: FlaskClient, parts: dict[str, Any], pointer: str) -> None:
    body = problem(send_parts(client, parts), 422)
    assert body["errors"][0]["pointer"] == pointer


def test_a_malformed_spec_part_is_refused(client: FlaskClient) -> None:
    problem(send_book(client, "{"), 400)


def test_too_large_an_upload_is_refused(serve: Callable[[Settings], Server], settings: Settings) -> None:
    client = serve(settings.model_copy(update={"max_upload_bytes": 10_000})).local()
    assert send_book(client, content=bytes(9_000)).status_code == 202
    problem(send_book(client, content=bytes(10_001)), 413)
    problem(client.post("/v1/narrations", json={"text": "x" * 10_001}), 413)


def test_an_upload_of_unknown_length_is_bounded_too(
    serve: Callable[[Settings], Server], settings: Settings
) -> None:
    client = serve(settings.model_copy(update={"max_upload_bytes": 1000})).local()
    answer = client.post(
        "/v1/narrations",
        input_stream=io.BytesIO(b'{"text": "' + b"x" * 5000 + b'"}'),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    problem(answer, 413)


def test_too_large_a_spec_part_is_refused(client: FlaskClient) -> None:
    spec = json.dumps({"title": "x" * 600_000})
    problem(send_book(client, spec), 413)
    problem(send_book(client, ("spec.json", spec.encode())), 413)


def test_too_many_parts_are_refused(client: FlaskClient) -> None:
    files = {f"p{n}": ("x", b"x") for n in range(20)}
    told = problem(send_parts(client, files), 422)
    assert told["detail"] == "has more than 16 files"
    problem(send_parts(client, {f"p{n}": "x" for n in range(1_001)}), 413)


# --- the ledger's limits ---


def test_a_limit_of_the_ledger_is_429(serve: Callable[[Settings], Server], settings: Settings) -> None:
    client = serve(settings.model_copy(update={"max_open_jobs": 1})).local()
    narrate(client)
    answer = client.post("/v1/narrations", json={"text": "x", "voice": "stub"})
    body = problem(answer, 429)
    assert body["limit"] == "open_jobs"
    assert answer.headers["Retry-After"] == "60"


def test_characters_a_day_count_at_once(serve: Callable[[Settings], Server], settings: Settings) -> None:
    client = serve(settings.model_copy(update={"max_characters_a_day": 10})).local()
    answer = client.post("/v1/narrations", json={"text": "x" * 11, "voice": "stub"})
    assert problem(answer, 429)["limit"] == "characters_a_day"


def test_a_webhook_shows_its_host_alone(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/narrations",
        json={
            "text": "x",
            "voice": "stub",
            "webhook": {"url": "https://hooks.example/T0/secret?token=s3cr3t"},
        },
    )
    assert answer.json["spec"]["webhook"] == {"host": "hooks.example"}
    assert b"s3cr3t" not in client.get(answer.json["href"]).data
