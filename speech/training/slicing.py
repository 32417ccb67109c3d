"""Long recordings are cut at their silences, as upstream's slicer cuts them (`tools/slicer2.py`, 48b1a016).

A silence is a run of hops whose loudness stays below a threshold. Where one is long enough, and enough sound
stands before it, the sound is cut at its quietest hop; of a long silence only its two ends are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from speech.units import SAMPLE_RATE
from speech.voice import Samples

LONGEST_SECONDS: Final = 10.0
SHORTEST_SECONDS: Final = 2.0

_HOPS_AT_ONCE: Final = 4096
"""Their windows lie in memory side by side: of a long recording not all at once."""


@dataclass(frozen=True, slots=True)
class Slicing:
    """How; the defaults are upstream's."""

    silence_dbfs: float = -34.0
    """Root mean square below which a hop is silent."""
    least_seconds: float = 4.0
    """Sound that has to stand before a cut."""
    silence_seconds: float = 0.3
    """A silence has to last so long to be cut at."""
    hop_seconds: float = 0.01
    kept_seconds: float = 0.5
    """The most that is kept of a silence, at each of its ends."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a recording, in samples."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.start) / SAMPLE_RATE


def slice_sound(sound: Samples, slicing: Slicing = Slicing()) -> list[Stretch]:
    """The stretches between the silences of sound at 32 kHz, in order."""
    hop = round(SAMPLE_RATE * slicing.hop_seconds)
    window = min(round(SAMPLE_RATE * slicing.silence_seconds), 4 * hop)
    loudness = loudness_of(sound, window, hop)
    cuts = _cuts(
        loudness,
        10 ** (slicing.silence_dbfs / 20),
        least=round(slicing.least_seconds / slicing.hop_seconds),
        silence=round(slicing.silence_seconds / slicing.hop_seconds),
        kept=round(slicing.kept_seconds / slicing.hop_seconds),
    )
    edges = [0, *(edge for cut in cuts for edge in cut), len(loudness)]
    stretches = [
        Stretch(first * hop, min(last * hop, len(sound)))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if last > first
    ]
    return [stretch for stretch in stretches if stretch.end > stretch.start]


def cut(sound: Samples) -> list[Stretch]:
    """A recording as stretches of `LONGEST_SECONDS` at most, in order: whole if it is no longer.

    A stretch may be shorter than `SHORTEST_SECONDS`, and what lies between two stretches is silence.
    """
    whole = Stretch(0, len(sound))
    if whole.seconds <= LONGEST_SECONDS:
        return [whole]
    return [part for stretch in slice_sound(sound) for part in split_long(sound, stretch)]


def split_long(sound: Samples, stretch: Stretch, longest_seconds: float = LONGEST_SECONDS) -> list[Stretch]:
    """A stretch that is too long for a training, cut again at the quietest hop of its middle third."""
    if stretch.seconds <= longest_seconds:
        return [stretch]
    hop = SAMPLE_RATE // 100
    third = (stretch.end - stretch.start) // 3
    first = stretch.start + third
    loudness = loudness_of(sound[first : stretch.end - third], 4 * hop, hop)
    middle = min(first + int(loudness.argmin()) * hop, stretch.end - third)
    halves = Stretch(stretch.start, middle), Stretch(middle, stretch.end)
    return [part for half in halves for part in split_long(sound, half, longest_seconds)]


def loudness_of(sound: Samples, window: int, hop: int) -> npt.NDArray[np.float32]:
    """Root mean square around every `hop`-th sample, of `window` samples, zeros beyond both ends."""
    padded = np.pad(sound.astype(np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    return np.concatenate(
        [
            np.sqrt(np.mean(np.square(frames[first : first + _HOPS_AT_ONCE]), axis=1))
            for first in range(0, len(frames), _HOPS_AT_ONCE)
        ]
    )


def level_slice(sound: Samples) -> Samples:
    """A stretch of a long recording as upstream's slicer writes it down."""
    return level(sound, loud=0.9, blend=0.25)


def level(sound: Samples, loud: float = 0.95, blend: float = 0.5) -> Samples:
    """Sound brought part of the way to a peak of `loud`, as upstream does before it learns from it.

    Its slicer does so with 0.9 and a quarter of the way, its feature extraction with 0.95 and half of it.
    """
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0:
        return sound
    levelled: Samples = (sound * np.float32(loud / peak * blend + (1 - blend))).astype(np.float32)
    return levelled


def _cuts(
    loudness: npt.NDArray[np.float32], threshold: float, *, least: int, silence: int, kept: int
) -> list[tuple[int, int]]:
    """For each cut the hop where the sound before it ends and the one where the sound after it begins."""
    cuts: list[tuple[int, int]] = []
    begun: int | None = None  # the first hop of the silence in hand
    spoken_from = 0
    for i in range(len(loudness)):
        if loudness[i] < threshold:
            begun = i if begun is None else begun
            continue
        if begun is None:
            continue
        is_leading = begun == 0 and i > kept
        if is_leading or (i - begun >= silence and i - spoken_from >= least):
            cut = _within(loudness, begun, i, kept)
            cuts.append((0, cut[1]) if begun == 0 else cut)
            spoken_from = cuts[-1][1]
        begun = None
    if begun is not None and len(loudness) - begun >= silence:
        end = min(len(loudness), begun + kept)
        cuts.append((begun + int(loudness[begun : end + 1].argmin()), len(loudness)))
    return cuts


def _within(loudness: npt.NDArray[np.float32], begun: int, over: int, kept: int) -> tuple[int, int]:
    """Where to cut a silence from hop `begun` to hop `over`, of which at most `kept` may stay at each end."""

    def quietest(first: int, last: int) -> int:
        return first + int(loudness[first : last + 1].argmin())

    if over - begun <= kept:
        middle = quietest(begun, over)
        return middle, middle
    left, right = quietest(begun, begun + kept), quietest(over - kept, over)
    if over - begun <= 2 * kept:
        middle = quietest(over - kept, begun + kept)
        return min(left, middle), max(right, middle)
    return left, right
