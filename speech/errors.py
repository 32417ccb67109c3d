"""Every error of this room. The message is one clear line."""

from __future__ import annotations


class SpeechError(Exception):
    """Speech could not be made; the message says why."""


class UnreadableTextError(SpeechError):
    """A character or a language cannot be spoken by this voice; the message names it and its place."""


class VoiceError(SpeechError):
    """The voice cannot be loaded or is not what its manifest says."""


class BadTakeError(SpeechError):
    """A take came out empty, silent, not finite or of an impossible length."""


class TrainingError(SpeechError):
    """A voice cannot be trained like this; the message names the field or the recording."""
