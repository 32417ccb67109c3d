"""A sound as a WAV file."""

from __future__ import annotations

import io
import wave

import numpy as np

from speech.units import SAMPLE_RATE
from speech.voice import Samples


def wav_bytes(sound: Samples) -> bytes:
    """Mono, 16 bits, 32 kHz. Takes samples `[N]`; what goes beyond -1.0 to 1.0 is clipped."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(np.rint(sound * 2.0**15), -(2**15), 2**15 - 1).astype("<i2").tobytes())
    return out.getvalue()
