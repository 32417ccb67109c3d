"""The rates everything else is counted in."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 32_000
"""Samples a second of every take, whatever family of voice made it."""

HOP: Final = 640
"""Samples between two frames of the linear spectrogram."""

FRAME_RATE: Final = SAMPLE_RATE // HOP  # 50 frames a second
TOKEN_RATE: Final = 25  # semantic tokens a second
FRAMES_PER_TOKEN: Final = FRAME_RATE // TOKEN_RATE  # 2

if FRAME_RATE * HOP != SAMPLE_RATE or FRAMES_PER_TOKEN * TOKEN_RATE != FRAME_RATE:  # pragma: no cover
    raise AssertionError("the rates above must divide exactly")
