"""Takes become a chapter track: trimmed to their speech, joined with the pauses the text asks for, and
timed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from book.encode import TRACK_ENCODING
from book.errors import MasteringError
from book.pauses import DEFAULT_PAUSES, Pauses
from book.sound import Block, Writer, silence

FRAME_SECONDS: Final = 0.005
"""The grain in which speech is told from silence: shorter than the burst of a plosive."""
AUDIBLE_BELOW_LOUDEST_DB: Final = 50.0
"""A frame this far below the take's loudest is silence. The softest fricatives stand 30 to 40 dB below the
loudest vowel. A take whose own noise lies higher is not trimmed at all: a long pause is a lesser harm than
a cut word."""
LEAD_SECONDS: Final = 0.03
"""Kept before the first audible frame: breath and the closure of a plosive."""
TRAIL_SECONDS: Final = 0.06
"""Kept after the last audible frame: decay."""
SHORTEST_FADE_SECONDS: Final = 0.004
"""Where a take begins or ends within speech, so that there is no step and no click. Elsewhere lead and
trail are the fade: a voice that hisses does not stop hissing at once. Raised cosine."""
FULL_SCALE_SLACK: Final = 1e-3
"""Rounding a resampler may add above full scale; it is clipped. More is a fault of the voice."""


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One utterance's take, as it comes from the voice."""

    samples: Block
    """Mono float32 `[N]`, full scale at 1."""
    boundary: str
    """What stands after it: "clause", "sentence", "paragraph", "heading" or "break"."""
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """When an utterance is heard, from the start of its track or file."""

    start_seconds: float
    end_seconds: float
    text: str
    boundary: str = ""
    """What stands after it; where a chapter may be divided."""


def audible(samples: Block, sample_rate: int) -> tuple[int, int]:
    """First and end sample of the speech in a take, without lead and trail. `(0, 0)` if all of it is
    digital silence."""
    frame = max(1, round(FRAME_SECONDS * sample_rate))
    n_frames = -(-samples.size // frame)
    padded = np.zeros(n_frames * frame, np.float64)
    padded[: samples.size] = samples
    power = np.square(padded).reshape(n_frames, frame).mean(axis=1)  # [n_frames]
    if not power.size or power.max() == 0:
        return 0, 0
    heard = np.flatnonzero(power > power.max() * 10 ** (-AUDIBLE_BELOW_LOUDEST_DB / 10))
    return int(heard[0]) * frame, min(samples.size, (int(heard[-1]) + 1) * frame)


def join(
    takes: Iterable[Spoken],
    *,
    sample_rate: int,
    pauses: Pauses = DEFAULT_PAUSES,
    path: Path,
) -> tuple[Cue, ...]:
    """Write the takes as one lossless track (FLAC, 24 bits, mono) to `path`; one cue for each, in order.

    A pause is counted from the last audible sound of a take to the first of the next; the lead and trail
    kept around the speech lie within it. The track begins with the first take's lead and ends with the last
    one's trail: head, tail and the pause between chapters belong to the master. One take is held at a time.

    Raises MasteringError naming the utterance whose take is empty, silent, not finite or beyond full scale,
    and when there is none at all.
    """
    cues: list[Cue] = []
    with Writer(path, TRACK_ENCODING, sample_rate) as writer:
        for n_silent, sound, take in lay_out(takes, sample_rate=sample_rate, pauses=pauses):
            for block in silence(n_silent):
                writer.write(block)
            start = writer.n_samples
            writer.write(sound)
            cues.append(Cue(start / sample_rate, writer.n_samples / sample_rate, take.text, take.boundary))
        if not cues:
            raise MasteringError("the chapter has no take to join")
    return tuple(cues)


def lay_out(
    takes: Iterable[Spoken], *, sample_rate: int, pauses: Pauses = DEFAULT_PAUSES
) -> Iterator[tuple[int, Block, Spoken]]:
    """Each take as it stands in a track: the samples of silence before it, its sound `[N]`, and itself.

    A take comes out as soon as it goes in. Raises MasteringError as `join` does.
    """
    shortest_fade = round(SHORTEST_FADE_SECONDS * sample_rate)
    lead, trail = round(LEAD_SECONDS * sample_rate), round(TRAIL_SECONDS * sample_rate)
    owed = 0  # samples of the pause not yet given, counted from the end of what has been kept
    for number, take in enumerate(takes, start=1):
        pause = round(pauses.after(take.boundary) * sample_rate)
        samples = _checked(take, number)
        first, end = audible(samples, sample_rate)
        kept_first, kept_end = max(0, first - lead), min(samples.size, end + trail)
        fade_in, fade_out = max(shortest_fade, first - kept_first), max(shortest_fade, kept_end - end)
        n_silent = max(0, owed - (first - kept_first)) if number > 1 else 0
        yield n_silent, _faded(samples[kept_first:kept_end], fade_in, fade_out), take
        owed = pause - (kept_end - end)


def _checked(take: Spoken, number: int) -> Block:
    """The take's samples, fit to be written."""
    where = f"utterance {number} ({_shortened(take.text)})"
    samples = np.asarray(take.samples, dtype=np.float32)
    if samples.ndim != 1:
        raise MasteringError(f"{where}: the take has {samples.ndim} axes, not one")
    if not samples.size:
        raise MasteringError(f"{where}: the take is empty")
    if not np.isfinite(samples).all():
        raise MasteringError(f"{where}: the take holds samples that are not finite numbers")
    peak = float(np.abs(samples).max())
    if peak == 0:
        raise MasteringError(f"{where}: the take is silent")
    if peak > 1 + FULL_SCALE_SLACK:
        raise MasteringError(f"{where}: the take peaks at {20 * np.log10(peak):+.2f} dBFS, beyond full scale")
    return samples


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 40 else words[:39] + "…")


def _faded(samples: Block, n_in: int, n_out: int) -> Block:
    """The take with raised-cosine ramps of so many samples; shorter ones if it is too short for both."""
    n_in, n_out = min(n_in, samples.size // 2), min(n_out, samples.size // 2)
    faded = samples.copy()
    faded[:n_in] *= _ramp(n_in)
    faded[samples.size - n_out :] *= _ramp(n_out)[::-1]
    return faded


def _ramp(n: int) -> Block:
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(1, n))).astype(np.float32)
