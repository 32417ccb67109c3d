"""Every error of this folder. The message is one clear line."""

from __future__ import annotations

from speech.errors import VoiceError


class UpstreamFileError(VoiceError):
    """A file is not half of a GPT-SoVITS voice; the message says what it is, or what is wrong with it."""


class HostileFileError(UpstreamFileError):
    """A file tries to be more than a container of tensors."""
