"""A prompt's recording becomes sound, at the rate a network wants."""

from __future__ import annotations

import math
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import Resample

from speech.errors import VoiceError
from speech.units import SAMPLE_RATE

_LEAST_SHARED: Final = 25
"""Hertz that must divide a rate and 32,000 alike: the filter of a stranger rate would fill the memory."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono sound as it was recorded."""

    sound: Tensor
    """`float32[N]` within -1...1."""
    rate: int
    """Samples a second."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.sound) / self.rate

    def at(self, rate: int) -> Tensor:
        """The sound at another rate, `[ceil(N * rate / its own rate)]`.

        With the kernel of torchaudio's transform, as upstream, and not with that of its function, which is
        built in single precision and differs by 4e-5.
        """
        return resample(self.sound, self.rate, rate)


def resample(sound: Tensor, rate: int, wanted: int) -> Tensor:
    """`[N]` at `rate` becomes `[ceil(N * wanted / rate)]` at the rate wanted."""
    resampled: Tensor = Resample(rate, wanted)(sound)
    return resampled


def read_recording(path: Path) -> Recording:
    """The recording in a mono WAV file of 16-bit samples.

    Raises:
        VoiceError: there is no such file, or it is another kind of file; the message names it.
    """
    try:
        with wave.open(str(path), "rb") as file:
            n_channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except FileNotFoundError:
        raise VoiceError(f"prompt {path.name}: no such file") from None
    except (wave.Error, EOFError, OSError) as error:
        raise VoiceError(f"prompt {path.name}: no WAV file of plain samples: {error}") from error
    if (n_channels, width) != (1, 2):
        raise VoiceError(f"prompt {path.name}: {n_channels} channels of {8 * width} bits, not one of 16")
    if math.gcd(rate, SAMPLE_RATE) < _LEAST_SHARED:
        raise VoiceError(f"prompt {path.name}: a rate of {rate} samples a second; 32000 or 44100 are usual")
    samples = np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    return Recording(torch.from_numpy(samples), rate)
