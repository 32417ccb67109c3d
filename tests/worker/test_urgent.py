"""Speeches among the chunks of a book: at the next free lane, in their own voice, and within their share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import PlannedChapter, Stored
from jobs.states import JobKind, JobState, StepKind
from models_store.scripts import Script, freeze
from speech.stub import StubVoice
from speech.text.script import read
from speech.voice import Request, Sampling, Take
from tests.worker.conftest import Submit
from tests.worker.test_drain import drain, job_of, place_voice
from worker import urgent
from worker.urgent import LOOK_SECONDS, MOST_SAVED_SECONDS, SHARE, Lookout, Meter, Purse
from worker.workshop import Workshop

BOOK = "\n\n".join(f"The lamp of house number {n} went out at last." for n in range(12))


class Hour:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def speak(workshop: Workshop, text: str, voice: str = "stub") -> str:
    """Submits a speech, as the API does; the job's id."""
    assert workshop.ledger.keys.local().tenant_id == LOCAL_TENANT
    manifest = workshop.shelf.of(LOCAL_TENANT).resolve(voice)
    script = Script.write(read([("paragraph", [(text, "en")])]), voice=manifest, sampling=Sampling())
    kept = workshop.objects.put(f"t/{LOCAL_TENANT}/{script.keys[0]}.json", freeze(script), media_type="a/b")
    stored = Stored("script", kept.key, kept.sha256, kept.n_bytes, "a/b")
    planned = PlannedChapter("", len(text), len(script.utterances), stored)
    return workshop.ledger.jobs.submit(
        LOCAL_TENANT, JobKind.NARRATION, {}, speech=planned, weights_digest=manifest.weights_digest
    ).job_id


class Listening:
    """What the stub voices say, in order; and what happens when they have said a sentence."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.then: dict[str, object] = {}
        monkeypatch.setattr(urgent, "LOOK_SECONDS", 0.0)
        original = StubVoice.speak

        def listen(voice: StubVoice, requests: Iterator[Request]) -> Iterator[Take]:
            def heard() -> Iterator[Request]:
                for request in requests:
                    self.said.append(request.utterance.text)
                    yield request

            for take in original(voice, heard()):
                yield take
                act = self.then.pop(self.said[-1], None)
                if callable(act):
                    act()

        monkeypatch.setattr(StubVoice, "speak", listen)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    return Listening(monkeypatch)


def house(n: int) -> str:
    return f"The lamp of house number {n} went out at last."


def test_a_speech_succeeds_when_its_last_chunk_does(workshop: Workshop) -> None:
    job_id = speak(workshop, "Somebody is at the door. It has rung twice by now.")
    drain(workshop, StepKind.SYNTHESIZE)
    job = job_of(workshop, job_id)
    assert (job.state, job.n_utterances_done) == (JobState.SUCCEEDED, 2)
    assert [file.name for file in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id)] == []


def test_a_speech_is_spoken_in_the_middle_of_a_book(
    workshop: Workshop, submit: Submit, listening: Listening
) -> None:
    submit(BOOK)
    drain(workshop, StepKind.PLAN)
    listening.then[house(1)] = lambda: speak(workshop, "Somebody is at the door.")
    drain(workshop, StepKind.SYNTHESIZE)
    assert listening.said[:4] == [house(0), house(1), "Somebody is at the door.", house(2)]
    assert len(listening.said) == 13


@pytest.mark.parametrize("n_before", [1, 3, 5])
def test_a_speech_of_another_voice_makes_a_detour_and_the_book_goes_on(
    workshop: Workshop, submit: Submit, listening: Listening, n_before: int
) -> None:
    place_voice(workshop, "other", seconds_per_utterance=0.0)
    book = submit(BOOK)
    drain(workshop, StepKind.PLAN)
    spoken: list[str] = []
    listening.then[house(n_before)] = lambda: spoken.append(
        speak(workshop, "Somebody is at the door. It has rung twice by now.", "other")
    )
    drain(workshop)
    after = listening.said[n_before + 1 :]
    assert after[:3] == ["Somebody is at the door.", "It has rung twice by now.", house(n_before + 1)]
    assert sorted(listening.said) == sorted(set(listening.said)), "no utterance was spoken twice"
    assert job_of(workshop, spoken[0]).state == JobState.SUCCEEDED
    assert job_of(workshop, book).state == JobState.SUCCEEDED


def test_speeches_take_turns_with_their_first_utterances(workshop: Workshop, listening: Listening) -> None:
    speak(workshop, "The first one begins here. The first one goes on.")
    speak(workshop, "The second one begins here. The second one goes on.")
    drain(workshop, StepKind.SYNTHESIZE)
    assert listening.said[:2] == ["The first one begins here.", "The second one begins here."]


def test_with_an_empty_purse_the_book_goes_first_and_nothing_waits_for_ever(
    workshop: Workshop, submit: Submit, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urgent, "MOST_SAVED_SECONDS", 0.0)
    submit(BOOK)
    drain(workshop, StepKind.PLAN)
    job_id = speak(workshop, "Somebody is at the door.")
    drain(workshop, StepKind.SYNTHESIZE)
    assert listening.said == [*(house(n) for n in range(12)), "Somebody is at the door."]
    assert job_of(workshop, job_id).state == JobState.SUCCEEDED


def test_speeches_without_end_get_their_share_and_no_more() -> None:
    hour = Hour()
    purse = Purse(hour)
    speeches = 0.0
    while hour.now < 3_600:
        if purse.is_empty:
            hour.now += 0.5  # an utterance of the book
        else:
            hour.now += 0.5
            speeches += 0.5
            purse.spend(0.5)
    assert SHARE * 3_600 < speeches <= SHARE * 3_600 + MOST_SAVED_SECONDS + 0.5


def test_the_meter_charges_the_share_of_the_lanes() -> None:
    hour = Hour()
    purse = Purse(hour)
    purse.spend(MOST_SAVED_SECONDS)
    meter = Meter(purse, hour)
    hour.now = 8.0
    meter.read(1, 4)  # costs 2.0 s, and 0.8 s came in
    assert purse.is_empty
    hour.now = 8.0 + 12.1
    meter.read(0, 4)
    assert not purse.is_empty


def test_the_lookout_asks_seldom_unless_told(workshop: Workshop) -> None:
    hour = Hour()
    lookout = Lookout(workshop.ledger.speeches, hour)
    assert not lookout.sees_any()
    speak(workshop, "Somebody is at the door.")
    assert not lookout.sees_any()
    assert lookout.sees_any(at_once=True)
    hour.now = 2 * LOOK_SECONDS
    assert lookout.sees_any()
