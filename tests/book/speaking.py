"""Speech-like sound made by code: harmonics of a gliding voice, in syllables, with soft ends. Nobody
speaks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from book.sound import BLOCK, Block, Source
from book.track import Cue, Spoken, join

RATE = 32_000


@cache
def speech(seconds: float, seed: int = 0, peak: float = 0.4) -> Block:
    """A take of so many seconds, peaking at `peak`, with near-silence of 0.15 s at both ends if it is
    longer."""
    random = np.random.default_rng(seed)
    n = round(seconds * RATE)
    t = np.arange(n) / RATE
    phase = 2 * np.pi * np.cumsum(125 + 25 * np.sin(2 * np.pi * 0.6 * t + seed)) / RATE
    voiced = sum(np.sin(k * phase + random.uniform(0, 6)) / k**1.4 for k in range(1, 40))
    syllables = np.clip(np.sin(2 * np.pi * 3.7 * t + random.uniform(0, 6)), 0.03, 1) ** 1.3
    samples = voiced * syllables * (0.7 + 0.3 * np.sin(2 * np.pi * 0.5 * t))
    quiet = min(round(0.15 * RATE), n // 4)
    ramp = np.concatenate((np.zeros(quiet // 2), np.linspace(0, 1, quiet - quiet // 2)))
    samples[:quiet] *= ramp
    samples[n - quiet :] *= ramp[::-1]
    made: Block = (peak * samples / np.abs(samples).max()).astype(np.float32)
    made.flags.writeable = False
    return made


def takes(n: int, *, seconds: float = 2.5, boundary: str = "sentence", seed: int = 0) -> Iterator[Spoken]:
    """So many takes of slightly different length."""
    for number in range(n):
        samples = speech(seconds + 0.25 * (number % 4), seed=seed + number % 5)
        yield Spoken(samples, boundary, f"Sentence {number + 1}.")


def chapter(path: Path, n: int = 4, *, seconds: float = 2.5, seed: int = 0) -> tuple[Cue, ...]:
    """A chapter track of so many sentences at `path`."""
    return join(takes(n, seconds=seconds, seed=seed), sample_rate=RATE, path=path)


def whole(path: Path) -> Block:
    """All samples of a file."""
    return np.concatenate(list(Source.open(path).blocks()))


def blocks_of(samples: Block, size: int = BLOCK) -> Iterator[Block]:
    """A sound in blocks."""
    for start in range(0, samples.size, size):
        yield samples[start : start + size]


def decibels(amplitude: float) -> float:
    """20 log10, for the expectations of tests."""
    return float(20 * np.log10(amplitude))
