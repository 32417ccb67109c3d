from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from speech.training.slicing import Slicing, Stretch, cut, level, loudness_of, slice_sound, split_long
from speech.units import SAMPLE_RATE
from tests.speech.training import drawn


def spoken(*parts: tuple[str, float]) -> np.ndarray:
    """Stretches of speech and of silence, so many seconds each."""
    loudness = {"speech": 0.2, "silence": 0.001}
    return np.concatenate(
        [
            loudness[kind] * drawn.normal(f"{kind} {i}", round(seconds * SAMPLE_RATE)).numpy()
            for i, (kind, seconds) in enumerate(parts)
        ]
    )


# What upstream's slicer makes of the same sounds, with the defaults of its web page.
@pytest.mark.parametrize(
    ("parts", "theirs"),
    [
        (
            [("silence", 0.3), ("speech", 5.0), ("silence", 0.4), ("speech", 4.5), ("silence", 0.6)],
            [(0, 180160), (180160, 342080)],
        ),
        (
            [
                ("silence", 1.4),
                ("speech", 2.0),
                ("silence", 0.8),
                ("speech", 3.0),
                ("silence", 2.3),
                ("speech", 6.0),
            ],
            [(38080, 246080), (297600, 496000)],
        ),
        (
            [
                ("speech", 4.2),
                ("silence", 0.75),
                ("speech", 1.0),
                ("silence", 1.5),
                ("speech", 5.0),
                ("silence", 0.1),
            ],
            [(0, 147520), (151680, 401600)],
        ),
    ],
)
def test_cuts_are_upstreams(parts: list[tuple[str, float]], theirs: list[tuple[int, int]]) -> None:
    assert [(stretch.start, stretch.end) for stretch in slice_sound(spoken(*parts))] == theirs


def test_sound_without_a_silence_stays_whole() -> None:
    sound = spoken(("speech", 7.0))
    assert slice_sound(sound) == [Stretch(0, len(sound))]


def test_silence_alone_leaves_next_to_nothing() -> None:
    assert sum(stretch.seconds for stretch in slice_sound(spoken(("silence", 5.0)))) <= 0.5


def test_a_silence_too_short_is_not_cut_at() -> None:
    sound = spoken(("speech", 5.0), ("silence", 0.2), ("speech", 5.0))
    assert len(slice_sound(sound)) == 1
    assert len(slice_sound(sound, Slicing(silence_seconds=0.1))) == 2


def test_what_is_too_long_is_cut_at_its_quietest() -> None:
    sound = spoken(("speech", 7.0), ("silence", 0.1), ("speech", 6.0))
    first, second = split_long(sound, Stretch(0, len(sound)))
    assert 7.0 <= first.seconds <= 7.1
    assert first.end == second.start
    assert second.end == len(sound)
    parts = split_long(spoken(("speech", 40.0)), Stretch(0, 40 * SAMPLE_RATE))
    assert all(2.0 < part.seconds <= 10.0 for part in parts)
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]


def test_level_goes_part_of_the_way() -> None:
    assert np.abs(level(np.array([0.1, -0.2], np.float32))).max() == pytest.approx(0.95 / 2 + 0.1)
    assert np.array_equal(level(np.zeros(3, np.float32)), np.zeros(3))


def test_a_recording_is_cut_only_if_it_is_too_long() -> None:
    short = spoken(("speech", 4.0), ("silence", 1.0), ("speech", 4.5))
    assert cut(short) == [Stretch(0, len(short))]
    long = spoken(("speech", 5.0), ("silence", 1.0), ("speech", 12.0), ("silence", 0.8), ("speech", 1.0))
    parts = cut(long)
    assert [one.seconds <= 10 for one in parts] == [True] * 4
    assert all(one.end <= other.start for one, other in pairwise(parts))
    assert sum(one.seconds for one in parts) > 17.5  # only silence is lost


def test_loudness_is_the_same_however_long_the_recording_is() -> None:
    sound = drawn.normal("long", 6000 * 320).numpy()
    whole = loudness_of(sound, 1280, 320)
    assert len(whole) == 6001
    np.testing.assert_array_equal(loudness_of(sound[: 2000 * 320], 1280, 320)[:1990], whole[:1990])
