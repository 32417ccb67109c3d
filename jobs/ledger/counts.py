"""What workers count: noted in the process, now and then added to the ledger, so that every server shows it.

A worker that is killed loses what it noted since it last wrote, which is one sweep's time at most.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from jobs.ledger.database import Database
from jobs.tables import Count


class Counts:
    """Figures that only rise, by name and one label."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._lock = threading.Lock()

    def note(self, name: str, label: str = "", amount: float = 1) -> None:
        """So much more of it. Asks no database."""
        with self._lock:
            self._noted[name, label] += amount

    def write(self) -> None:
        """Adds what was noted to the ledger.

        Raises:
            LedgerUnavailableError: it does not answer; what was noted is kept for the next time.
        """
        with self._lock:
            noted, self._noted = self._noted, defaultdict(float)
        rows = [
            {"name": name, "label": label, "amount": amount}
            for (name, label), amount in sorted(noted.items())
            if amount
        ]
        if not rows:
            return
        dialect = postgresql if self._database.on_postgresql else sqlite
        added = dialect.insert(Count)
        added = added.on_conflict_do_update(
            index_elements=[Count.name, Count.label], set_={"amount": Count.amount + added.excluded.amount}
        )
        try:
            with self._database.write() as tx:
                tx.execute(added, rows)
        except Exception:
            for (name, label), amount in noted.items():
                self.note(name, label, amount)
            raise

    def read(self) -> Mapping[tuple[str, str], float]:
        """(name, label) -> what all workers have counted since the ledger was made.

        Raises:
            LedgerUnavailableError: it does not answer.
        """
        with self._database.read() as tx:
            rows = tx.execute(select(Count.name, Count.label, Count.amount)).all()
        return {(row.name, row.label): row.amount for row in rows}
