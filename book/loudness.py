"""What a sound measures: loudness, peaks, RMS, noise floor, head and tail.

Loudness is measured by libav's `ebur128` filter (Recommendation ITU-R BS.1770-4). True peaks are measured
here, after Annex 2 of the same text: the filter reports them with three decimals of a linear scale, too
coarse for quiet sound, and the limiter needs them sample by sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from book.errors import MasteringError
from book.sound import Block, filtered

SILENCE_DB: Final = -120.0
"""Written for every level at or below it, digital silence too: JSON knows no minus infinity."""

ABSOLUTE_GATE_LUFS: Final = -70.0
"""BS.1770-4, equation 4: blocks below it do not count, and a sound without any other has no loudness."""

HEARD_DBFS: Final = -60.0
"""Head and tail last until a sample exceeds this, the loudest room tone that delivery profiles allow."""

FLOOR_HOP_SECONDS: Final = 0.05
FLOOR_HOPS: Final = 10
"""The noise floor is the RMS of the quietest half second, as the ACX Check of Audacity takes it (W. McCown,
2015)."""

SILENT_HOP_DBFS: Final = -90.0
"""A stretch of 50 ms below it is inserted silence, in a track that no codec has smeared."""

OVERSAMPLING: Final = np.array(
    # BS.1770-4, Annex 2: the interpolating FIR of 48 coefficients, order 48, in 4 phases of 12. Phases 2
    # and 3 are phases 1 and 0 reversed.
    [
        [
            *(0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000),
            *(-0.0594482421875, 0.1373291015625, 0.9721679687500, -0.1022949218750),
            *(0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500),
        ],
        [
            *(-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250),
            *(-0.1665039062500, 0.4650878906250, 0.7797851562500, -0.2003173828125),
            *(0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375),
        ],
    ],
    np.float32,
)
TAPS: Final = OVERSAMPLING.shape[1]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a sound measures. Levels in dB are at least `SILENCE_DB`, rounded to 0.01."""

    integrated_lufs: float | None
    """Integrated loudness, BS.1770-4; None if no block of 0.4 s passes the gate at -70 LUFS."""
    rms_dbfs: float
    """RMS of the whole sound, its silences included; a full-scale sine has -3.01."""
    peak_dbfs: float
    """Highest sample."""
    true_peak_dbtp: float
    """Highest value between samples, four times oversampled."""
    noise_floor_dbfs: float
    """RMS of the quietest half second; of the whole sound if it is shorter."""
    voice_floor_dbfs: float
    """RMS of the quietest half second of what is not silence: the hiss a voice has between and within its
    words.

    Inserted silence hides it from `noise_floor_dbfs`, not from a listener. -120 if nothing is heard."""
    head_seconds: float
    """Until the first sample above -60 dBFS."""
    tail_seconds: float
    """After the last one."""
    duration_seconds: float


class TruePeak:
    """The level between the samples of a stream (BS.1770-4, Annex 2)."""

    def __init__(self) -> None:
        """Before the first sample there was silence."""
        self._last = np.zeros(TAPS - 1, np.float32)

    def envelope(self, block: Block) -> Block:
        """`[N]`: at each sample the highest of its magnitude and those interpolated before it.

        The interpolator is causal: a peak shows up to `TAPS` samples after it has been.
        """
        heard = np.concatenate((self._last, block))
        self._last = heard[heard.size - (TAPS - 1) :]
        highest = np.abs(block)
        for coefficients in OVERSAMPLING:
            for phase in (coefficients, coefficients[::-1]):
                between = phase[0] * heard[TAPS - 1 :]
                for tap in range(1, TAPS):
                    between += phase[tap] * heard[TAPS - 1 - tap : heard.size - tap]
                np.maximum(highest, np.abs(between, out=between), out=highest)
        return highest


def measure(blocks: Iterable[Block], sample_rate: int) -> Figures:
    """The figures of a sound. Raises MasteringError if it is empty or holds samples that are not finite."""
    meter = _Meter(sample_rate)
    integrated = None
    for frame in filtered(meter.listening(blocks), sample_rate, ("ebur128", "metadata=1")):
        integrated = frame.metadata.get("lavfi.r128.I", integrated)
    return meter.figures(None if integrated is None else float(integrated))


