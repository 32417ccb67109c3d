"""A look-ahead peak limiter for what exceeds a ceiling, and for nothing else.

Where no peak comes near the ceiling the samples pass unchanged, bit for bit. Around one that does, the gain
falls and rises again in the shape of a Hann window 50 ms wide, centred on the peak: with the whole chapter
at hand there is no need to react, so there is neither an attack that cuts nor a release that pumps.

The gain is computed every millisecond. Each such hop asks for the gain that brings its true peak
(BS.1770-4, Annex 2) under the ceiling; a running minimum and then a running mean, the minimum wider than
the mean, give a curve that is nowhere above what any hop asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from book.loudness import TruePeak, decibels
from book.sound import Block

HOP_SECONDS: Final = 0.001
MEAN_HOPS: Final = 24
"""Hops on either side under the Hann window."""
MINIMUM_HOPS: Final = MEAN_HOPS + 2
"""One more for the interpolation between hops, one for the delay of the true-peak interpolator."""
MARGIN_HOPS: Final = MEAN_HOPS + MINIMUM_HOPS + 1
"""Hops on either side that must be known before a hop's gain is."""
UNTOUCHED_GAIN: Final = 1 - 1e-4
"""A gain above this (0.001 dB) does not count as touched."""


class Limiter:
    """Limits one stream; afterwards it says what it did."""

    def __init__(self, sample_rate: int, ceiling_db: float) -> None:
        """`ceiling_db` is the highest true peak to leave, dBTP."""
        self.n_touched = 0
        """Samples whose gain was lowered."""
        self._lowest_gain = 1.0
        self._hop = round(HOP_SECONDS * sample_rate)
        self._ceiling = 10 ** (ceiling_db / 20)
        window = np.hanning(2 * MEAN_HOPS + 3)[1:-1]
        self._window = window / window.sum()

    @property
    def reduction_db(self) -> float:
        """How far the highest peak was brought down."""
        return 0.0 if self._lowest_gain >= UNTOUCHED_GAIN else -decibels(self._lowest_gain)

    def limited(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same stream with no true peak above the ceiling; as many samples as came in."""
        true_peak = TruePeak()
        asked: npt.NDArray[np.float64] = np.ones(MARGIN_HOPS)  # gain each hop asks for; the past first
        waiting = np.zeros(0, np.float32)  # samples that have no gain yet
        n_asked = 0  # of those, the samples whose hops are in `asked`
        for block in blocks:
            waiting = np.concatenate((waiting, block))
            n_whole = (waiting.size - n_asked) // self._hop * self._hop
            asked = np.concatenate((asked, self._asking(true_peak, waiting[n_asked : n_asked + n_whole])))
            n_asked += n_whole
            n_ready = asked.size - 2 * MARGIN_HOPS
            if n_ready > 0:
                yield self._applied(waiting[: n_ready * self._hop], asked, n_ready * self._hop)
                waiting = waiting[n_ready * self._hop :]
                n_asked -= n_ready * self._hop
                asked = asked[n_ready:]
        n_left = waiting.size
        padded = np.concatenate((waiting, np.zeros(-n_left % self._hop, np.float32)))
        asked = np.concatenate((asked, self._asking(true_peak, padded[n_asked:]), np.ones(MARGIN_HOPS)))
        if n_left:
            yield self._applied(padded, asked, n_left)

    def _asking(self, true_peak: TruePeak, samples: Block) -> npt.NDArray[np.float64]:
        """The gain each hop of the samples asks for, `[N / hop]`."""
        peaks = true_peak.envelope(samples).reshape(-1, self._hop).max(axis=1).astype(np.float64)
        gain: npt.NDArray[np.float64] = self._ceiling / np.maximum(peaks, self._ceiling)
        return gain

    def _applied(self, samples: Block, asked: npt.NDArray[np.float64], n: int) -> Block:
        """The first `n` samples of all hops of `asked` but the margins at its two ends, with their gain."""
        if asked.min() >= 1:
            return samples[:n]
        lowest = np.lib.stride_tricks.sliding_window_view(asked, 2 * MINIMUM_HOPS + 1).min(axis=1)
        smooth = np.convolve(lowest, self._window, mode="valid")  # [hops + 2]: one more at either end
        centres = (np.arange(smooth.size) - 0.5) * self._hop
        gain = np.interp(np.arange(n) + 0.5, centres, smooth)  # [N]
        self.n_touched += int(np.count_nonzero(gain < UNTOUCHED_GAIN))
        self._lowest_gain = min(self._lowest_gain, float(gain.min()))
        limited: Block = (samples[:n] * gain).astype(np.float32)
        return limited


def amplitude(level_db: float) -> float:
    """The factor of a gain in dB."""
    return math.pow(10, level_db / 20)
