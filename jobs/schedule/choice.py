"""Which hours of a window night work should run in: the greenest or cheapest that still meet the deadline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.schedule.signals import Stretch
from jobs.schedule.windows import Opening


@dataclass(frozen=True, slots=True)
class Choice:
    """The hours chosen for some work."""

    openings: tuple[Opening, ...]
    """When it shall run, in time order; neighbours are joined."""
    is_enough: bool
    """Whether all of the work fits before the deadline."""
    value: float | None
    """The signal's mean over the chosen time; None where it says nothing of part of it."""
    value_at_once: float | None
    """The same if the work had started at once and run to its end, whatever the window."""

    @property
    def saving(self) -> float | None:
        """What is saved of the value at once, as a share of it."""
        if self.value is None or not self.value_at_once:
            return None
        return 1 - self.value / self.value_at_once


def choose(
    openings: Iterable[Opening], forecast: Sequence[Stretch], *, now: datetime, needed: timedelta
) -> Choice:
    """The hours for work that takes `needed` in all and may be interrupted.

    Time of which the signal says nothing is taken last, and the earliest of equals first. If all openings
    together are too short, all of them are taken.

    Args:
        openings: when work may run, in time order, cut at the deadline.
        forecast: what the hours cost; may end earlier.
        now: when the work could have started at once.
        needed: how long it takes.
    """
    parts = [part for opening in openings for part in _valued(opening, forecast)]
    left = needed
    taken: list[Stretch] = []
    for part in sorted(parts, key=lambda part: (part.value, part.start)):
        if left <= timedelta(0):
            break
        length = min(left, part.end - part.start)
        taken.append(Stretch(part.start, part.start + length, part.value))
        left -= length
    at_once = _valued(Opening(now, now + needed), forecast)
    return Choice(_joined(taken), left <= timedelta(0), _mean(taken), _mean(at_once))


def _valued(opening: Opening, forecast: Sequence[Stretch]) -> list[Stretch]:
    """The opening cut where its value changes; infinite where nothing is known."""
    parts: list[Stretch] = []
    at = opening.start
    for known in forecast:
        start, end = max(at, known.start), min(opening.end, known.end)
        if start >= end:
            continue
        if start > at:
            parts.append(Stretch(at, start, float("inf")))
        parts.append(Stretch(start, end, known.value))
        at = end
    if at < opening.end:
        parts.append(Stretch(at, opening.end, float("inf")))
    return parts


def _joined(parts: Iterable[Stretch]) -> tuple[Opening, ...]:
    joined: list[Opening] = []
    for part in sorted(parts, key=lambda part: part.start):
        if joined and joined[-1].end == part.start:
            joined[-1] = Opening(joined[-1].start, part.end)
        else:
            joined.append(Opening(part.start, part.end))
    return tuple(joined)


def _mean(parts: Sequence[Stretch]) -> float | None:
    seconds = [(part.end - part.start).total_seconds() for part in parts]
    total = sum(part.value * length for part, length in zip(parts, seconds, strict=True))
    return total / sum(seconds) if parts and total != float("inf") else None
