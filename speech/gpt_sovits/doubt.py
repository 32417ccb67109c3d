"""What is noticed about a take that may not be good, as short phrases for its manifest.

Upstream trained on speech of 3 to 25 phonemes a second and left out the rest (its data set's filter), so what
is slower or faster was never learnt; 2.2 tokens a phoneme (11 phonemes a second) is usual.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from speech.units import SAMPLE_RATE, TOKEN_RATE
from speech.voice import Samples

Tokens = npt.NDArray[np.int64]

NOT_FINITE: Final = "not finite"
EMPTY: Final = "empty"
UNUSABLE: Final = frozenset({NOT_FINITE, EMPTY})
"""Doubts about a take that nobody can listen to."""

# Phonemes a second: slower was never learnt; 2.5 times slower than usual; faster was never learnt.
_SLOWEST, _SLOW, _FASTEST = 3.0, 4.5, 25.0
USUAL_TOKENS: Final = 2.2
"""Tokens a phoneme usually takes."""
_SLACK_SECONDS = 2.0  # a short utterance may begin late and end late
_MOST_TOKENS = 1500  # upstream's own limit: a minute

_LONGEST_PERIOD = 4 * TOKEN_RATE  # a phrase of four seconds
_LEAST_LOOP = TOKEN_RATE  # repeated for a second: no held vowel and no pause is that even
_TIMES_REPEATED = 2  # after the first time

_FRAME = SAMPLE_RATE // 50
_SILENT_DBFS, _FAINT_DB = -55.0, 45.0  # of a frame: at all, and below the loudest frame
_LONGEST_SILENCE_SECONDS = 1.6  # pauses at full stops are 0.3 to 0.8
_FULL_SCALE, _MOST_CLIPPED = 0.999, 1e-3


def limit_tokens(n_phonemes: int) -> int:
    """Tokens after which an utterance of so many phonemes is stopped: slower speech was never learnt."""
    return min(_MOST_TOKENS, round((n_phonemes / _SLOWEST + 2 * _SLACK_SECONDS) * TOKEN_RATE))


def doubt_tokens(tokens: Tokens, n_phonemes: int, *, is_ended: bool) -> tuple[str, ...]:
    """What seems wrong with the tokens `[S]` of an utterance of P phonemes."""
    doubts = []
    seconds = len(tokens) / TOKEN_RATE
    if not is_ended:
        doubts.append(f"does not end within {seconds:.1f} s")
    if seconds > n_phonemes / _SLOW + _SLACK_SECONDS:
        doubts.append(f"runs away: {seconds:.1f} s for {n_phonemes} phonemes")
    if seconds < n_phonemes / _FASTEST:
        doubts.append(f"ends early: {seconds:.1f} s for {n_phonemes} phonemes")
    if loop := find_loop(tokens):
        doubts.append(f"loops for {loop / TOKEN_RATE:.1f} s")
    return tuple(doubts)


def find_loop(tokens: Tokens) -> int:
    """Tokens of the longest stretch that says one thing over and over, or 0."""
    longest = 0
    for period in range(1, min(_LONGEST_PERIOD, len(tokens) // 2) + 1):
        repeated = longest_run(tokens[period:] == tokens[:-period])
        if repeated >= max(_LEAST_LOOP, _TIMES_REPEATED * period):
            longest = max(longest, repeated + period)
    return longest


def doubt_sound(samples: Samples, *, speed: float = 1.0) -> tuple[str, ...]:
    """What seems wrong with a sound `[N]` that was made at this speed."""
    if not samples.size:
        return (EMPTY,)
    if not np.isfinite(samples).all():
        return (NOT_FINITE,)
    doubts = []
    levels = frame_levels(samples)  # [F] dBFS
    if levels.max() < _SILENT_DBFS:
        doubts.append("silent")
    else:
        faint = levels < max(_SILENT_DBFS, float(levels.max()) - _FAINT_DB)
        silence_seconds = longest_run(faint) * _FRAME / SAMPLE_RATE
        if silence_seconds * speed > _LONGEST_SILENCE_SECONDS:
            doubts.append(f"silent for {silence_seconds:.1f} s")
    if np.mean(np.abs(samples) >= _FULL_SCALE) > _MOST_CLIPPED:
        doubts.append("clipped")
    return tuple(doubts)


def frame_levels(samples: Samples) -> npt.NDArray[np.float64]:
    """The level of each 20 ms, `[F]` in dB of full scale; a last frame cut short counts as it is."""
    padded = np.pad(samples.astype(np.float64), (0, -samples.size % _FRAME))
    power = np.square(padded).reshape(-1, _FRAME).mean(axis=1)
    levels: npt.NDArray[np.float64] = 10 * np.log10(power + 1e-12)
    return levels


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """The length of the longest run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[0::2]).max(initial=0))
