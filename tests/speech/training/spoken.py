"""Recordings that are measured like speech and say nothing, and what spoils them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speech.units import SAMPLE_RATE

Sound = npt.NDArray[np.float32]


def speech(seconds: float, seed: int = 0, *, pitch_hz: float = 120.0, noise_dbfs: float = -65.0) -> Sound:
    """Four syllables a second, each gliding, with a pause every second and a half; peak at -6 dBFS."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    time = np.arange(n) / SAMPLE_RATE
    anchors = np.arange(0, seconds + 0.25, 0.25)
    glide = np.interp(time, anchors, rng.uniform(-4, 4, anchors.size))  # semitones
    phase = 2 * np.pi * np.cumsum(pitch_hz * 2 ** (glide / 12)) / SAMPLE_RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    loudness = np.abs(np.sin(np.pi * 4 * time)) * (np.mod(time, 1.5) < 1.25)
    spoken = tone * loudness
    sound = spoken / np.abs(spoken).max() * 0.5 + rng.standard_normal(n) * 10 ** (noise_dbfs / 20)
    return np.asarray(sound, np.float32)


def music(seconds: float, seed: int = 0) -> Sound:
    """Two chords a second, peak at -6 dBFS."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros_like(time)
    for begin in np.arange(0, seconds, 0.5):
        strength = np.where((time >= begin) & (time < begin + 1), np.exp(-2 * (time - begin)), 0)
        root = 220 * 2 ** (rng.integers(-5, 8) / 12)
        for semitones in (0, 4, 7):
            for k in (1, 2, 3):
                sound += strength * np.sin(2 * np.pi * root * 2 ** (semitones / 12) * k * time) / k
    return np.asarray(sound / np.abs(sound).max() * 0.5, np.float32)


def noise(seconds: float, dbfs: float = -20.0, seed: int = 0) -> Sound:
    n = round(seconds * SAMPLE_RATE)
    return np.asarray(np.random.default_rng(seed).standard_normal(n) * 10 ** (dbfs / 20), np.float32)


def clipped(sound: Sound, share: float = 0.5) -> Sound:
    """Cut off at so much of its peak."""
    limit = float(np.abs(sound).max()) * share
    return np.clip(sound, -limit, limit)
