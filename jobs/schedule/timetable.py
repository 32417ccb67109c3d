"""When the work of one job may run: in its windows; in the hours chosen of them, as long as some are left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobs.schedule.windows import Opening, Window

LONGEST: Final = timedelta(days=9)
"""How far ahead a stretch without an end is said to last."""
LEAST: Final = timedelta(seconds=30)
"""What is left of an opening when it is too short to begin with a training."""


@dataclass(frozen=True)
class Timetable:
    """A job's times."""

    windows: tuple[Window, ...] | None
    """It may run in any of them; None: at any time."""
    chosen: tuple[Opening, ...] = ()
    """The best hours within the windows, in time order. What is not done by then may run in all of them."""
    turns: Window | None = None
    """Where its place in line changes, when this opens and closes, its openings are cut in two."""
    least: timedelta = timedelta()
    """What is shorter is no opening."""

    def opening(self, at: datetime) -> Opening | None:
        """The stretch that is open now, from now on, or else the next one; None if there is none for days."""
        found = self._opening(at)
        while found is not None and found.end - found.start < self.least:
            found = self._opening(found.end)
        return found

    def openings(self, after: datetime, until: datetime) -> Iterator[Opening]:
        """All stretches between two instants, the last one cut at the end."""
        while after < until and (found := self.opening(after)) and found.start < until:
            yield Opening(found.start, min(found.end, until))
            after = found.end

    def _opening(self, at: datetime) -> Opening | None:
        found = self._chosen_opening(at) or self._any_opening(at)
        if found is None or self.turns is None:
            return found
        return Opening(found.start, min(found.end, self._turn_after(found.start)))

    def _chosen_opening(self, at: datetime) -> Opening | None:
        """Within the windows: they may have been set otherwise since the hours were chosen."""
        for hours in self.chosen:
            start = max(at, hours.start)
            if start < hours.end and (found := self._any_opening(start)) and found.start < hours.end:
                return Opening(found.start, min(found.end, hours.end))
        return None

    def _any_opening(self, at: datetime) -> Opening | None:
        return Opening(at, at + LONGEST) if self.windows is None else union_opening(self.windows, at)

    def _turn_after(self, at: datetime) -> datetime:
        assert self.turns is not None  # noqa: S101 - its one caller has asked
        night = self.turns.opening(at)
        if night is None:
            return at + LONGEST
        return night.end if night.start <= at else night.start


def union_opening(windows: Sequence[Window], at: datetime) -> Opening | None:
    """The stretch in which any of the windows is open, from now on, or else the next one."""
    found = [opening for window in windows if (opening := window.opening(at)) is not None]
    if not found:
        return None
    first = min(found, key=lambda opening: opening.start)
    end = first.end
    while end - at < LONGEST:
        further = [
            opening.end
            for window in windows
            if (opening := window.opening(end)) is not None and opening.start <= end
        ]
        if max(further, default=end) <= end:
            break
        end = max(further)
    return Opening(first.start, end)
