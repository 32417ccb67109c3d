from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from book.limiter import Limiter, amplitude
from book.loudness import Figures, measure
from book.rehearsal import EXCERPT_SECONDS, excerpts, rehearse
from book.sound import BLOCK, Block

RATE = 32_000


def loudness(figures: Figures) -> float | None:
    return figures.integrated_lufs


def pulses(seconds: float) -> Block:
    """A voice of nothing but pulses, 110 a second, every fifth second twice as loud as the others."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    sound[:: RATE // 110] = 0.9
    smooth = np.hanning(9).astype(np.float32)
    voiced = np.convolve(sound, smooth, mode="same").astype(np.float32)
    return voiced * np.where(np.arange(voiced.size) // RATE % 5, 0.5, 1.0).astype(np.float32)


def test_the_rehearsed_gain_reaches_the_loudness_although_peaks_are_limited() -> None:
    sound = [pulses(30)]
    plain = measure(sound, RATE).integrated_lufs
    assert plain is not None
    found = rehearse(sound, RATE, gain_db=2.0, ceiling_db=-1.5, level=loudness)
    assert found.gain_db > 2.5
    limited = Limiter(RATE, -1.5).limited(block * amplitude(found.gain_db) for block in sound)
    reached = measure(limited, RATE).integrated_lufs
    assert reached is not None
    assert reached - plain == pytest.approx(2.0, abs=0.15)


def test_a_sound_below_the_ceiling_keeps_its_plain_gain() -> None:
    quiet = [pulses(10) * np.float32(0.05)]
    found = rehearse(quiet, RATE, gain_db=2.0, ceiling_db=-1.5, level=loudness)
    assert found.gain_db == pytest.approx(2.0, abs=0.1)
    assert found.slope == 1.0


def test_what_no_gain_can_reach_is_given_up_with_a_bounded_gain() -> None:
    found = rehearse([pulses(10)], RATE, gain_db=20.0, ceiling_db=-1.5, level=partial(loudness))
    assert found.gain_db <= 32.0


def test_excerpts_come_from_all_of_a_long_sound_and_are_all_of_a_short_one() -> None:
    blocks = [np.full(BLOCK, number, np.float32) for number in range(1000)]
    n_samples = BLOCK * len(blocks)
    chosen = excerpts(blocks, n_samples, RATE)
    assert sum(block.size for block in chosen) <= 1.5 * EXCERPT_SECONDS * RATE
    assert chosen[0][0] == 0
    assert chosen[-1][0] > 980
    assert len(excerpts(blocks[:3], 3 * BLOCK, RATE)) == 3
