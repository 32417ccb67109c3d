"""The periodic pass that loses nothing: leases that ended, owners that died, knocks that went astray."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from jobs.ledger import Ledger
from jobs.messages import DELIVER, Knock
from jobs.objects import Objects
from models_store.cache import VoiceCache
from worker.owner import is_alive, machine

A_DAY: Final = 86_400.0
AN_HOUR: Final = 3_600.0

log = logging.getLogger(__name__)


def report(ledger: Ledger, voices: VoiceCache) -> None:
    """Writes what this process has counted, its voice cache too.

    Raises:
        LedgerUnavailableError: the ledger does not answer; nothing is forgotten.
    """
    for name, label, amount in voices.take_counts():
        ledger.counts.note(name, label, amount)
    ledger.counts.write()


def sweep(ledger: Ledger, objects: Objects, ring: Callable[[list[Knock]], None]) -> None:
    """Frees what dead processes of this machine held and, when it is our turn, what anyone held too long.

    Raises:
        LedgerUnavailableError: the ledger does not answer; the next look tries again.
    """
    ring(_lapse_dead_owners(ledger))
    if ledger.operations.take_turn():
        knocks = ledger.steps.lapse()
        if n_moved := ledger.windows.move_on():
            log.info("%d off-peak jobs wait for their next window", n_moved)
        ring(knocks + ledger.steps.due() + [Knock(DELIVER)])
    if ledger.operations.take_turn("unfinished objects", every_seconds=A_DAY):
        log.info("%d unfinished uploads removed", objects.sweep(older_than_seconds=A_DAY))
    if ledger.operations.take_turn("spent files", every_seconds=AN_HOUR) and (
        n := clear_spent(ledger, objects)
    ):
        log.info("%d files of ended trainings removed", n)


def clear_spent(ledger: Ledger, objects: Objects) -> int:
    """Removes what ended trainings left that nobody reads again; how many objects that were.

    Raises:
        LedgerUnavailableError: the ledger does not answer; the next turn goes on.
        ObjectsUnavailableError: the object store does not; likewise.
    """
    n_removed = 0
    while keys := ledger.spent.drop():
        for key in keys:
            objects.delete(key)
        n_removed += len(keys)
    for ended in ledger.spent.recently_ended():
        for head in list(objects.list(ended.folder)):
            if head.key not in ended.keys:
                objects.delete(head.key)
                n_removed += 1
    return n_removed


def _lapse_dead_owners(ledger: Ledger) -> list[Knock]:
    knocks: list[Knock] = []
    for owner in ledger.steps.owners(machine()):
        if not is_alive(owner):
            log.warning("worker %s is gone: its steps go back", owner)
            knocks += ledger.steps.lapse(owner=owner)
    return knocks
