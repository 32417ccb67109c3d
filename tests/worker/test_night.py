"""A day and a night by a set clock: recordings come over HTTP at noon, a voice stands there by morning."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from api.app import create_app
from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.settings import Settings
from tests.models_store.speaking import write_wav
from tests.speech.training.spoken import music
from tests.worker.learning import FAST, drain, put_base, recordings
from worker.lease import Watch
from worker.workshop import Workshop

NOON = datetime.fromisoformat("2026-11-21T12:00:00+01:00").timestamp()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    changes = {"window": "22:00-06:00 Europe/Berlin", "lease_seconds": 600, "renew_seconds": 100}
    return settings.model_copy(update=changes)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def house(workshop: Workshop, clock: SetClock) -> Iterator[Workshop]:
    """The workshop, by the set clock."""
    ledger = Ledger(workshop.settings, clock=clock, n_connections=3)
    watch = Watch(ledger, workshop.settings)
    yield replace(workshop, ledger=ledger, watch=watch)
    left = watch.in_hand()
    for claim in left:
        watch.drop(claim)
    watch.stop()
    ledger.close()
    assert left == [], "work ended with claims under watch"


def test_recordings_at_noon_are_a_voice_in_the_morning(
    house: Workshop, clock: SetClock, tmp_path: Path
) -> None:
    put_base(house)
    app = create_app(house.settings)
    office = app.extensions["lectorium"]
    office.ledger.close()
    app.extensions["lectorium"] = replace(office, ledger=house.ledger)
    client = app.test_client()
    sounds, texts = recordings(4)
    sounds["song.wav"] = music(3.0)
    texts["song.wav"] = "La la la, and so on and on."
    spec = {
        "name": "anna",
        "base": "base",
        "language": "en",
        "consent": "Anna agreed by letter",
        "options": dict(FAST),
        "words": [{"recording": name, "text": text} for name, text in texts.items()],
    }
    files = [
        (io.BytesIO(write_wav(tmp_path / "wav", sound).read_bytes()), name) for name, sound in sounds.items()
    ]
    answer = client.post(
        "/v1/trainings",
        data={
            "spec": (io.BytesIO(json.dumps(spec).encode()), "spec.json", "application/json"),
            "recordings": files,
        },
        content_type="multipart/form-data",
    )
    answer.request.environ["wsgi.input"].close()  # the test client's own file, which it leaves open
    assert answer.status_code == 202, answer.text
    place = answer.headers["Location"]
    drain(house)
    by_day = client.get(place).json
    assert (by_day["state"], by_day["training"]) == ("running", None)  # prepared, and no update by day
    opens = datetime.fromisoformat(by_day["progress"]["goes_on_at"]).timestamp()
    assert NOON + 10 * 3600 <= opens < NOON + 18 * 3600
    clock.seconds = opens - 1
    drain(house)
    assert client.get(place).json["training"] is None
    clock.seconds = opens
    drain(house)
    job = client.get(place).json
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert job["training"]["updates_done"] == job["training"]["updates"] == 8
    assert job["energy"]["kwh"] > 0
    assert job["energy"]["grams_co2e"] > 0
    found = {one["name"]: client.get(one["href"]).data for one in job["artefacts"]}
    assert found["losses.png"].startswith(b"\x89PNG")
    assert found["evaluation.png"].startswith(b"\x89PNG")
    assert found["preview.wav"].startswith(b"RIFF")
    (reason,) = [one["reason"] for one in json.loads(found["report.json"])["dropped"]]
    assert reason.startswith("song.wav: music: ")
    assert set(json.loads(found["evaluation.json"])["mean"]) == {"voice", "base"}
    voice = client.get("/v1/voices/anna").json
    assert voice["name"] == "anna"
