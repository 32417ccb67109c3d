"""From a job's spec to its timetable, and where in line its waiting steps stand: the operator's policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from jobs.ledger.training_values import ChosenHours
from jobs.schedule.timetable import LEAST, Timetable
from jobs.schedule.windows import Opening, Window
from jobs.states import JobKind, StepKind

OFF_PEAK: Final = "off-peak"
"""`when` of a spec whose job shall wait for the window."""
BEHIND: Final = 10
"""So much lower is the priority of a step that stands behind all others: below that of every narration, and
so whoever looks for other work does not have to look past it."""
AHEAD: Final = 8
"""Priority of a training that goes before narrations: above all but those that somebody sits before."""

First = Literal["renders", "trainings"]


@dataclass(frozen=True)
class Policy:
    """Who goes first where a worker could do both: renders or trainings."""

    by_day: First = "renders"
    by_night: First = "trainings"
    """Night is while the operator's window is open."""


class Timetables:
    """The timetables of all jobs."""

    def __init__(self, window: Window, policy: Policy) -> None:
        self._window = window
        self._policy = policy

    def of(self, job: Any, step_kind: StepKind | None = None) -> Timetable | None:
        """When this job's steps of a kind may run; None if at any time.

        Args:
            job: a row with `kind`, `spec` and `hours`.
            step_kind: of the steps; None stands for those that wait for a window.
        """
        windows: tuple[Window, ...] | None = (self._window,) if job.spec.get("when") == OFF_PEAK else None
        if job.kind != JobKind.TRAINING:
            return None if windows is None else Timetable(windows)
        if step_kind is StepKind.PREPARE:  # it runs at once, also where it goes on
            return None
        if windows is not None and job.spec.get("windows"):
            windows = tuple(map(Window.parse, job.spec["windows"]))
        hours = ChosenHours.of(job.hours)
        # publishing takes minutes: it need not wait for another cheap hour
        chosen = () if hours is None or step_kind is StepKind.PUBLISH else hours.openings
        return Timetable(
            windows,
            tuple(Opening(_instant(start), _instant(end)) for start, end in chosen),
            turns=self._window,
            least=LEAST,
        )

    def priority(self, job: Any, asked: int, at: float) -> int:
        """Of a step of this job that may be claimed from then on.

        Args:
            job: a row with `kind`.
            asked: the job's own priority.
            at: seconds since 1970 UTC.
        """
        if job.kind == JobKind.TRAINING:
            is_night = self._window.is_open(_instant(at))
            first = self._policy.by_night if is_night else self._policy.by_day
            if first == "trainings":
                return max(asked, AHEAD)
        return asked - BEHIND


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
