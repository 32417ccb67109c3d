"""The GPT-SoVITS family of voices: v1, v2, v2Pro and v2ProPlus (`docs/voices.md`).

Importing this package imports no torch, and neither does `knobs`: whoever only checks requests needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speech.gpt_sovits.voice import GptSovitsVoice, GptSovitsWeights
    from speech.voice import VoiceSource


def open_voice(source: VoiceSource) -> GptSovitsVoice:
    """The voice its manifest describes.

    Raises:
        VoiceError: a parameter is wrong, or weights, prompts or backbones are missing or unfit.
    """
    from speech.gpt_sovits import voice

    return voice.open_voice(source)


def open_weights(source: VoiceSource) -> GptSovitsWeights:
    """The weights that a voice's manifest names, ready for voices; raises as `open_voice`."""
    from speech.gpt_sovits import voice

    return voice.open_weights(source)
