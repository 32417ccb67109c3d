"""Who is next in line, and the lease: rows become claims inside one short transaction."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Select, bindparam
from sqlalchemy.sql.selectable import CompoundSelect

from jobs.ledger.database import Database, Transaction
from jobs.ledger.due import ONE, among, due, first_resident, head, kind_parameter, locked, n_in_hand
from jobs.ledger.leasing import Leasing, start_jobs
from jobs.ledger.values import Claim
from jobs.states import StepKind
from jobs.tables import Step

LONGEST_WAIT_SECONDS: Final = 60.0
"""Who has waited longer goes first, or within one turn of all workers, whatever weights a worker holds."""
MOST_RESIDENT: Final = 32
"""So many of the weights a worker holds are asked for: each is a look into the index, 0.15 ms at first."""
MOST_AHEAD: Final = 2_000
"""So far down the line a look ahead goes at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a claim would like to get."""

    kinds: tuple[StepKind, ...]
    most: int
    weights: str | None
    """Those in use."""
    resident: tuple[str, ...]
    """All that the worker holds and could change to at no cost."""
    owner: str
    longest_wait_seconds: float
    priorities: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A chunk that a worker will probably be given next: whose voice it is, its script says."""

    tenant_id: str
    job_id: str
    chapter_index: int
    weights_digest: str


class Line:
    """The line of due steps."""

    def __init__(self, database: Database) -> None:
        self._clock = database.clock
        self._leasing = Leasing(database.clock)
        self._heads: dict[tuple[tuple[StepKind, ...], bool, bool], Select[Any] | CompoundSelect[Any]] = {}
        fresh = locked(due(self._clock).where(Step.attempt == 0).limit(bindparam("most")))
        self._alike = fresh.where(Step.weights_digest == bindparam("weights"))
        # apart from the other, for `IS NOT DISTINCT FROM` would not use the index
        self._alike_without_weights = fresh.where(Step.weights_digest.is_(None))
        self._first_resident = first_resident(self._clock, on_postgresql=database.on_postgresql)
        self._down_the_line = due(self._clock).limit(ONE).offset(bindparam("n_before"))

    def claim(self, tx: Transaction, wish: Wish, *, lease_seconds: float) -> list[Claim]:
        """The claims of `Steps.claim`."""
        passed_over = [0]  # no row has this id, and an empty list would need another statement
        for lowest, highest in _bands(*wish.priorities):
            while True:
                rows = self._next(tx, wish, among(lowest, highest, passed_over))
                startable = start_jobs(tx, self._clock, rows)
                if startable:
                    return self._leasing.lease(tx, startable, wish.owner, lease_seconds)
                if not rows:
                    break
                passed_over += [row.id for row in rows]
        return []

    def look_ahead(self, tx: Connection, wish: Wish) -> Ahead | None:
        """The chunk that such a claim will probably begin with a turn later; None if that is no chunk.

        Of a worker that is alone, what it would begin with now. Else the line will have moved on by then: by
        as many chunks as the others hold now, who all take as many again. Locks nothing.
        """
        for lowest, highest in _bands(*wish.priorities):
            row = self._first(tx, wish, among(lowest, highest, [0]))
            if row is None:
                continue
            if row.kind != StepKind.SYNTHESIZE:
                return None
            if n_before := min(3 * n_in_hand(tx, wish.owner) // 2, MOST_AHEAD):
                later = {**among(lowest, highest, [0]), "kind": row.kind, "n_before": n_before}
                row = tx.execute(self._down_the_line, later).first() or row
            if row.weights_digest is None:
                return None
            return Ahead(row.tenant_id, row.job_id, row.chapter_index, row.weights_digest)
        return None

    def kinds_due(self, tx: Connection, priorities: tuple[int, int]) -> list[StepKind]:
        """The kinds that have steps due: one look at the head of each line, however long it is."""
        bands = [among(lowest, highest, [0]) for lowest, highest in _bands(*priorities)]
        nobody = {"owner": "", "longest_wait_seconds": math.inf}
        return [
            kind for kind in sorted(StepKind) if any(self._head(tx, (kind,), band | nobody) for band in bands)
        ]

    def _next(self, tx: Transaction, wish: Wish, those: dict[str, Any]) -> list[Any]:
        first = self._first(tx, wish, those)
        if first is None:
            return []
        if first.kind != StepKind.SYNTHESIZE or wish.most == 1 or first.attempt > 0:
            return [first]  # other kinds: one at a time, for others are idle
        alike = self._alike_without_weights if first.weights_digest is None else self._alike
        others = tx.execute(
            alike,
            {
                **those,
                "kind": first.kind,
                "weights": first.weights_digest,
                "passed_over": [*those["passed_over"], first.id],
                "most": wish.most - 1,
            },
        )
        return [first, *others]

    def _first(self, tx: Transaction | Connection, wish: Wish, those: dict[str, Any]) -> Any | None:
        """The first due step; but a chunk gives way to one for weights that the worker holds.

        To one for those in use if there is any, else for whichever it holds, of no lower priority. Of one
        that has waited too long only those go ahead that stand so near behind it that the others' next turn
        reaches them: as many places as they hold chunks now, and for a worker that is alone none.
        """
        of_wish = {"owner": wish.owner, "longest_wait_seconds": wish.longest_wait_seconds}
        first = self._head(tx, wish.kinds, those | of_wish)
        if first is None or first.kind != StepKind.SYNTHESIZE or first.weights_digest == wish.weights:
            return first
        if wish.weights is None and not wish.resident:
            return first
        those = {**those, "from_priority": first.priority}
        if first.waited > wish.longest_wait_seconds:
            those["to_id"] = first.id + first.n_others_chunks
        if wish.weights is not None:
            same = self._head(tx, (StepKind.SYNTHESIZE,), {**those, "weights": wish.weights})
            if same is not None:
                return same
        if not wish.resident or first.weights_digest in wish.resident:
            return first
        held = {"kind": StepKind.SYNTHESIZE, "resident": json.dumps(wish.resident[:MOST_RESIDENT])}
        weights = tx.execute(self._first_resident, those | held).scalar()
        if weights is None:
            return first
        return self._head(tx, (StepKind.SYNTHESIZE,), {**those, "weights": weights}) or first

    def _head(
        self, tx: Transaction | Connection, kinds: tuple[StepKind, ...], parameters: dict[str, Any]
    ) -> Any | None:
        """The first due step of these kinds; if weights are given, of those. A `Transaction` locks it."""
        if not kinds:
            return None
        key = (kinds, "weights" in parameters, isinstance(tx, Transaction))
        if key not in self._heads:
            of_weights, is_locked = key[1:]
            self._heads[key] = head(self._clock, kinds, of_weights=of_weights, is_locked=is_locked)
        rows: CursorResult[Any] = tx.execute(
            self._heads[key], parameters | dict(zip(map(kind_parameter, kinds), kinds, strict=True))
        )
        return min(rows, key=lambda row: (-row.priority, row.id), default=None)


def _bands(lowest: int, highest: int) -> list[tuple[int, int]]:
    """The priorities in two parts: what waits for a window stands behind all else, below 0.

    So nobody who finds other work has to look past thousands of chunks that wait for the night.
    """
    bands = [(max(lowest, 0), highest), (lowest, min(highest, -1))]
    return [band for band in bands if band[0] <= band[1]]
