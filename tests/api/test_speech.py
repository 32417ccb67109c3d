"""POST /v1/audio/speech: what it answers, with a worker at hand, with none, and with one that fails."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import av
import numpy as np
import pytest

from api.office import Office
from jobs.errors import LeaseLostError
from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import Claim, StepError
from jobs.states import JobState, StepKind
from models_store.scripts import Script, thaw
from speech.stub import make_sound
from speech.voice import Take
from tests.api.conftest import Client, Server, problem
from worker.renders import store_render

TEXT = "Somebody is at the door. It has rung twice by now."
SPEECH = {"model": "tts-1", "voice": "stub", "input": TEXT}


def _speak(office: Office, claim: Claim, script: Script, folder: Any, fail_at: int | None) -> None:
    steps, index = office.ledger.steps, claim.first_utterance or 0
    if index == fail_at:
        steps.fail(claim, StepError("unreadable-text", "no such letter", 1, index))
    elif office.ledger.takes.find(claim.tenant_id, [script.keys[index]]):
        steps.finish(claim, audio_seconds=0.5)
    else:
        take = Take(script.keys[index], make_sound(script.keys[index], 16_000))
        render = store_render(office.objects, claim.tenant_id, [take], folder)
        steps.finish(claim, artefacts=[render.artefact], takes=render.takes, audio_seconds=0.5)


@contextmanager
def speaking(office: Office, folder: Any, *, fail_at: int | None = None) -> Iterator[None]:
    """A hand that speaks every chunk as a worker would: half a second of sound each.

    Read an answer to its end before this block's: it is sent while it is being spoken (`buffered=True`).
    """
    done = threading.Event()

    def speak() -> None:
        while not done.wait(0.01):
            steps = office.ledger.steps
            for claim in steps.claim([StepKind.SYNTHESIZE], owner="hands", lease_seconds=60):
                (chapter,) = office.ledger.jobs.chapters(claim.tenant_id, claim.job_id)
                script = thaw(office.objects.get(chapter.script_key))
                with suppress(LeaseLostError):  # nobody listens any more
                    _speak(office, claim, script, folder, fail_at)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def decode(content: bytes) -> tuple[float, int]:
    """Seconds and sample rate of a sound file."""
    with av.open(io.BytesIO(content)) as container:
        rate = container.streams.audio[0].sample_rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate, rate


def state_of(server: Server) -> JobState:
    return server.ledger.jobs.page(LOCAL_TENANT)[0].state


@pytest.mark.parametrize(
    ("response_format", "media_type", "rate"),
    [
        ("mp3", "audio/mpeg", 32_000),
        ("opus", "audio/ogg", 48_000),
        ("aac", "audio/aac", 32_000),
        ("flac", "audio/flac", 32_000),
        ("wav", "audio/wav", 32_000),
    ],
)
def test_every_format_can_be_heard(
    server: Server, tmp_path: Any, response_format: str, media_type: str, rate: int
) -> None:
    with speaking(server.office, tmp_path):
        asked = {**SPEECH, "response_format": response_format}
        answer = server.local().post("/v1/audio/speech", json=asked, buffered=True)
    assert (answer.status_code, answer.content_type) == (200, media_type), answer.text
    seconds, decoded_rate = decode(answer.data)
    assert decoded_rate == rate
    assert seconds == pytest.approx(2 * 0.5 + 0.45, abs=0.3)  # less the silence at the takes' ends


def test_pcm_is_what_openai_says_it_is(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path):
        answer = server.local().post(
            "/v1/audio/speech", json={**SPEECH, "response_format": "pcm", "stream": False}
        )
    assert answer.headers["Content-Length"] == str(len(answer.data))
    samples = np.frombuffer(answer.data, "<i2")
    assert samples.size / 24_000 == pytest.approx(1.45, abs=0.3)
    assert np.abs(samples).max() > 1_000


def test_the_first_utterance_is_sent_before_the_second_is_spoken(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path, fail_at=None):
        answer = server.local().post("/v1/audio/speech", json=SPEECH, buffered=False)
        sound = iter(answer.response)
        first = next(sound)
        rest = b"".join(sound)
        answer.close()
    assert first
    assert len(rest) > len(first)
    job = server.ledger.jobs.page(LOCAL_TENANT)[0]
    assert (job.title, job.priority, job.n_characters) == (TEXT, 9, len(TEXT))
    assert answer.headers["Lectorium-Job"] == job.id
    assert "input" not in job.spec


def test_the_same_again_is_answered_without_anybody_speaking(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path):
        first = server.local().post("/v1/audio/speech", json=SPEECH, buffered=True)
    again = server.local().post("/v1/audio/speech", json=SPEECH)
    assert again.data == first.data


def test_it_is_shown_among_the_jobs(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path):
        job_id = server.local().post("/v1/audio/speech", json=SPEECH).headers["Lectorium-Job"]
    shown = server.local().get(f"/v1/jobs/{job_id}").json
    assert shown["progress"]["utterances"] == 2
    assert shown["spec"]["voice"].startswith("stub@")


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"voice": "nobody"}, "/voice"),
        ({"speed": 2.5}, "/speed"),
        ({"speed": 0.25}, "/speed"),
        ({"response_format": "ogg"}, "/response_format"),
        ({"stream_format": "sse"}, "/stream_format"),
        ({"instructions": "Whisper."}, "/instructions"),
        ({"model": "whisper-1"}, "/model"),
        ({"input": ""}, "/input"),
        ({"input": "x" * 4_097}, "/input"),
        ({"input": "* * *"}, "/input"),
        ({"sped": 1.0}, "/sped"),
    ],
)
def test_what_cannot_be_done_is_named(server: Server, wrong: dict[str, Any], place: str) -> None:
    told = problem(server.local().post("/v1/audio/speech", json={**SPEECH, **wrong}), 422)
    assert told["errors"][0]["pointer"] == place
    assert server.ledger.jobs.page(LOCAL_TENANT) == []


def test_a_voice_that_does_not_speak_the_language_says_so(server: Server) -> None:
    body = {**SPEECH, "voice": "draft", "language": "qaa"}
    told = problem(server.local().post("/v1/audio/speech", json=body), 422)
    assert told["errors"][0]["pointer"] == "/language"


def test_a_voice_may_be_given_as_openai_gives_custom_ones(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path):
        answer = server.local().post(
            "/v1/audio/speech", json={**SPEECH, "voice": {"id": "stub"}}, buffered=True
        )
    assert answer.status_code == 200


@pytest.mark.parametrize("fail_at", [0, 1])
def test_text_that_cannot_be_spoken_names_the_place(server: Server, tmp_path: Any, fail_at: int) -> None:
    with speaking(server.office, tmp_path, fail_at=fail_at):
        answer = server.local().post("/v1/audio/speech", json={**SPEECH, "stream": False})
    told = problem(answer, 422)
    assert f"utterance {fail_at + 1}" in told["errors"][0]["detail"]
    assert told["errors"][0]["pointer"] == "/input"


def test_without_a_worker_it_is_503_and_nothing_is_left(serve: Any, settings: Any) -> None:
    server = serve(settings.model_copy(update={"speech_wait_seconds": 0.1}))
    answer = server.local().post("/v1/audio/speech", json=SPEECH)
    assert problem(answer, 503)["type"].endswith("nobody-speaks")
    assert answer.headers["Retry-After"]
    assert state_of(server) == JobState.CANCELLED


def test_a_worker_that_says_nothing_ends_as_504_and_the_job_is_cancelled(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.speaking.MOST_SILENT_SECONDS", 0.2)
    claimed: list[Claim] = []

    def claim_and_say_nothing() -> None:
        while not claimed:
            claimed.extend(server.ledger.steps.claim([StepKind.SYNTHESIZE], owner="mute", lease_seconds=60))

    worker = threading.Thread(target=claim_and_say_nothing)
    worker.start()
    told = problem(server.local().post("/v1/audio/speech", json=SPEECH), 504)
    worker.join()
    assert told["type"].endswith("no-sound")
    assert told["job"] == claimed[0].job_id
    assert state_of(server) == JobState.CANCELLED


def test_a_client_that_goes_away_cancels_the_job(server: Server, tmp_path: Any) -> None:
    steps = server.ledger.steps
    with speaking(server.office, tmp_path, fail_at=None):
        text = " ".join(f"This is sentence number {n} of them all." for n in range(200))[:4_000]
        answer = server.local().post("/v1/audio/speech", json={**SPEECH, "input": text}, buffered=False)
        next(iter(answer.response))
        answer.close()
        assert state_of(server) == JobState.CANCELLED
    assert steps.claim([StepKind.SYNTHESIZE], owner="hands", lease_seconds=60) == []


def test_a_lost_take_is_made_again(server: Server, tmp_path: Any) -> None:
    with speaking(server.office, tmp_path):
        first = server.local().post("/v1/audio/speech", json=SPEECH, buffered=True)
        for head in list(server.office.objects.list(f"t/{LOCAL_TENANT}/renders")):
            server.office.objects.delete(head.key)
        for _ in range(2):  # two takes, in two renders
            told = problem(server.local().post("/v1/audio/speech", json={**SPEECH, "stream": False}), 503)
            assert told["type"].endswith("take-lost")
        again = server.local().post("/v1/audio/speech", json={**SPEECH, "stream": False})
    assert again.data == first.data


def test_a_tenant_has_only_so_many_in_hand(serve: Any, settings: Any) -> None:
    server = serve(settings.model_copy(update={"speeches": 1, "speech_wait_seconds": 5.0}))
    waiting = threading.Thread(target=lambda: server.local().post("/v1/audio/speech", json=SPEECH))
    waiting.start()
    deadline = time.monotonic() + 5
    while not server.ledger.jobs.page(LOCAL_TENANT) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert problem(server.local().post("/v1/audio/speech", json=SPEECH), 429)["type"].endswith("speeches")
    server.office.closing.set()
    waiting.join()


def test_characters_count_and_takes_are_each_tenants_own(everywhere: Server, tmp_path: Any) -> None:
    anna: Client = everywhere.as_tenant("anna")
    ben: Client = everywhere.as_tenant("ben")
    with speaking(everywhere.office, tmp_path):
        for client in (anna, ben):
            assert client.post("/v1/audio/speech", json=SPEECH, buffered=True).status_code == 200
    (job,) = everywhere.ledger.jobs.page(everywhere.tenants["anna"])
    assert ben.get(f"/v1/jobs/{job.id}").status_code == 404
    scripts = everywhere.ledger.jobs.chapters(everywhere.tenants["anna"], job.id)
    keys = thaw(everywhere.office.objects.get(scripts[0].script_key)).keys
    mine = everywhere.ledger.takes.find(everywhere.tenants["anna"], keys)
    theirs = everywhere.ledger.takes.find(everywhere.tenants["ben"], keys)
    assert {take.render_key.split("/")[1] for take in mine.values()} == {everywhere.tenants["anna"]}
    assert {take.render_key.split("/")[1] for take in theirs.values()} == {everywhere.tenants["ben"]}
    assert isinstance(next(iter(mine.values())).n_samples, int)
    reader = everywhere.as_tenant("reader", "read")
    assert reader.post("/v1/audio/speech", json=SPEECH).status_code == 403
