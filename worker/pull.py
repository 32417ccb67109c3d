"""The pull step: published weights come onto the shelf for everybody, from the hub that the settings name.

What has arrived stays on the shelf's disk: a pull that was put back, cancelled, retried or killed goes on
where it was. It makes room for speeches as a training does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from jobs.errors import LeaseLostError
from jobs.ledger.pull_values import PulledOffer, PullProgress
from jobs.ledger.values import Claim
from jobs.messages import Knock
from jobs.states import StepKind
from jobs.voice_specs import PullSpec
from models_store.hub.choice import choose
from models_store.hub.errors import HubError, StoppedError
from models_store.hub.recognisers import find_catalogue
from worker.workshop import Workshop

if TYPE_CHECKING:
    from models_store.hub.pull import Pulled

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.25
"""How often it is asked whether to go on."""
LOOKS_BETWEEN_TOLD: Final = 8
"""So many looks between two reports of progress: two seconds."""


def pull(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step, or as much of it as there is time for; returns the knocks now due.

    Raises:
        LeaseLostError: the lease was lost, or the job cancelled.
        StoppingError: the worker was asked to stop.
        HubError: something could not be had, is not what it should be, or cannot be stored.
    """
    if find_spec("torch") is None:
        raise HubError("a pull needs PyTorch on its worker: pip install 'lectorium[neural]'")
    arrivals = _Arrivals()
    halted = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="pull") as thread:
        running = thread.submit(_bring, workshop, PullSpec.model_validate(claim.spec), arrivals, halted)
        try:
            why = _watch(workshop, claim, arrivals, running)
        finally:
            halted.set()  # on the way out of the block the thread is waited for
    try:
        pulled = running.result()
    except StoppedError:
        log.info("the pull is laid down: %s", why)
        return workshop.insist(lambda: workshop.ledger.trainings.put_back(claim, reason=why))
    offers = tuple(PulledOffer(each.name, each.revision, each.is_new) for each in pulled)
    workshop.insist(lambda: workshop.ledger.pulls.note_progress(claim, arrivals.progress(offers)))
    return workshop.insist(lambda: workshop.ledger.steps.finish(claim))


def _bring(
    workshop: Workshop, spec: PullSpec, arrivals: _Arrivals, halted: threading.Event
) -> tuple[Pulled, ...]:
    from models_store.hub.origins import Online  # here: the hub's library takes a second to load
    from models_store.hub.protocol import Hub
    from models_store.hub.pull import Pull

    catalogue, names = find_catalogue(spec.names)
    choice = choose(catalogue, names, spec.only)
    hub = Hub(workshop.settings.hub)
    try:
        origin = Online(hub, halted=halted)
        return Pull(workshop.shelf, catalogue, origin, arrivals, halted).run(choice, spec.revision or "")
    finally:
        hub.close()


def _watch(workshop: Workshop, claim: Claim, arrivals: _Arrivals, running: Future[tuple[Pulled, ...]]) -> str:
    """Looks on and tells how far it is, until the pull has ended or should; why it should, "" if not.

    Raises:
        LeaseLostError: the lease was lost, or the job cancelled.
        StoppingError: the worker was asked to stop.
    """
    kinds = [StepKind(kind) for kind in workshop.settings.kinds if kind in set(StepKind)]
    n_looks = 0
    told: PullProgress | None = None
    while not wait([running], LOOK_SECONDS).done:
        workshop.watch.check()
        if workshop.watch.is_lost(claim):
            raise LeaseLostError
        if why := workshop.insist(lambda: workshop.ledger.trainings.gives_way(claim, kinds)):
            return why
        n_looks += 1
        if n_looks % LOOKS_BETWEEN_TOLD == 1 and (progress := arrivals.progress()) != told:
            told = progress
            workshop.insist(_telling(workshop, claim, progress))
    return ""


def _telling(workshop: Workshop, claim: Claim, progress: PullProgress) -> Callable[[], None]:
    return lambda: workshop.ledger.pulls.note_progress(claim, progress)


class _Arrivals:
    """Counts what arrives, as the threads of a download tell it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected = self._here = 0
        self._doing = ""

    def progress(self, pulled: tuple[PulledOffer, ...] = ()) -> PullProgress:
        """How far it is."""
        with self._lock:
            doing = "" if pulled else self._doing
            return PullProgress(self._here, self._expected, doing, pulled)

    def expect(self, n_bytes: int) -> None:
        """So many bytes will have to be here in all."""
        with self._lock:
            self._expected += n_bytes

    def found(self, n_bytes: int) -> None:
        """So many were here before."""
        self.advance(n_bytes)

    def advance(self, n_bytes: int) -> None:
        """So many have arrived; fewer than none when a file begins anew."""
        with self._lock:
            self._here += n_bytes

    def line(self, text: str) -> None:
        """What is being done now."""
        log.info("%s", text)
        with self._lock:
            self._doing = text
