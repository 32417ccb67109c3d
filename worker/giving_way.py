"""When a step of a training is laid down though it is not done; it goes on later with what it has made."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from jobs.errors import LeaseLostError
from jobs.ledger.values import Claim
from jobs.states import StepKind
from worker.workshop import Workshop

WINDOW_CLOSES: Final = "the window closes"
"""The reason if what is left of it is too short for another piece of work."""
_ASK_SECONDS: Final = 0.1
"""How often the ledger is asked whether somebody goes before."""


class GivingWay:
    """Asked between any two pieces of work."""

    def __init__(self, workshop: Workshop, claim: Claim, clock: Callable[[], float] = time.monotonic) -> None:
        self._workshop, self._claim, self._clock = workshop, claim, clock
        self._kinds = [StepKind(kind) for kind in workshop.settings.kinds if kind in set(StepKind)]
        self._asked_at = clock()

    def reason(self, longest_seconds: float = 0.0) -> str | None:
        """Why no other piece of work may begin; None while one may.

        Args:
            longest_seconds: of a piece: one that would end after the window does not begin.

        Raises:
            LeaseLostError: the lease was lost, or the job cancelled.
        """
        watch, claim = self._workshop.watch, self._claim
        if watch.is_lost(claim):
            raise LeaseLostError
        if watch.stopping:
            return "the worker stops"
        left = watch.seconds_left(claim)
        if left is not None and left <= longest_seconds:
            return WINDOW_CLOSES
        if self._clock() - self._asked_at < _ASK_SECONDS:
            return None
        self._asked_at = self._clock()
        return self._workshop.insist(lambda: self._workshop.ledger.trainings.gives_way(claim, self._kinds))
