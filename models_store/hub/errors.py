"""Every error of this room. The message is one clear line."""

from __future__ import annotations

from speech.errors import VoiceError


class HubError(VoiceError):
    """Weights could not be pulled; the message names the file or the address and says why."""


class HubInputError(HubError):
    """What was asked for is wrong: a name, a revision, an address or a folder that is not there."""

    def __init__(self, message: str, *, field: str = "names") -> None:
        super().__init__(message)
        self.field = field
        """Of what was asked: "names" or "only" where a choice is wrong."""


class TransientError(HubError):
    """The hub could not answer just now: worth asking again."""

    def __init__(self, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds
        """When the hub wants to be asked again; None if it did not say."""


class StoppedError(HubError):
    """Somebody asked to stop; what has arrived so far stays where it is."""
