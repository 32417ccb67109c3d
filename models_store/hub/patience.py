"""How often the hub is asked again, and how long we wait before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from models_store.hub.errors import StoppedError, TransientError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits that double, up to a bound; the hub's own wish goes before, if it is within reason."""

    tries: int = 6
    """In a row without a new byte."""
    first_seconds: float = 1.0
    longest_seconds: float = 30.0
    most_asked_seconds: float = 300.0
    """A hub that wants to be left alone for longer is an error: people rather come back themselves."""

    def pause(self, failures: int, error: TransientError, halted: threading.Event) -> None:
        """Waits after the n-th failure in a row.

        Raises:
            TransientError: that was the last one, or the hub asks for too long a wait.
            StoppedError: somebody asked to stop meanwhile.
        """
        asked = error.after_seconds
        if asked is not None and asked > self.most_asked_seconds:
            raise TransientError(f"{error}; it asks to come back in {asked:.0f} s") from error
        if failures >= self.tries:
            raise TransientError(f"{error}; tried {failures} times") from error
        seconds = (
            asked
            if asked is not None
            else min(self.first_seconds * 2 ** (failures - 1), self.longest_seconds)
        )
        if halted.wait(seconds):
            raise StoppedError("stopped") from error

    def ask(self, question: Callable[[], Answer], halted: threading.Event) -> Answer:
        """The answer, as soon as there is one; raises as `pause`."""
        failures = 0
        while True:
            try:
                return question()
            except TransientError as error:
                failures += 1
                self.pause(failures, error, halted)


def seconds_of(retry_after: str | None) -> float | None:
    """What a `Retry-After` says, seconds or a date (RFC 9110, 10.2.3); None if it says neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
