"""The threads of a worker process, woken by a knock or by their own clocks: one works, one runs errands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from jobs.errors import LedgerUnavailableError
from jobs.messages import DELIVER, Knock
from jobs.states import StepKind
from worker.deliver import deliver_due
from worker.drain import Drain
from worker.sweep import report, sweep
from worker.urgent import LOOK_SECONDS, Lookout
from worker.voices import warm
from worker.workshop import Workshop

log = logging.getLogger(__name__)

PAUSE_AFTER_ERROR_SECONDS = 5.0


class Hands:
    """One worker process at work. A knock only wakes it; the ledger says what there is to do.

    So a broker that is down, slow or flushed costs at most `look_interval` of delay, and a doubled knock
    costs one look.
    """

    def __init__(self, workshop: Workshop, kinds: Collection[str]) -> None:
        self._workshop = workshop
        self._delivers = DELIVER in kinds
        self._drain = Drain(workshop, [StepKind(kind) for kind in kinds if kind != DELIVER])
        self._lookout = Lookout(workshop.ledger.speeches) if StepKind.SYNTHESIZE in kinds else None
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hands", daemon=True)
        self._errand = threading.Event()
        self._runner = threading.Thread(target=self._run_errands, name="errands", daemon=True)

    def start(self) -> None:
        """Begins with a look: whatever is due already is done at once."""
        self._awake.set()
        self._thread.start()
        self._runner.start()

    def wake(self) -> None:
        """There may be work."""
        self._awake.set()
        self._errand.set()

    def stop(self, *, wait_seconds: float) -> None:
        """Asks the work in hand to come to an end and waits that long for it."""
        self._workshop.watch.stop()
        self.wake()
        self._thread.join(wait_seconds)

    def _run_errands(self) -> None:
        """Beside the work, which may last for hours while others wait for what a dead worker held."""
        while not self._workshop.watch.stopping:
            self._errand.clear()
            self._guarded(lambda: sweep(self._workshop.ledger, self._workshop.objects, self._tell))
            if self._delivers:
                self._guarded(lambda: deliver_due(self._workshop.ledger, self._workshop.settings))
            self._guarded(lambda: report(self._workshop.ledger, self._workshop.voices))
            self._errand.wait(self._workshop.settings.sweep_seconds)

    def _tell(self, knocks: list[Knock]) -> None:
        """The knocks go out to everyone; this worker need not wait for its own."""
        self._workshop.doorbell.ring(knocks)
        if knocks:
            self._awake.set()

    def _run(self) -> None:
        workshop = self._workshop
        self._guarded(lambda: warm(workshop.voices, workshop.shelf, workshop.settings.warm_voices))
        while not workshop.watch.stopping:
            self._rest()
            self._awake.clear()
            self._guarded(self._drain.run)
            workshop.voices.expire()
        self._drain.close()
        workshop.voices.close()
        self._guarded(lambda: report(workshop.ledger, workshop.voices))

    def _rest(self) -> None:
        """Until a knock, the next look, or a speech, whose knock may have gone to a worker that is busy."""
        until = time.monotonic() + self._workshop.settings.look_interval
        while (left := until - time.monotonic()) > 0 and not self._awake.wait(min(left, LOOK_SECONDS)):
            try:
                if self._lookout is not None and self._lookout.sees_any(at_once=True):
                    return
            except LedgerUnavailableError:
                continue  # the look that is due will say so

    def _guarded(self, errand: Callable[[], object]) -> None:
        try:
            errand()
        except LedgerUnavailableError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("the worker stumbled; it goes on in %.0f s", PAUSE_AFTER_ERROR_SECONDS)
            self._workshop.watch.rest(PAUSE_AFTER_ERROR_SECONDS)
