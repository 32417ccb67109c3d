"""The gain a chapter needs when its limiter takes part of it away again, found before anything is encoded.

Each decibel of gain that pushes peaks into the limiter raises the loudness by less than a decibel, for some
voices by a third. Finding the gain by encoding the whole chapter anew for each guess would cost minutes an
hour of sound; the limiter does to excerpts, on the whole, what it does to the chapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from book.limiter import Limiter, amplitude
from book.loudness import Figures, measure
from book.sound import Block

EXCERPT_SECONDS: Final = 180.0
"""Of the chapter, taken in blocks of about two seconds from all of its length."""
MOST_GUESSES: Final = 8
CLOSE_DB: Final = 0.1
LEAST_SLOPE: Final = 0.15
"""Decibels of loudness for a decibel of gain: where less comes back, more gain is mere distortion."""
MOST_LIMITING_DB: Final = 12.0
"""More gain than this beyond the plain one is not tried: the chapter then fails its profile, loudly."""

Level = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was found on the excerpts."""

    gain_db: float
    slope: float
    """Decibels of loudness that one more decibel of gain brings there; 1 where nothing is limited."""


def excerpts(blocks: Iterable[Block], n_samples: int, sample_rate: int) -> list[Block]:
    """Every so many-th block, up to `EXCERPT_SECONDS` in all; the whole of a shorter sound."""
    every = max(1, round(n_samples / (EXCERPT_SECONDS * sample_rate)))
    return [block for number, block in enumerate(blocks) if number % every == 0 and block.size]


def rehearse(
    sound: list[Block], sample_rate: int, *, gain_db: float, ceiling_db: float, level: Level
) -> Rehearsed:
    """The gain that raises the level of the limited sound by `gain_db`, and what more gain would bring."""
    plain = level(measure(sound, sample_rate))
    if plain is None:  # the excerpts are silent, the chapter is not: nothing to learn from them
        return Rehearsed(gain_db, 1.0)

    def raised(gain: float) -> float:
        factor = amplitude(gain)
        limited = Limiter(sample_rate, ceiling_db).limited(block * factor for block in sound)
        reached = level(measure(limited, sample_rate))
        return gain if reached is None else reached - plain

    guess, slope = gain_db, 1.0
    reached = raised(guess)
    for _ in range(MOST_GUESSES):
        missing = gain_db - reached
        if abs(missing) <= CLOSE_DB:
            break
        following = min(guess + missing / slope, gain_db + MOST_LIMITING_DB)
        if following == guess:
            break
        then = raised(following)
        slope = min(1.0, max(LEAST_SLOPE, (then - reached) / (following - guess)))
        guess, reached = following, then
    return Rehearsed(guess, slope)
