"""What a voice of several lanes is given to speak, and when."""

from __future__ import annotations

import pytest

from jobs.states import JobState, StepKind
from tests.worker.conftest import Submit
from tests.worker.test_drain import drain, job_of, place_voice
from tests.worker.test_urgent import Listening, listening, speak
from worker.workshop import Workshop

__all__ = ["listening"]  # a fixture

LENGTHS = (3, 9, 5, 1, 7, 2, 8, 4, 6, 10, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19)
"""Sentences of so many "very"s."""


def sentence(n: int) -> str:
    return f"It was {'very ' * n}late."


BOOK = "\n\n".join(map(sentence, LENGTHS))


def expected(n_lanes: int, claims: list[tuple[int, ...]]) -> list[str]:
    """The longest of those first in line that are twice as many as the lanes, claim by claim."""
    said = []
    for claim in claims:
        left = list(claim)
        while left:
            said.append(sentence(max(left[: 2 * n_lanes])))
            left.remove(max(left[: 2 * n_lanes]))
    return said


def test_the_longest_go_first_and_chunks_one_after_another(
    workshop: Workshop, submit: Submit, listening: Listening
) -> None:
    place_voice(workshop, "choir", seconds_per_utterance=0.0, n_lanes=2)
    job = submit(BOOK, voice="choir")
    drain(workshop)
    assert listening.said == expected(2, [LENGTHS[:16], LENGTHS[16:]])
    assert job_of(workshop, job).state == JobState.SUCCEEDED


def test_waits_and_the_pace_are_counted(workshop: Workshop, submit: Submit) -> None:
    job = submit(BOOK)
    drain(workshop, StepKind.PLAN, StepKind.SYNTHESIZE)
    workshop.ledger.counts.write()
    counted = workshop.ledger.counts.read()
    assert counted["claims", "synthesize"] == 5
    assert counted["claim_wait_seconds", "synthesize"] > 0
    assert counted["synthesis_audio_seconds", ""] == pytest.approx(job_of(workshop, job).audio_seconds)
    assert counted["synthesis_seconds", ""] > 0


def test_a_voice_of_one_lane_reads_in_order(workshop: Workshop, submit: Submit, listening: Listening) -> None:
    submit(BOOK)
    drain(workshop)
    assert listening.said == [sentence(n) for n in LENGTHS]


def test_two_books_share_the_lanes(workshop: Workshop, submit: Submit, listening: Listening) -> None:
    """Of two chunks of each, neither book waits for the other's end."""
    place_voice(workshop, "choir", seconds_per_utterance=0.0, n_lanes=2)
    for name in ("Ann", "Bob"):
        submit("\n\n".join(f"{name} {sentence(n)}" for n in LENGTHS[:8]), voice="choir")
    drain(workshop, StepKind.PLAN)
    drain(workshop, StepKind.SYNTHESIZE)
    firsts = [text.split()[0] for text in listening.said]
    assert len(firsts) == 16
    assert set(firsts[:2]) == {"Ann", "Bob"}
    assert abs(firsts[:8].count("Ann") - 4) <= 1


def test_a_speech_goes_before_the_longest(workshop: Workshop, submit: Submit, listening: Listening) -> None:
    place_voice(workshop, "choir", seconds_per_utterance=0.0, n_lanes=2)
    submit(BOOK, voice="choir")
    drain(workshop, StepKind.PLAN)
    first = expected(2, [LENGTHS[:16]])[0]
    listening.then[first] = lambda: speak(
        workshop, "Somebody is at the door. It has rung twice by now.", "choir"
    )
    drain(workshop, StepKind.SYNTHESIZE)
    assert listening.said[1:3] == ["Somebody is at the door.", "It has rung twice by now."]
