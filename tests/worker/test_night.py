"""A voice by morning: asked for over HTTP in the evening, trained at night by a set clock; who goes first."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, update
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

import worker.giving_way
from api.app import create_app
from api.office import set_office
from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from jobs.tables import Step
from tests.models_store.speaking import write_wav
from tests.speech.training.spoken import speech
from tests.worker.learning import FAST, drain, put_base, recordings, sent, submit
from tests.worker.spoiling import JAPANESE, REFUSED, spoilt
from tests.worker.test_urgent import speak
from worker.workshop import Workshop


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    patient = {"lease_seconds": 60, "renew_seconds": 15, "hang_seconds": 300}
    night = {"window": "22:00-06:00 Europe/Berlin", "price_per_kwh": 0.3}
    return settings.model_copy(update={**patient, **night})


@pytest.fixture
def clock() -> SetClock:
    return SetClock(at("2026-10-24T19:00+02:00"))


@pytest.fixture
def night(workshop: Workshop, clock: SetClock) -> Iterator[Workshop]:
    """The workshop on a ledger whose time is set. Its leases never end, for time stands still."""
    with Ledger(workshop.settings, clock=clock) as ledger:
        yield replace(workshop, ledger=ledger)


@pytest.fixture
def client(night: Workshop) -> Iterator[FlaskClient]:
    """Of a server on the same ledger."""
    app = create_app(night.settings)
    office = app.extensions["lectorium"]
    set_office(app, replace(office, ledger=night.ledger))
    yield app.test_client()
    office.ledger.close()


def ask(client: FlaskClient, spec: dict[str, Any], sounds: dict[str, bytes]) -> TestResponse:
    """The answer to a training asked for with these files."""
    parts = [("recordings", FileStorage(io.BytesIO(sound), name)) for name, sound in sounds.items()]
    parts.append(("spec", FileStorage(io.BytesIO(json.dumps(spec).encode()), "spec.json")))
    # encoded here: the client leaves open the file that it writes so much into
    boundary, body = encode_multipart(MultiDict(parts))
    return client.post("/v1/trainings", data=body, content_type=f"multipart/form-data; boundary={boundary}")


def test_recordings_of_the_evening_are_a_voice_in_the_morning(
    night: Workshop, client: FlaskClient, clock: SetClock, tmp_path: Path
) -> None:
    put_base(night)
    sounds, texts = recordings()
    spec = {
        "name": "anna",
        "base": "base",
        "language": "en",
        "consent": "Anna agreed, 2 May 2026",
        "deadline": "2026-10-25T07:00:00+01:00",
        "options": dict(FAST),
        "words": [{"recording": name, "text": text} for name, text in texts.items()],
    }
    answer = ask(
        client, spec, {n: write_wav(tmp_path / n, sound).read_bytes() for n, sound in sounds.items()}
    )
    assert answer.status_code == 202, answer.text
    address = answer.headers["Location"]

    drain(night)  # at seven in the evening
    job = client.get(address).json
    assert job["state"] == "running"
    assert [file["name"] for file in job["artefacts"]] == ["report.json"]
    assert job["hours"]["meets_deadline"] is True
    assert job["hours"]["saving"] > 0
    (hours,) = job["hours"]["openings"]
    assert hours["opens_at"] == "2026-10-25T00:00:00.000Z"  # two o'clock: the lowest of the built-in day
    assert job["progress"]["goes_on_at"] == hours["opens_at"]
    assert job["training"] is None

    clock.seconds = at("2026-10-24T23:00+02:00")  # night, but there are greener hours
    night.ledger.windows.move_on()
    drain(night)
    assert client.get(address).json["training"] is None

    clock.seconds = at("2026-10-25T02:00+02:00")
    drain(night)
    job = client.get(address).json
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert job["training"]["updates_done"] == job["training"]["updates"] > 0
    assert job["energy"]["kwh"] > 0
    assert job["energy"]["grams_co2e"] > 0
    names = {file["name"] for file in job["artefacts"]}
    assert {"losses.png", "evaluation.png", "evaluation.json", "preview.wav", "report.json"} <= names
    for file in job["artefacts"]:
        assert client.get(file["href"]).status_code == 200
    lineage = night.shelf.resolve("anna").training
    assert lineage is not None
    assert 0 < lineage.energy_kwh < job["energy"]["kwh"]  # the last step's is not in it
    assert lineage.energy_cost == pytest.approx(0.3 * lineage.energy_kwh)
    assert job["energy"]["cost"] == pytest.approx(0.3 * job["energy"]["kwh"])
    figures = client.get("/metrics").text
    shown = {row.split()[0]: float(row.split()[1]) for row in figures.splitlines() if "estimate" in row}
    assert shown['energy_kilowatt_hours_total{source="estimate"}'] == pytest.approx(job["energy"]["kwh"])
    assert shown['carbon_grams_total{source="estimate"}'] == pytest.approx(job["energy"]["grams_co2e"])
    assert shown['energy_cost_total{source="estimate"}'] == pytest.approx(job["energy"]["cost"])
    voice = client.get("/v1/voices/anna").json
    assert voice["own"] is True
    assert voice["versions"][0]["may_speak"] is True
    leased = [
        event
        for event in night.ledger.jobs.events(LOCAL_TENANT, job["id"])
        if event.kind == "step.leased" and event.detail["step"] in {"train", "publish"}
    ]
    assert len(leased) == 2
    assert all(event.at == clock.seconds for event in leased)


def test_a_client_is_told_in_one_line_what_is_wrong_with_each_recording(
    night: Workshop, client: FlaskClient, tmp_path: Path
) -> None:
    put_base(night)
    sounds, texts = spoilt(speech(3.2, seed=9))
    words = [{"recording": name, "text": text} for name, text in texts.items()]
    words = [{**each, "language": "ja"} if each["recording"] == JAPANESE else each for each in words]
    spec = {"name": "anna", "base": "base", "language": "en", "consent": "Anna agreed", "words": words}
    files = {
        name: sound if isinstance(sound, bytes) else write_wav(tmp_path / name, sound).read_bytes()
        for name, sound in sounds.items()
    }
    answer = ask(client, spec, files)
    assert answer.status_code == 202, answer.text
    drain(night, StepKind.PREPARE)
    job = client.get(answer.headers["Location"]).json
    assert job["state"] == "failed"
    assert job["error"]["message"] == "recordings: none of them can be learnt from"
    lines = [other["message"] for other in job["error"]["others"]]
    assert len(lines) == len(REFUSED) > 10
    for line, (name, reason) in zip(lines, REFUSED.items(), strict=True):
        assert line.startswith(f"{name}: {reason}")
        assert "\n" not in line


class Ticking(SetClock):
    """A clock that moves on a second whenever somebody looks at it, but not for a claim."""

    def read(self, connection: Connection) -> float:
        self.seconds += 1
        return super().read(connection)


def test_a_training_is_laid_down_for_a_speech_and_goes_on_after_it(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.giving_way, "_ASK_SECONDS", 0.0)  # at each update
    clock = Ticking(at("2026-10-24T12:00+02:00"))
    with Ledger(workshop.settings, clock=clock) as ledger:
        busy = replace(workshop, ledger=ledger)
        put_base(busy)
        sounds, texts = recordings(4)
        job_id = submit(busy, sent(busy, tmp_path, sounds), texts)
        drain(busy, StepKind.PREPARE)
        speech = speak(busy, "The lamp went out at last.")
        with ledger.database.write() as tx:  # somebody asks for it a moment after the training has begun
            soon = clock.seconds + 6
            tx.execute(update(Step).where(Step.job_id == speech).values(not_before=soon, ready_at=soon))
        drain(busy, StepKind.SYNTHESIZE, StepKind.TRAIN)
        assert ledger.jobs.get(LOCAL_TENANT, speech).state == JobState.SUCCEEDED
        told = ledger.jobs.events(LOCAL_TENANT, job_id)
        spoken = ledger.jobs.events(LOCAL_TENANT, speech)[-1]
    of_train = [event for event in told if event.detail.get("step") == "train"]
    (laid_down,) = (event for event in of_train if event.detail.get("reason") == "a speech waits")
    trained = of_train[-1]
    assert (spoken.kind, trained.kind) == ("job.succeeded", "step.succeeded")
    assert laid_down.id < spoken.id < trained.id
    assert [event.detail["attempt"] for event in of_train if event.kind == "step.leased"] == [1, 1]
