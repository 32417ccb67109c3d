"""A voice that works long over one take is not taken for one that hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jobs.ledger.values import Claim
from jobs.states import StepKind
from speech.stub import StubVoice
from speech.voice import Request, Take
from tests.worker.conftest import Submit
from worker.careful import synthesize_carefully
from worker.company import Company
from worker.drain import Drain
from worker.pulse import heard_by
from worker.synthesize import Synthesis
from worker.urgent import Meter, Purse
from worker.workshop import Workshop


def nobody() -> None:
    """Who hears of a voice's beats before anybody asks."""


class Beating(StubVoice):
    """Tells of a beat before each take, and notes who heard it."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.on_beat: Callable[[], None] = nobody
        self.heard_by: list[Callable[[], None]] = []

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        for take in super().speak(requests):
            self.on_beat()
            self.heard_by.append(self.on_beat)
            yield take


def claimed(workshop: Workshop, submit: Submit) -> Claim:
    """The one chunk of a story of two sentences."""
    submit("The lamp went out. The dog barked twice.", language="en")
    planning = Drain(workshop, (StepKind.PLAN,))
    planning.run()
    planning.close()
    [claim] = workshop.ledger.steps.claim((StepKind.SYNTHESIZE,), owner=workshop.owner, lease_seconds=60)
    workshop.watch.add([claim])
    return claim


def assert_watched(voice: Beating) -> None:
    assert len(voice.heard_by) == 2
    assert nobody not in voice.heard_by
    assert voice.on_beat is nobody, "the watch hears nothing of what is spoken for others"


def test_beats_of_a_chunk_are_heard(workshop: Workshop, submit: Submit) -> None:
    claim = claimed(workshop, submit)
    voice, name = Beating(), workshop.script_of(claim).voice
    with Company(workshop, voice, claim.tenant_id, name) as company:
        Synthesis(workshop, company, list, lambda *_: [], Meter(Purse())).run([claim])
    assert_watched(voice)


def test_beats_of_a_chunk_that_is_spoken_carefully_are_heard(workshop: Workshop, submit: Submit) -> None:
    claim = claimed(workshop, submit)
    voice = Beating()
    synthesize_carefully(workshop, voice, claim)
    assert_watched(voice)


def test_a_voice_that_tells_nothing_is_left_alone() -> None:
    voice = StubVoice(0.0)
    with heard_by(voice, nobody):
        assert not hasattr(voice, "on_beat")