class _Meter:
    """Everything but the loudness, from the blocks that pass by."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._hop = round(FLOOR_HOP_SECONDS * sample_rate)
        self._heard_level = 10 ** (HEARD_DBFS / 20)
        self._true = TruePeak()
        self._n = 0
        self._energy = 0.0
        self._peak = 0.0
        self._true_peak = 0.0
        self._first_heard: int | None = None
        self._last_heard: int | None = None
        self._unhopped = np.zeros(0, np.float64)  # squares that fill no hop yet
        self._hops: npt.NDArray[np.float64] = np.zeros(0)  # energies of the latest hops
        self._quietest = math.inf
        self._faintest: npt.NDArray[np.float64] = np.zeros(0)  # least energies of hops that are not silent

    def listening(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same blocks, measured as they pass."""
        for block in blocks:
            if block.size:
                self._measure(block)
                yield block

    def _measure(self, block: Block) -> None:
        squares = np.square(block, dtype=np.float64)
        energy = float(squares.sum())
        if not math.isfinite(energy):
            raise MasteringError(
                f"the sound holds a sample that is not a finite number after {self._n / self._rate:.3f} s"
            )
        magnitude = np.abs(block)
        heard = np.flatnonzero(magnitude > self._heard_level)
        if heard.size:
            if self._first_heard is None:
                self._first_heard = self._n + int(heard[0])
            self._last_heard = self._n + int(heard[-1])
        self._peak = max(self._peak, float(magnitude.max()))
        self._true_peak = max(self._true_peak, float(self._true.envelope(block).max()))
        self._energy += energy
        self._n += block.size
        self._follow_floor(squares)

    def _follow_floor(self, squares: npt.NDArray[np.float64]) -> None:
        waiting = np.concatenate((self._unhopped, squares))
        n_whole = waiting.size - waiting.size % self._hop
        self._unhopped = waiting[n_whole:]
        latest = waiting[:n_whole].reshape(-1, self._hop).sum(axis=1)
        sounding = latest[latest > self._hop * 10 ** (SILENT_HOP_DBFS / 10)]
        self._faintest = np.sort(np.concatenate((self._faintest, sounding)))[:FLOOR_HOPS]
        hops = np.concatenate((self._hops, latest))
        if hops.size >= FLOOR_HOPS:
            windows = np.lib.stride_tricks.sliding_window_view(hops, FLOOR_HOPS).sum(axis=1)
            self._quietest = min(self._quietest, float(windows.min()) / (FLOOR_HOPS * self._hop))
        self._hops = hops[-(FLOOR_HOPS - 1) :]

    def figures(self, integrated: float | None) -> Figures:
        if not self._n:
            raise MasteringError("the sound is empty")
        mean = self._energy / self._n
        first, last = self._first_heard, self._last_heard
        return Figures(
            integrated_lufs=None if integrated is None or integrated <= ABSOLUTE_GATE_LUFS else integrated,
            rms_dbfs=decibels(math.sqrt(mean)),
            peak_dbfs=decibels(self._peak),
            true_peak_dbtp=decibels(max(self._peak, self._true_peak)),
            noise_floor_dbfs=decibels(math.sqrt(min(self._quietest, mean))),
            voice_floor_dbfs=decibels(
                math.sqrt(float(self._faintest.sum()) / max(1, self._faintest.size) / self._hop)
            ),
            head_seconds=round((self._n if first is None else first) / self._rate, 3),
            tail_seconds=round((self._n if last is None else self._n - 1 - last) / self._rate, 3),
            duration_seconds=self._n / self._rate,
        )


def decibels(amplitude: float) -> float:
    """20 log10 of an amplitude, rounded to 0.01 and not below `SILENCE_DB`."""
    if amplitude <= 10 ** (SILENCE_DB / 20):
        return SILENCE_DB
    return round(20 * math.log10(amplitude), 2)
