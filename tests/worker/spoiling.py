"""A recording of every kind that a training refuses, made from one that it would take."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import numpy as np

from speech.units import SAMPLE_RATE
from tests.speech.training.spoken import Sound, clipped, music, noise

SAID: Final = "He opened it and looked out into the rain."
JAPANESE: Final = "tokyo.wav"
"""The one whose language is said to be Japanese."""

REFUSED: Final[Mapping[str, str]] = {
    "text.wav": "unreadable: ",
    "empty.wav": "unreadable: ",
    "broken.wav": "unreadable: holds samples that are no numbers",
    "short.wav": "too short: 0.50 s",
    "long.wav": "too long: ",
    "quiet.wav": "silent: ",
    "clipped.wav": "clipped: ",
    "hiss.wav": "noise: ",
    "song.wav": "music: ",
    "untold.wav": "no transcript: ",
    "hasty.wav": "transcript: ",
    "slow.wav": "transcript: ",
    "russian.wav": "transcript: ",
    JAPANESE: "language: 'ja' is none of en, zh, which the base knows",
}
"""How the line begins that refuses each, after its name."""


def spoilt(good: Sound) -> tuple[dict[str, Sound | bytes], dict[str, str]]:
    """The recordings of `REFUSED`, no two alike, and what is said to be said in each but one.

    Args:
        good: speech `[N]` at 32 kHz, 3 to 10 s of it.
    """
    like = iter(good * (1 - 0.01 * n) for n in range(100))
    times = 1 + int(57 * SAMPLE_RATE / good.size)
    sounds: dict[str, Sound | bytes] = {
        "text.wav": b"This is no sound at all.",
        "empty.wav": b"\0",
        "broken.wav": _floats(np.where(np.arange(good.size) % 1000 == 0, np.nan, good)),
        "short.wav": good[: SAMPLE_RATE // 2],
        "long.wav": np.tile(good, times),
        "quiet.wav": good * 0.002,
        "clipped.wav": clipped(good),
        "hiss.wav": noise(3.0),
        "song.wav": music(3.0),
        "untold.wav": next(like),
        "hasty.wav": next(like),
        "slow.wav": next(like),
        "russian.wav": next(like),
        JAPANESE: next(like),
    }
    texts = dict.fromkeys(sounds, SAID) | {
        "hasty.wav": "This goes on and on and on. " * 20,
        "slow.wav": "No.",
        "russian.wav": "Привет, как дела?",
    }
    del texts["untold.wav"]
    return sounds, texts


def _floats(sound: Sound) -> bytes:
    """A mono WAV file of 32-bit floating point samples, which may be no numbers."""
    samples = sound.astype("<f4").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 32)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(body)) + body
