from __future__ import annotations

import numpy as np
import pytest

from book.limiter import Limiter
from book.loudness import measure
from tests.book.speaking import blocks_of, decibels, speech

RATE = 44_100


def limited(samples: np.ndarray, ceiling_db: float, size: int = 65_536) -> tuple[np.ndarray, Limiter]:
    limiter = Limiter(RATE, ceiling_db)
    return np.concatenate(list(limiter.limited(blocks_of(samples, size)))), limiter


def test_limiter_leaves_sound_below_the_ceiling_as_it_is() -> None:
    samples = speech(3.0, peak=0.5)
    made, limiter = limited(samples, -3.0)
    np.testing.assert_array_equal(made, samples)
    assert (limiter.n_touched, limiter.reduction_db) == (0, 0.0)


@pytest.mark.parametrize("ceiling_db", [-1.0, -3.3, -12.0])
def test_limiter_holds_every_true_peak_under_the_ceiling(ceiling_db: float) -> None:
    random = np.random.default_rng(7)
    samples = (0.3 * random.standard_normal(3 * RATE)).astype(np.float32)
    samples[RATE] = 4.0  # one click
    made, limiter = limited(samples, ceiling_db)
    assert made.size == samples.size
    assert measure([made], RATE).true_peak_dbtp <= ceiling_db + 0.02
    assert limiter.reduction_db == pytest.approx(decibels(4.0) - ceiling_db, abs=0.6)


def test_limiter_touches_only_the_neighbourhood_of_a_peak() -> None:
    samples = (0.1 * np.sin(np.arange(2 * RATE) / 30)).astype(np.float32)
    samples[RATE] = 1.0
    made, limiter = limited(samples, -6.0)
    near = slice(RATE - RATE // 18, RATE + RATE // 18)
    changed = np.flatnonzero(made != samples)
    assert changed.min() >= near.start
    assert changed.max() < near.stop
    assert 0 < limiter.n_touched <= changed.size + 1
    assert limiter.reduction_db == pytest.approx(6.0, abs=0.3)


def test_limiter_moves_its_gain_smoothly() -> None:
    samples = np.full(RATE, 0.1, np.float32)
    samples[RATE // 2 : RATE // 2 + 20] = 1.0
    made, _ = limited(samples, -6.0)
    gain = made / samples
    assert np.abs(np.diff(gain)).max() < 0.002  # from 1 to 0.5 within 24 ms at the least


def test_limiter_does_not_depend_on_the_blocks() -> None:
    samples = speech(2.0, seed=2, peak=1.0)
    one, first = limited(samples, -6.0)
    for size in (1, 44, 5000):
        other, second = limited(samples[: 5_000 if size == 1 else None], -6.0, size)
        n = other.size - RATE // 10 if size == 1 else other.size
        np.testing.assert_array_equal(other[:n], one[:n])
        if size > 1:
            assert (second.n_touched, second.reduction_db) == (first.n_touched, first.reduction_db)


@pytest.mark.parametrize("n", [1, 43, 44, 45, 3000])
def test_limiter_gives_back_as_many_samples_as_it_got(n: int) -> None:
    made, _ = limited(np.full(n, 0.9, np.float32), -6.0)
    assert made.size == n
    assert np.abs(made).max() <= 10 ** (-6 / 20) + 1e-6


def test_limiter_of_nothing_is_nothing() -> None:
    assert list(Limiter(RATE, -1.0).limited([])) == []
