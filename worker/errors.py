"""The errors of this room, and how those of the rooms below look to the person who asked for the job."""

from __future__ import annotations

from typing import Final

from book.errors import BookError, MasteringError
from jobs.errors import LimitReachedError
from jobs.ledger.values import StepError
from models_store.options import OptionError
from speech.errors import BadTakeError, SpeechError, UnreadableTextError, VoiceError


class StoppingError(Exception):
    """The worker was asked to stop; what is in hand goes back to the ledger."""


class LostTakeError(Exception):
    """A take has no row, or its render is missing or corrupt in the object store; the message says which."""


CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MasteringError, "mastering"),
    (BookError, "unreadable-book"),
    (UnreadableTextError, "unreadable-text"),
    (BadTakeError, "bad-take"),
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
    return StepError(code, message, chapter_index, utterance_index)
