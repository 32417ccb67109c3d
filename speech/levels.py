"""How loud a recording is, how far its speech stands above its noise, and how much of it is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from speech.units import SAMPLE_RATE
from speech.voice import Samples

_FRAME: Final = SAMPLE_RATE // 50  # 20 ms: shorter than a stop's closure, longer than a pitch period
_HOP: Final = SAMPLE_RATE // 100
_FLAT: Final = 0.999  # of the peak
_FLAT_SAMPLES: Final = 3
_FAINT: Final = 0.01  # -40 dBFS: below, the steps of sixteen bits are flat tops too


@dataclass(frozen=True, slots=True)
class Levels:
    """What was measured of a recording."""

    loud_dbfs: float
    """What its loudest twentieth reaches."""
    level_dbfs: float
    """Of the speech, the pauses left out."""
    noise_dbfs: float
    """What its quietest twentieth holds: recordings have pauses, and if they have none, a stop's closure is
    one."""
    spoken: float
    """The share of it that is speech."""
    seconds_before: float
    """Silence before the first word."""
    seconds_after: float
    """Silence after the last one."""

    @property
    def snr_db(self) -> float:
        """How far the speech stands above the noise."""
        return self.level_dbfs - self.noise_dbfs


def measure_levels(sound: Samples) -> Levels:
    """The levels of sound `[N]` at 32 kHz, at least 20 ms of it.

    Speech is what the loudest half of the frames above the noise hold.
    """
    levels = frame_levels(sound)
    noise, loud = (float(value) for value in np.percentile(levels, (5, 95)))
    is_spoken = levels > max(loud - 30.0, min(noise + 6.0, loud - 12.0))
    found = np.flatnonzero(is_spoken)
    first, last = (found[0], found[-1]) if found.size else (levels.size, -1)
    spoken = levels[is_spoken] if found.size else levels
    return Levels(
        loud_dbfs=loud,
        level_dbfs=float(10 * np.log10(np.mean(10 ** (spoken / 10)))),
        noise_dbfs=noise,
        spoken=float(is_spoken.mean()),
        seconds_before=float(first * _HOP / SAMPLE_RATE),
        seconds_after=float((levels.size - 1 - last) * _HOP / SAMPLE_RATE),
    )


def frame_levels(sound: Samples) -> npt.NDArray[np.float64]:
    """The level of each frame of 20 ms, one every 10 ms, in dBFS; sound is `[N]` at 32 kHz."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    starts = np.arange(0, sound.size - _FRAME + 1, _HOP)
    power = (energy[starts + _FRAME] - energy[starts]) / _FRAME
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (-90.0 / 10))))  # about 16 bits' rounding


def clipped_share(channel: Samples) -> float:
    """The share of samples in runs of three or more at the peak, which nothing but a limit makes.

    The peak counts wherever it lies: a recording clipped by the recorder is often made quieter afterwards.
    """
    loudness = np.abs(channel)
    flat = loudness >= _FLAT * loudness.max(initial=_FAINT)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _FLAT_SAMPLES].sum() / max(1, channel.size))
