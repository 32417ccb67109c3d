"""A voice at work in whatever company: lanes, order, workers and neighbours change no take."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech.gpt_sovits import open_voice
from speech.gpt_sovits.voice import GptSovitsVoice
from speech.schedule import Schedule, Waiting
from speech.voice import Request, Take
from tests.speech.gpt_sovits.toys import SENTENCES, request, source_of

ASKED = [request(text, language) for text, language in SENTENCES if language == "en"]


@cache
def opened(shelf: Path, n_lanes: int) -> GptSovitsVoice:
    return open_voice(source_of(shelf, n_lanes=n_lanes))


@cache
def takes_alone(shelf: Path) -> dict[str, Take]:
    return {take.key: take for one in ASKED for take in opened(shelf, 1).speak(iter([one]))}


def speak_by_schedule(voice: GptSovitsVoice, asked: list[Request], n_compared: int) -> list[Take]:
    """As a worker does: the schedule says who is next whenever a lane runs free."""
    schedule = Schedule(n_compared=n_compared)
    by_key = {one.key: one for one in asked}
    schedule.add(Waiting(one.key, "book", 0, len(one.utterance.text)) for one in asked)
    waiting = iter(lambda: schedule.admit(0.0), None)
    return list(voice.speak(by_key[each.key] for each in waiting))


@given(
    lanes=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    n_compared=st.integers(1, 12),
    chance=st.randoms(use_true_random=False),
    n_asked=st.integers(1, len(ASKED)),
)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_take_is_the_same_in_any_company_order_and_worker(
    toy_shelf: Path, lanes: list[int], n_compared: int, chance: random.Random, n_asked: int
) -> None:
    """Some utterances, dealt to as many workers as there are numbers of lanes; in float32."""
    asked = chance.sample(ASKED, n_asked)
    found = [
        take
        for worker, n_lanes in enumerate(lanes)
        for take in speak_by_schedule(opened(toy_shelf, n_lanes), asked[worker :: len(lanes)], n_compared)
    ]
    assert sorted(take.key for take in found) == sorted(one.key for one in asked)
    for take in found:
        alone = takes_alone(toy_shelf)[take.key]
        assert take.samples.shape == alone.samples.shape, "as many tokens"
        assert np.abs(take.samples - alone.samples).max() <= 1e-4, "and the same ones"
        assert take.doubts == alone.doubts
