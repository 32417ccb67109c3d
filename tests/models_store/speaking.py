"""Speech for prompts: the draft voice says something, and numpy spoils it."""

from __future__ import annotations

import functools
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models_store.shelf import Shelf
from speech.text.utterance import Span, Utterance
from speech.units import SAMPLE_RATE
from speech.voice import Request

Sound = npt.NDArray[np.float32]
TEXT = "The old house on the hill had been empty for many years, and nobody knew who owned it."


@functools.cache
def spoken() -> Sound:
    """`TEXT` as `[N]` at 32 kHz, some five seconds, with the faint noise of a room; peak at -6 dBFS."""
    shelf = Shelf(Path("absent"))
    voice = shelf.open(shelf.resolve("draft"))
    (take,) = voice.speak(iter([Request("k", Utterance((Span(TEXT, "en"),)))]))
    voice.close()
    sound = take.samples / np.abs(take.samples).max() * 0.5
    noise = np.random.default_rng(7).standard_normal(sound.size) * 1e-3  # -60 dBFS
    return np.asarray(sound + noise, np.float32)


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(n_samples: int, dbfs: float) -> Sound:
    return np.asarray(np.random.default_rng(8).standard_normal(n_samples) * 10 ** (dbfs / 20), np.float32)


def write_wav(path: Path, *channels: Sound, rate: int = SAMPLE_RATE) -> Path:
    """The channels as 16-bit samples."""
    frames = np.clip(np.rint(np.stack(channels, axis=1) * 2.0**15), -(2**15), 2**15 - 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.astype("<i2").tobytes())
    return path
