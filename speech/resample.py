"""espeak-ng's 22,050 Hz become the house's 32,000 Hz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speech.units import SAMPLE_RATE
from speech.voice import Samples

_UP, _DOWN = 640, 441  # 32,000 / 22,050
_TAPER_HZ = (10_000.0, 11_025.0)
_PAD = 441  # 20 ms of silence about the sound, so that its end does not ring into its start


def resample_22050(samples: npt.NDArray[np.int16]) -> Samples:
    """The same sound at `units.SAMPLE_RATE`: `[N]` 16-bit at 22,050 Hz to `[ceil(N * 640 / 441)]` in -1...1.

    Exact band-limited interpolation over the whole sound, by the Fourier transform; a cosine taper
    from 10 to 11 kHz keeps the edge of the band from ringing. One thread and one plan: the same bits whatever
    else the machine does.
    """
    if not samples.size:
        return np.zeros(0, np.float32)
    n_out = -(-samples.size * _UP // _DOWN)
    n_blocks = _smooth(-(-(samples.size + 2 * _PAD) // _DOWN))
    padded = np.zeros(n_blocks * _DOWN)
    padded[_PAD : _PAD + samples.size] = samples
    spectrum = np.fft.rfft(padded)
    hertz = np.arange(spectrum.size) * (22_050 / padded.size)
    low, high = _TAPER_HZ
    spectrum *= 0.5 + 0.5 * np.cos(np.pi * np.clip((hertz - low) / (high - low), 0.0, 1.0))
    # irfft pads the spectrum with zeros up to the new Nyquist frequency.
    # Single precision for the way back: its error, 1e-6, is far below the 16-bit step of the source.
    spectrum *= _UP / _DOWN / 32768.0
    resampled = np.fft.irfft(spectrum.astype(np.complex64), n_blocks * _UP)
    start = _PAD * _UP // _DOWN
    assert start * _DOWN == _PAD * _UP
    assert SAMPLE_RATE * _DOWN == 22_050 * _UP
    return resampled[start : start + n_out].astype(
        np.float32, copy=True
    )  # not a view that keeps the padding alive


def _smooth(least: int) -> int:
    """The smallest number from `least` on with no prime factor beyond 5: what a fast transform likes."""
    number = least
    while True:
        rest = number
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return number
        number += 1
