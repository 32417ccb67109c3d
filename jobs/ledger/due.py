"""The statements a claim is made of. Each is built once: building one takes longer than running it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnClause,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import CompoundSelect

from jobs.clock import Clock
from jobs.ledger.database import Transaction
from jobs.ledger.windows import is_due
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Job, Step

ANYWHERE: Final = 2**62
"""No step has so high an id."""
READY: Final[BindParameter[str]] = bindparam("ready", StepState.READY, literal_execute=True)
"""Written out, so that PostgreSQL keeps one plan: of a parameter it could not know that the index fits."""
ONE: Final[ColumnClause[Any]] = literal_column("1")
"""Written out as well: of an unknown limit PostgreSQL expects a tenth of all, and plans each time anew."""
_LEASED: Final[BindParameter[str]] = bindparam("leased", StepState.LEASED, literal_execute=True)

_COLUMNS: Final[tuple[Any, ...]] = (
    Step.id,
    Step.job_id,
    Step.tenant_id,
    Step.kind,
    Step.chapter_index,
    Step.weights_digest,
    Step.attempt,
    Step.priority,
    Step.in_hand,
    Step.suspects,
    Job.state.label("job_state"),
    Job.spec,
)
_Other = aliased(Step)
_OTHERS_CHUNKS: Final = select(func.count()).where(
    _Other.state == _LEASED, _Other.kind == StepKind.SYNTHESIZE, _Other.owner != bindparam("owner")
)


def among(lowest: int, highest: int, passed_over: list[int]) -> dict[str, Any]:
    """The parameters of a due step: its priority, ids that are not meant, the highest id that is."""
    return {"from_priority": lowest, "to_priority": highest, "passed_over": passed_over, "to_id": ANYWHERE}


def n_in_hand(tx: Transaction | Connection, owner: str) -> int:
    """How many chunks the other workers hold."""
    return int(tx.execute(_OTHERS_CHUNKS, {"owner": owner}).scalar_one())


def due(clock: Clock, kind: str = "kind") -> Select[Any]:
    """The due steps of a kind, in line; `kind` names the parameter."""
    now = clock.now()
    return (
        select(*_COLUMNS, (now - Step.ready_at).label("waited"), (Step.closes_at - now).label("open_seconds"))
        .join(Job, Job.id == Step.job_id)
        .where(
            Step.kind == bindparam(kind),
            Step.state == READY,
            is_due(now),
            Step.priority >= bindparam("from_priority"),
            Step.priority <= bindparam("to_priority"),
            Step.id <= bindparam("to_id"),
            Step.id.not_in(bindparam("passed_over", expanding=True)),
            Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        )
        .order_by(Step.priority.desc(), Step.id)
    )


def with_others_chunks(steps: Select[Any]) -> Select[Any]:
    """The same, with how many chunks the other workers hold, counted only beside what is overdue.

    In the statement that finds it, for an exchange with the server costs more than the count.
    """
    is_overdue = and_(
        Step.kind == StepKind.SYNTHESIZE, steps.selected_columns.waited > bindparam("longest_wait_seconds")
    )
    n_others = _OTHERS_CHUNKS.scalar_subquery()
    return steps.add_columns(case((is_overdue, n_others), else_=0).label("n_others_chunks"))


def locked(steps: Select[Any]) -> Select[Any]:
    """The same, locked; those that others have locked are passed over."""
    return steps.with_for_update(of=Step, key_share=True, skip_locked=True)


def kind_parameter(kind: StepKind) -> str:
    """The parameter of this kind in `head`."""
    return f"kind_{kind}"


def head(
    clock: Clock, kinds: Collection[StepKind], *, of_weights: bool, is_locked: bool
) -> Select[Any] | CompoundSelect[Any]:
    """The head of each kind's own line: only within a kind the index is in line order."""
    heads = []
    for kind in kinds:
        first = due(clock, kind_parameter(kind)).limit(ONE)
        if of_weights:
            first = first.where(Step.weights_digest == bindparam("weights"))
        else:
            first = with_others_chunks(first)
        heads.append(locked(first) if is_locked else first)
    return heads[0] if len(heads) == 1 else union_all(*(select(each.subquery()) for each in heads))


def first_resident(clock: Clock, *, on_postgresql: bool) -> Select[Any]:
    """Of the weights in the JSON list `resident`, those whose first due chunk is the first in line.

    One look into the index for each; an IN would read every chunk of them all. Locks nothing.
    """
    each = func.json_array_elements_text if on_postgresql else func.json_each
    listed = each(cast(bindparam("resident"), JSON) if on_postgresql else bindparam("resident"))
    digest = listed.table_valued(column("value"))
    first = (
        due(clock)
        .with_only_columns(Step.id)
        .where(Step.weights_digest == digest.c.value)
        .limit(ONE)
        .correlate(digest)
        .scalar_subquery()
    )
    return (
        select(Step.weights_digest)
        .where(Step.id.in_(select(first).select_from(digest)))
        .order_by(Step.priority.desc(), Step.id)
        .limit(ONE)
    )
