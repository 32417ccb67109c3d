"""Whether a voice that was just loaded speaks at all."""

from __future__ import annotations

from typing import Final

import numpy as np

from speech.errors import BadTakeError
from speech.text.script import expect_seconds
from speech.text.utterance import Span, Utterance
from speech.units import SAMPLE_RATE
from speech.voice import Request, Voice

SENTENCE: Final = "The quick brown fox jumps over the lazy dog."
_LEAST_PEAK: Final = 10 ** (-40 / 20)
_TIMES: Final = 3.0
"""How much longer or shorter than a narrator's the sentence may be."""


def check_health(voice: Voice) -> None:
    """Has the voice say one English sentence, which all versions can read.

    Raises:
        BadTakeError: the sound is empty, not finite, silent or of an impossible length, as the message says.
    """
    utterance = Utterance((Span(SENTENCE, "en"),))
    [take] = voice.speak(iter([Request("health", utterance)]))
    if not np.isfinite(take.samples).all():
        raise BadTakeError("the voice is not well: its sound is not finite")
    if not take.samples.size or np.abs(take.samples).max() < _LEAST_PEAK:
        raise BadTakeError("the voice is not well: its sound is silent")
    seconds, expected = take.samples.size / SAMPLE_RATE, expect_seconds(SENTENCE)
    if not expected / _TIMES <= seconds <= expected * _TIMES:
        raise BadTakeError(
            f"the voice is not well: a sentence of some {expected:.1f} s became {seconds:.1f} s of sound"
        )
