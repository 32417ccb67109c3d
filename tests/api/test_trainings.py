"""Trainings over HTTP: accepted, shown and steered; refused in one line that names the field."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from jobs.ledger.training_values import TrainingProgress
from jobs.states import StepKind
from tests.api.conftest import SOUND, Client, Hands, Server, problem
from tests.models_store.making import manifest_of, write_files

SPEC = {"name": "anna", "base": "base", "language": "en", "consent": "Anna agreed by letter"}
LIST = "anna.wav|anna|en|What Anna says.\n"


@pytest.fixture
def alice(everywhere: Server, tmp_path: Path) -> Client:
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    everywhere.office.shelf.install(manifest_of("base", files), files)
    return everywhere.as_tenant("alice")


@pytest.fixture
def bob(keyed: Server, tmp_path: Path) -> Client:
    """Of a server on SQLite alone."""
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    keyed.office.shelf.install(manifest_of("base", files), files)
    return keyed.as_tenant("bob")


def train(
    client: Any, *recordings: tuple[str, bytes], listed: str | None = None, key: str = "", **spec: Any
) -> TestResponse:
    content = {name: value for name, value in (SPEC | spec).items() if value is not None}
    files: dict[str, Any] = {
        "spec": (io.BytesIO(json.dumps(content).encode()), "spec.json", "application/json"),
        "recordings": [(io.BytesIO(sound), name) for name, sound in recordings or (("anna.wav", SOUND),)],
    }
    if listed is not None:
        files["list"] = (io.BytesIO(listed.encode()), "slicer.list")
    headers = {"Idempotency-Key": key} if key else {}
    answer: TestResponse = client.post(
        "/v1/trainings", data=files, content_type="multipart/form-data", headers=headers
    )
    return answer


def test_a_training_is_accepted_shown_and_found_again(everywhere: Server, alice: Client) -> None:
    options = {"precision": "bf16", "adapter_rank": 32, "decoder_epochs": 4}
    asked = {"options": options, "windows": ["22:00-06:00 Europe/Berlin"], "title": "Anna by night"}
    answer = train(alice, ("anna.wav", SOUND), listed=LIST, key="once", **asked)
    assert answer.status_code == 202, answer.text
    job = alice.get(answer.headers["Location"]).json
    assert (job["kind"], job["state"], job["title"]) == ("training", "queued", "Anna by night")
    assert {name: job["spec"]["options"][name] for name in options} == options
    (recording,) = job["spec"]["recordings"]
    assert recording["source"]["name"] == "anna.wav"
    assert "key" not in recording["source"]
    assert "key" not in job["spec"]["listed"]
    assert (job["training"], job["energy"], job["hours"]) == (None, None, None)
    again = train(alice, ("anna.wav", SOUND), listed=LIST, key="once", **asked)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == answer.json
    other = train(alice, ("anna.wav", SOUND[1:]), listed=LIST, key="once", **asked)
    assert problem(other, 422)["type"].endswith("idempotency-mismatch")
    assert len(alice.get("/v1/jobs").json["jobs"]) == 1
    key = everywhere.ledger.jobs.get(everywhere.tenants["alice"], job["id"]).spec["recordings"][0]["source"][
        "key"
    ]
    assert everywhere.office.objects.get(key) == SOUND


def test_progress_energy_hours_and_files_are_shown(everywhere: Server, alice: Client) -> None:
    job_id = train(alice, when="off-peak", windows=["00:00-24:00 UTC"]).json["id"]
    hands, trainings = Hands(everywhere.office), everywhere.ledger.trainings
    prepare = hands.claim(StepKind.PREPARE)
    trainings.choose_hours(prepare, 90.0)
    everywhere.ledger.steps.finish(prepare)
    job = alice.get(f"/v1/jobs/{job_id}").json
    assert job["hours"]["meets_deadline"] is True
    assert (job["hours"]["needed_seconds"], job["hours"]["is_measured"]) == (90, False)
    assert job["hours"]["openings"]
    with everywhere.ledger.database.write() as tx:  # whatever the time of day: the hours have come
        tx.connection.exec_driver_sql(
            "UPDATE steps SET not_before = 0, closes_at = NULL WHERE kind = 'train'"
        )
    claim = hands.claim(StepKind.TRAIN)
    trainings.note_progress(claim, TrainingProgress("decoder", 3, 12, 1.5))
    trainings.note_energy(claim, 0.01, "rapl")
    plot = hands.store(claim, "plot", "loss.png", b"PNG", "image/png")
    everywhere.ledger.steps.finish(claim, artefacts=[plot])
    job = alice.get(f"/v1/jobs/{job_id}").json
    assert job["training"] == {
        "stage": "decoder",
        "updates_done": 3,
        "updates": 12,
        "updates_per_second": 1.5,
    }
    assert (job["energy"]["kwh"], job["energy"]["source"], job["energy"]["cost"]) == (0.01, "rapl", None)
    assert job["energy"]["grams_co2e"] > 0
    (shown,) = job["artefacts"]
    assert (shown["name"], shown["kind"]) == ("loss.png", "plot")
    assert alice.get(shown["href"]).data == b"PNG"
    figures = everywhere.as_tenant("root", "admin").get("/metrics").text
    assert 'energy_kilowatt_hours_total{source="rapl"} 0.01' in figures
    assert alice.post(f"/v1/jobs/{job_id}/cancel").json["state"] == "cancelled"


@pytest.mark.parametrize(
    ("spec", "pointer", "words"),
    [
        ({"consent": None}, "/consent", "Field required"),
        ({"consent": "  "}, "/consent", "at least 1 character"),
        ({"base": "nobody"}, "/base", "nobody"),
        ({"base": "draft"}, "/base", "does not learn"),
        ({"name": "Anna"}, "/name", "pattern"),
        ({"name": "base"}, "/name", "there for everybody"),
        ({"language": "fr"}, "/language", "none of"),
        ({"windows": ["22:00-06:00"]}, "/windows", "is no time zone"),
        ({"windows": ["25:00-06:00 UTC"]}, "/windows", "is no time of the day"),
        ({"when": "now", "windows": ["22:00-06:00 UTC"]}, "/windows", "waits for nothing"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "/deadline", "has passed"),
        ({"deadline": "2099-01-01T00:00:00"}, "/deadline", "timezone"),
        ({"options": {"decoder_epoch": 3}}, "/options/decoder_epoch", "did you mean 'decoder_epochs'?"),
        ({"options": {"precision": "fp8"}}, "/options/precision", "fp32"),
        ({"words": [{"recording": "x.wav", "text": "x"}]}, "/words/0/recording", "no recording 'x.wav'"),
    ],
)
def test_a_spec_that_will_not_do_is_refused_in_one_line(
    bob: Client, spec: dict[str, Any], pointer: str, words: str
) -> None:
    body = problem(train(bob, **spec), 422)
    assert [fault["pointer"] for fault in body["errors"]] == [pointer]
    assert words in body["detail"]
    assert "\n" not in body["detail"]


def test_files_that_will_not_do_are_refused_in_one_line(bob: Client) -> None:
    for recordings, words in (
        ([("a.wav", b"")], "file 1, 'a.wav', is empty"),
        ([("a.wav", b"1"), ("a.wav", b"2")], "has the name of file 1"),
        ([("a.wav", b"1"), ("b.wav", b"1")], "is the same as file 1"),
    ):
        answer = train(bob, *recordings)
        assert problem(answer, 422)["errors"][0]["pointer"] == "/recordings"
        assert words in answer.json["detail"]
    assert problem(train(bob, listed=""), 422)["errors"][0]["pointer"] == "/list"
    both = train(bob, listed=LIST, words=[{"recording": "anna.wav", "text": "x"}])
    assert problem(both, 422)["errors"][0]["pointer"] == "/words"
    assert bob.get("/v1/jobs").json["jobs"] == []
    problem(bob.post("/v1/trainings", json=SPEC), 415)


def test_many_recordings_fit_into_one_request(bob: Client) -> None:
    many = [(f"{n}.wav", b"%d" % n) for n in range(200)]
    answer = train(bob, *many, words=[{"recording": "7.wav", "text": "Seven.", "language": "en"}])
    assert answer.status_code == 202, answer.text
    spoken = {each["source"]["name"]: each["text"] for each in answer.json["spec"]["recordings"]}
    assert len(spoken) == 200
    assert (spoken["7.wav"], spoken["8.wav"]) == ("Seven.", None)


def test_a_key_without_the_scope_trains_nothing(keyed: Server) -> None:
    problem(train(keyed.as_tenant("bob", "read", "narrate")), 403)
