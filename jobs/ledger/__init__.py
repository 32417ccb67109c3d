"""The ledger: the only writer of the tables, and the truth about every job.

Its methods commit and then *return* the knocks now due; whoever called sends them. So no one can knock too
early, and a knock that is never sent costs time, not work.
"""

from __future__ import annotations

from typing import Self

from jobs.clock import Clock
from jobs.ledger.counts import Counts
from jobs.ledger.database import Database
from jobs.ledger.deliveries import Deliveries
from jobs.ledger.files import Takes
from jobs.ledger.jobs import Jobs
from jobs.ledger.keys import Keys
from jobs.ledger.operations import Operations
from jobs.ledger.pulls import Pulls
from jobs.ledger.speeches import Speeches
from jobs.ledger.spent import Spent
from jobs.ledger.steps import Steps
from jobs.ledger.timetables import Policy
from jobs.ledger.trainings import Trainings
from jobs.ledger.windows import Windows
from jobs.settings import Settings

__all__ = ["Ledger"]


class Ledger:
    """One connection pool and what can be done through it. Make one per process, after any fork."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, n_connections: int = 5) -> None:
        self.database = Database(settings.ledger_url, clock=clock, n_connections=n_connections)
        policy = Policy(settings.first_by_day, settings.first_by_night)
        self.windows = Windows(self.database, settings.off_peak, policy)
        self.counts = Counts(self.database)
        self.steps = Steps(
            self.database,
            self.windows,
            self.counts,
            max_attempts=settings.max_attempts,
            max_losses=settings.max_losses,
        )
        self.trainings = Trainings(self.database, self.windows, settings.grid)
        self.spent = Spent(self.database)
        self.pulls = Pulls(self.database)
        self.takes = Takes(self.database)
        self.speeches = Speeches(self.database)
        self.jobs = Jobs(self.database, settings, self.windows)
        self.keys = Keys(self.database)
        self.deliveries = Deliveries(self.database)
        self.operations = Operations(self.database, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()
