"""The errors of this room, and how those of the rooms below look to the person who asked for the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from book.errors import BookError, MasteringError
from jobs.errors import LimitReachedError
from jobs.ledger.values import StepError
from models_store.hub.errors import HubError
from models_store.options import OptionError
from speech.errors import BadTakeError, SpeechError, TrainingError, UnreadableTextError, VoiceError


class StoppingError(Exception):
    """The worker was asked to stop; what is in hand goes back to the ledger."""


class LostTakeError(Exception):
    """A take has no row, or its render is missing or corrupt in the object store; the message says which."""


class UnfitRecordingsError(TrainingError):
    """Nothing is left to learn from, or to speak after; `reasons` has a line for each recording."""

    def __init__(self, message: str, reasons: Sequence[str]) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MasteringError, "mastering"),
    (BookError, "unreadable-book"),
    (UnreadableTextError, "unreadable-text"),
    (BadTakeError, "bad-take"),
    (TrainingError, "training"),
    (HubError, "pull"),
    (VoiceError, "voice"),
    (OptionError, "option"),
    (SpeechError, "speech"),
    (LimitReachedError, "limit"),
)
"""What is wrong with the request rather than with us: told as it is, and not tried again."""

FAULTS_OF_INPUT: Final = tuple(kind for kind, _ in CODES)


def describe(
    error: Exception, *, chapter_index: int | None = None, utterance_index: int | None = None
) -> StepError:
    """The error as the job shows it: a stable code and one line."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), "internal")
    message = " ".join(str(error).split()) or type(error).__name__
    if code == "internal":
        message = f"{type(error).__name__}: {message}"
    told = StepError(code, message, chapter_index, utterance_index)
    reasons = error.reasons if isinstance(error, UnfitRecordingsError) else ()
    return told.with_others(StepError("recording", reason) for reason in reasons)
