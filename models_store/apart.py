"""Voices of families that share no weights, in the shape of those that do."""

from __future__ import annotations

from collections.abc import Callable

from speech.voice import Voice, VoiceSource


class Apart:
    """What such voices hold: each is opened by itself, and all leave together."""

    n_bytes = 0

    def __init__(self, open_voice: Callable[[VoiceSource], Voice]) -> None:
        self._open_voice = open_voice
        self._voices: list[Voice] = []

    def voice(self, source: VoiceSource) -> Voice:
        """As the family opens it."""
        voice = self._open_voice(source)
        self._voices.append(voice)
        return voice

    def close(self) -> None:
        """Closes every voice."""
        for voice in self._voices:
            voice.close()
        self._voices.clear()
