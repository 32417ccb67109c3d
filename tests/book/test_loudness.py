"""Signals after EBU Tech 3341 (loudness metering), in one channel: 3.01 LU less than its stereo pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from book.errors import MasteringError
from book.loudness import SILENCE_DB, TruePeak, measure
from book.sound import filtered
from tests.book.speaking import blocks_of, decibels, speech

RATES = (32_000, 44_100, 48_000)


def sine(
    level_dbfs: float, seconds: float, rate: int, hertz: float = 1000.0, phase: float = 0.0
) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * t + phase)).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_loudness_of_a_sine_is_what_tech_3341_says(rate: int, level: float) -> None:
    """Cases 1 and 2."""
    assert measure([sine(level, 20, rate)], rate).integrated_lufs == pytest.approx(level - 3.01, abs=0.1)


@pytest.mark.parametrize("rate", RATES)
def test_loudness_leaves_out_what_the_relative_gate_closes_on(rate: int) -> None:
    """Case 3: -36, -23, -36 dBFS for 10, 60, 10 s read -23 LUFS (here less 3.01), not the mean."""
    parts = [sine(-36, 10, rate), sine(-23, 60, rate), sine(-36, 10, rate)]
    assert measure(parts, rate).integrated_lufs == pytest.approx(-26.01, abs=0.1)


def test_loudness_leaves_out_what_the_absolute_gate_closes_on() -> None:
    """Case 4, shortened: -72 dBFS at both ends does not count."""
    parts = [sine(-72, 5, 48_000), sine(-23, 20, 48_000), sine(-72, 5, 48_000)]
    assert measure(parts, 48_000).integrated_lufs == pytest.approx(-26.01, abs=0.1)


@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude"),
    [(4, 0, 0.5), (4, 45, 0.5), (6, 60, 0.5), (8, 67.5, 0.5), (4, 45, 1.41)],
)
def test_true_peak_is_found_between_the_samples(divisor: int, degrees: float, amplitude: float) -> None:
    """Cases 15 to 19: the reading may be 0.2 dB over and 0.4 dB under."""
    tone = sine(decibels(amplitude), 1, 48_000, 48_000 / divisor, math.radians(degrees))
    fade = np.minimum(1, np.arange(tone.size) / 4800)
    read = measure([(tone * fade * fade[::-1]).astype(np.float32)], 48_000).true_peak_dbtp
    assert decibels(amplitude) - 0.4 <= read <= decibels(amplitude) + 0.2


@pytest.mark.parametrize("seed", range(3))
def test_true_peak_agrees_with_libav(seed: int) -> None:
    noise = (0.2 * np.random.default_rng(seed).standard_normal(96_000)).astype(np.float32)
    for frame in filtered([noise], 48_000, ("ebur128", "metadata=1:peak=true")):
        theirs = float(frame.metadata["lavfi.r128.true_peak"])
    assert measure([noise], 48_000).true_peak_dbtp == pytest.approx(decibels(theirs), abs=0.3)


def test_true_peak_does_not_depend_on_the_blocks() -> None:
    samples = speech(2.0)
    whole = TruePeak().envelope(samples)
    stream = TruePeak()
    np.testing.assert_array_equal(
        np.concatenate([stream.envelope(b) for b in blocks_of(samples, 7001)]), whole
    )


def test_figures_do_not_depend_on_the_blocks() -> None:
    samples = speech(3.0)
    assert measure(blocks_of(samples, 4096), 32_000) == measure([samples], 32_000)


def test_rms_and_peak_of_a_sine_are_three_decibels_apart() -> None:
    figures = measure([sine(-6, 5, 44_100, 997)], 44_100)
    assert figures.peak_dbfs == pytest.approx(-6.0, abs=0.02)
    assert figures.rms_dbfs == pytest.approx(-9.01, abs=0.02)


def test_head_and_tail_last_until_something_is_heard() -> None:
    rate = 44_100
    hiss = sine(-65, 0.7, rate)
    figures = measure([hiss, sine(-20, 3, rate), np.zeros(2 * rate, np.float32)], rate)
    assert figures.head_seconds == pytest.approx(0.7, abs=0.002)
    assert figures.tail_seconds == pytest.approx(2.0, abs=0.002)
    assert figures.duration_seconds == pytest.approx(5.7)


def test_noise_floor_is_the_quietest_half_second_wherever_it_stands() -> None:
    rate = 44_100
    parts = [sine(-20, 2.03, rate), sine(-57, 0.7, rate), sine(-20, 2, rate), sine(-40, 1, rate)]
    assert measure(parts, rate).noise_floor_dbfs == pytest.approx(-60.01, abs=0.05)


def test_voice_floor_sees_the_hiss_that_inserted_silence_hides() -> None:
    rate = 32_000
    parts = [np.zeros(rate, np.float32), sine(-20, 2, rate), sine(-52, 1, rate), np.zeros(rate, np.float32)]
    figures = measure(parts, rate)
    assert figures.noise_floor_dbfs == SILENCE_DB
    assert figures.voice_floor_dbfs == pytest.approx(-55.01, abs=0.1)


def test_silence_has_no_loudness_and_the_lowest_levels() -> None:
    figures = measure([np.zeros(44_100, np.float32)], 44_100)
    assert figures.integrated_lufs is None
    assert {figures.rms_dbfs, figures.peak_dbfs, figures.true_peak_dbtp, figures.noise_floor_dbfs} == {
        SILENCE_DB
    }
    assert figures.voice_floor_dbfs == SILENCE_DB
    assert figures.head_seconds == figures.tail_seconds == 1.0


def test_a_sound_shorter_than_a_block_has_no_loudness_but_levels() -> None:
    figures = measure([sine(-20, 0.2, 48_000)], 48_000)
    assert figures.integrated_lufs is None
    assert figures.rms_dbfs == figures.noise_floor_dbfs == pytest.approx(-23.01, abs=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_measure_refuses_samples_that_are_no_numbers_and_says_when(bad: float) -> None:
    blocks = [np.zeros(48_000, np.float32), np.array([bad], np.float32)]
    with pytest.raises(MasteringError, match=r"not a finite number after 1\.000 s"):
        measure(blocks, 48_000)


def test_measure_refuses_no_sound_at_all() -> None:
    with pytest.raises(MasteringError, match="empty"):
        measure([], 48_000)
