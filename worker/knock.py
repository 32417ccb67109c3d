"""The one Celery task. It carries no work: it wakes the hands of the process it arrives in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from celery import shared_task

from jobs.messages import KNOCK

if TYPE_CHECKING:
    from worker.hands import Hands  # the process that receives knocks for its pool has none, and stays small

_HANDS: Final[list[Hands]] = []
"""The hands of this process, once it has some: Celery calls tasks with nothing of ours in the arguments."""


@shared_task(name=KNOCK, ignore_result=True)
def knock(kind: str, weights_digest: str | None = None) -> None:  # noqa: ARG001 - the ledger knows better
    """There may be work."""
    for hands in _HANDS:
        hands.wake()


def employ(hands: Hands) -> None:
    """From now on knocks wake these hands."""
    _HANDS.append(hands)
    hands.start()


def dismiss(*, wait_seconds: float) -> None:
    """Lets the hands finish or return what they hold."""
    while _HANDS:
        _HANDS.pop().stop(wait_seconds=wait_seconds)
