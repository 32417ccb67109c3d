"""What watches over the work in hand: renews its leases, tells of stopping, and ends a process that hangs."""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

from jobs.errors import LedgerUnavailableError
from jobs.ledger import Ledger
from jobs.ledger.values import Claim
from jobs.settings import Settings
from worker.errors import StoppingError

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 7.0
"""After a request to stop: how long the work may take to come to an end by itself."""


class Watch:
    """The claims in hand of this process, and the thread that keeps their leases.

    The thread renews every `renew_seconds`. A claim that could not be renewed is lost: `is_lost` says so, and
    the work drops it. When the process is asked to stop, the work has `STOP_SECONDS` to come to an end; then
    the thread gives every claim back and ends the process, which the fence of the epoch makes safe.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        *,
        give_up: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._settings = settings
        self._claims: dict[int, Claim] = {}
        self._lost: set[tuple[int, int]] = set()
        self._closing: dict[tuple[int, int], float] = {}
        """Claim -> when its window closes, by our clock."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._armed = False
        self._give_up = give_up or (lambda: os._exit(0))
        threading.Thread(target=self._run, name="lease", daemon=True).start()

    @property
    def stopping(self) -> bool:
        """Whether the process has been asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Asks the process to stop. May be called from a signal handler."""
        self._stop.set()

    def check(self) -> None:
        """Returns at once unless the process has been asked to stop.

        Raises:
            StoppingError: it has.
        """
        if self._stop.is_set():
            raise StoppingError

    def wait(self, seconds: float) -> None:
        """Waits so long, for something else than the work in hand: it is not taken for a hang.

        Raises:
            StoppingError: the process was asked to stop meanwhile.
        """
        if self._stop.wait(seconds):
            raise StoppingError
        self._rearm()

    def rest(self, seconds: float) -> None:
        """Waits so long, or until the process is asked to stop."""
        self._stop.wait(seconds)

    def is_lost(self, claim: Claim) -> bool:
        """Whether this claim's lease is known to be lost, or its job cancelled."""
        return (claim.step_id, claim.epoch) in self._lost

    def is_over(self, claim: Claim) -> bool:
        """Whether the claim's window has closed: nothing more of it is begun, and it goes back."""
        left = self.seconds_left(claim)
        return left is not None and left <= 0

    def seconds_left(self, claim: Claim) -> float | None:
        """How long the claim's window stays open; None if it waits for none."""
        closing = self._closing.get((claim.step_id, claim.epoch))
        return None if closing is None else closing - self._clock()

    def add(self, claims: Collection[Claim]) -> None:
        """From now on these claims, just taken, are renewed."""
        now = self._clock()
        with self._lock:
            self._claims.update((claim.step_id, claim) for claim in claims)
            self._closing.update(
                ((claim.step_id, claim.epoch), now + claim.open_seconds)
                for claim in claims
                if claim.open_seconds is not None
            )

    def in_hand(self) -> list[Claim]:
        """The claims that are not done with, lost ones included."""
        with self._lock:
            return list(self._claims.values())

    def drop(self, claim: Claim) -> None:
        """The claim is done with."""
        with self._lock:
            self._claims.pop(claim.step_id, None)
            self._lost.discard((claim.step_id, claim.epoch))
            self._closing.pop((claim.step_id, claim.epoch), None)

    @contextmanager
    def progress(self) -> Iterator[Callable[[], None]]:
        """Within the block, the process ends itself if the given function is not called every `hang_seconds`.

        faulthandler's watchdog is a thread of C: it fires even when the work holds the interpreter's lock.
        """
        self._armed = True
        self._rearm()
        try:
            yield self._rearm
        finally:
            self._armed = False
            faulthandler.cancel_dump_traceback_later()

    def _rearm(self) -> None:
        if self._armed:
            faulthandler.dump_traceback_later(self._settings.hang_seconds, exit=True)

    def _run(self) -> None:
        renew_at = time.monotonic() + self._settings.renew_seconds
        while not self._stop.wait(max(0.0, renew_at - time.monotonic())):
            renew_at = time.monotonic() + self._settings.renew_seconds
            self._renew()
        stop_at = time.monotonic() + STOP_SECONDS
        while time.monotonic() < stop_at:
            time.sleep(0.1)
            if not self._claims:
                return
        self._return_all()
        self._give_up()

    def _renew(self) -> None:
        claims = self.in_hand()
        if not claims:
            return
        try:
            held = self._ledger.steps.renew(claims, lease_seconds=self._settings.lease_seconds)
        except LedgerUnavailableError as error:
            log.warning("leases not renewed: %s", error)
            return
        lost = [claim for claim in claims if claim.step_id not in held]
        with self._lock:  # a claim dropped meanwhile was finished, not lost
            self._lost.update((claim.step_id, claim.epoch) for claim in lost if claim.step_id in self._claims)

    def _return_all(self) -> None:
        for claim in self.in_hand():
            try:
                self._ledger.steps.release(claim, reason="the worker stops")
            except LedgerUnavailableError as error:
                log.warning("step %d not returned, its lease will lapse: %s", claim.step_id, error)
