"""22,050 Hz become 32,000 Hz."""

from __future__ import annotations

import numpy as np
import pytest

from speech.resample import resample_22050
from speech.units import SAMPLE_RATE


@pytest.mark.parametrize("hertz", [60.0, 440.0, 3000.0, 9000.0])
def test_a_sine_stays_the_same_sine(hertz: float) -> None:
    n_samples = 22_050
    sine = 0.5 * np.sin(2 * np.pi * hertz * np.arange(n_samples) / 22_050)
    out = resample_22050(np.round(sine * 32768).astype(np.int16))
    assert out.dtype == np.float32
    assert out.shape == (SAMPLE_RATE,)
    expected = 0.5 * np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    middle = slice(3200, -3200)  # the sine's sudden start and stop are not within the band
    assert np.abs(out[middle] - expected[middle]).max() < 2e-4  # -74 dB: the 16 bits of the source, mostly


def test_nothing_is_heard_above_the_old_band() -> None:
    noise = np.random.Generator(np.random.Philox(key=1)).integers(-8000, 8000, 22_050, np.int16)
    spectrum = np.abs(np.fft.rfft(resample_22050(noise) * np.hanning(SAMPLE_RATE)))
    hertz = np.arange(spectrum.size) * SAMPLE_RATE / SAMPLE_RATE
    assert spectrum[hertz > 11_100].max() < 1e-3 * spectrum[hertz < 9_000].max()


@pytest.mark.parametrize("n_samples", [0, 1, 2, 440, 441, 442, 10_007])
def test_length_follows_from_length(n_samples: int) -> None:
    out = resample_22050(np.ones(n_samples, np.int16))
    assert out.shape == (-(-n_samples * 640 // 441),)
    assert np.isfinite(out).all()


def test_a_click_at_the_end_does_not_come_round_to_the_start() -> None:
    click = np.zeros(5000, np.int16)
    click[-1] = 32767
    out = resample_22050(click)
    assert np.abs(out[:3000]).max() < 1e-3
    assert np.abs(out[-10:]).max() > 0.5
