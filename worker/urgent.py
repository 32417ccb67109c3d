"""How speeches come in between the chunks of a book: looked for often, and within what the book may lose.

The book pays with time. Its worker saves up a share of each second and spends it on speeches; what it has
saved is bounded, so over any stretch of time of a worker with enough of both, speeches get at most

    SHARE * seconds + MOST_SAVED_SECONDS + what was admitted last

and the book all the rest. A worker that finds no book owes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from jobs.ledger.speeches import Speeches

SHARE: Final = 0.1
"""Of a worker's time, for speeches, while it has a book to read."""
MOST_SAVED_SECONDS: Final = 10.0
"""A speech of some sentences, by a voice on two CPU cores, need not wait half way for its share."""
LOOK_SECONDS: Final = 0.1
"""How often a worker in the middle of a book asks the ledger: one read of a short index."""


class Purse:
    """The time a worker may spend on speeches. Full at first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._saved = MOST_SAVED_SECONDS

    @property
    def is_empty(self) -> bool:
        """Whether no more may be admitted for now."""
        self._save()
        return self._saved <= 0

    def spend(self, seconds: float) -> None:
        """So much of the worker's time went into speeches. It may go below zero, and is then paid off."""
        self._save()
        self._saved -= seconds

    def forgive(self) -> None:
        """There is no book that could have lost anything."""
        self._saved = MOST_SAVED_SECONDS

    def _save(self) -> None:
        now = self._clock()
        self._saved = min(MOST_SAVED_SECONDS, self._saved + SHARE * (now - self._since))
        self._since = now


class Lookout:
    """Whether a speech waits in the ledger, asked at most every `LOOK_SECONDS`."""

    def __init__(self, speeches: Speeches, clock: Callable[[], float] = time.monotonic) -> None:
        self._speeches = speeches
        self._clock = clock
        self._look_at = clock()

    def sees_any(self, *, at_once: bool = False) -> bool:
        """Whether one waits; False without asking if it was asked a moment ago and not `at_once`."""
        now = self._clock()
        if now < self._look_at and not at_once:
            return False
        self._look_at = now + LOOK_SECONDS
        return self._speeches.are_waiting()


class Meter:
    """What speeches cost while they share lanes with a book: their share of the lanes, over time."""

    def __init__(self, purse: Purse, clock: Callable[[], float] = time.monotonic) -> None:
        self._purse = purse
        self._clock = clock
        self._since = clock()

    def read(self, n_urgent: int, n_lanes: int) -> None:
        """Charges the time since the last reading, in which so many of the lanes in use were urgent."""
        now = self._clock()
        if n_urgent:
            self._purse.spend((now - self._since) * n_urgent / n_lanes)
        self._since = now
