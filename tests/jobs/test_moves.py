"""The table of legal moves: every pair of states is a row, tried against the real database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from jobs.errors import MoveRefusedError
from jobs.ids import new_id
from jobs.ledger import Ledger
from jobs.ledger.moves import move_job, move_step
from jobs.states import JOB_ENDED, JobState, StepState
from jobs.tables import Event, Job, Step
from tests.jobs import story

# Written out once more, on purpose: a change of jobs/states.py must be meant.
JOB_TABLE = {
    "queued": "running cancelled",
    "running": "paused succeeded failed cancelled",
    "paused": "running succeeded failed cancelled",
    "succeeded": "",
    "failed": "running",
    "cancelled": "",
}
STEP_TABLE = {
    "blocked": "ready cancelled",
    "ready": "leased cancelled",
    "leased": "blocked ready succeeded failed cancelled",
    "succeeded": "",
    "failed": "ready",
    "cancelled": "blocked",
}
ENDED = {"succeeded", "failed", "cancelled"}


def _job_in(ledger: Ledger, state: str) -> str:
    tenant_id = story.tenant(ledger)
    job_id = new_id()
    with ledger.database.write() as tx:
        tx.execute(
            insert(Job).values(
                id=job_id,
                tenant_id=tenant_id,
                kind="narration",
                state=state,
                spec={},
                created_at=1.0,
                ended_at=2.0 if state in ENDED else None,
            )
        )
    return job_id


def _step_in(ledger: Ledger, state: str) -> int:
    job_id = _job_in(ledger, "running")
    with ledger.database.write() as tx:
        step_id: int = tx.execute(
            insert(Step)
            .values(
                job_id=job_id,
                tenant_id=select(Job.tenant_id).where(Job.id == job_id).scalar_subquery(),
                kind="bind",
                state=state,
                **_columns(state),
            )
            .returning(Step.id)
        ).scalar_one()
    return step_id


def _columns(to: str) -> dict[str, Any]:
    """What a row in this state must have, and what it must not."""
    return {
        "lease_until": 9.0 if to == "leased" else None,
        "owner": "worker" if to == "leased" else None,
        "ready_at": 1.0 if to == "ready" else None,
        "ended_at": 2.0 if to in ENDED else None,
    }


def _state_and_events(ledger: Ledger, table: Any, row_id: Any) -> tuple[str, list[str]]:
    with ledger.database.read() as tx:
        state = tx.execute(select(table.state).where(table.id == row_id)).scalar_one()
        return state, list(tx.execute(select(Event.kind)).scalars())


@pytest.mark.parametrize("to", list(JobState))
@pytest.mark.parametrize("origin", list(JobState))
def test_job_moves_as_the_table_says(ledger: Ledger, origin: JobState, to: JobState) -> None:
    job_id = _job_in(ledger, origin)
    is_legal = to in JOB_TABLE[origin].split()
    with ledger.database.write() as tx:
        assert move_job(tx, job_id, to, ended_at=3.0 if to in ENDED else None) is is_legal
    expected = (to, [f"job.{to}"]) if is_legal else (origin, [])
    assert _state_and_events(ledger, Job, job_id) == expected


@pytest.mark.parametrize("to", list(StepState))
@pytest.mark.parametrize("origin", list(StepState))
def test_step_moves_as_the_table_says(ledger: Ledger, origin: StepState, to: StepState) -> None:
    step_id = _step_in(ledger, origin)
    is_legal = to in STEP_TABLE[origin].split()
    if is_legal:
        with ledger.database.write() as tx:
            assert move_step(tx, step_id, origin, to, **_columns(to))
    else:
        with pytest.raises(ValueError, match="no step moves"), ledger.database.write() as tx:
            move_step(tx, step_id, origin, to, **_columns(to))
    expected = (to, [f"step.{to}"]) if is_legal else (origin, [])
    assert _state_and_events(ledger, Step, step_id) == expected


@pytest.mark.parametrize("actual", list(StepState))
def test_step_moves_only_from_the_state_that_was_meant(ledger: Ledger, actual: StepState) -> None:
    """READY is legal from three states; a move from one of them must leave the two others alone."""
    step_id = _step_in(ledger, actual)
    with ledger.database.write() as tx:
        moved = move_step(tx, step_id, StepState.LEASED, StepState.READY, **_columns("ready"))
    assert (moved is not None) is (actual is StepState.LEASED)


VERBS = {
    "cancel": {"queued": "cancelled", "running": "cancelled", "paused": "cancelled"},
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "retry": {"failed": "running"},
}


@pytest.mark.parametrize("origin", list(JobState))
@pytest.mark.parametrize("verb", list(VERBS))
def test_verb_moves_the_job_or_names_its_state(ledger: Ledger, verb: str, origin: JobState) -> None:
    job_id = _job_in(ledger, origin)
    act = getattr(ledger.jobs, verb)
    if origin in VERBS[verb]:
        answer = act(story.tenant(ledger), job_id)
        job = answer[0] if isinstance(answer, tuple) else answer
        assert job.state == VERBS[verb][origin]
        assert (job.ended_at is not None) is (job.state in JOB_ENDED)
    else:
        with pytest.raises(MoveRefusedError, match=f"the job is {origin}") as refused:
            act(story.tenant(ledger), job_id)
        assert refused.value.state == origin
        assert ledger.jobs.get(story.tenant(ledger), job_id).state == origin


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        ("leased", {"owner": None}),
        ("leased", {"lease_until": None}),
        ("ready", {"owner": "worker"}),
        ("ready", {"lease_until": 3.0}),
        ("ready", {"ready_at": None}),
        ("succeeded", {"ended_at": None}),
        ("blocked", {"ended_at": 3.0}),
        ("asleep", {}),
    ],
)
def test_table_refuses_a_step_that_contradicts_itself(
    ledger: Ledger, state: str, columns: dict[str, Any]
) -> None:
    job_id = _job_in(ledger, "running")
    row = {"job_id": job_id, "tenant_id": story.tenant(ledger), "kind": "bind", "state": state}
    with pytest.raises(Exception, match=r"(?i)check constraint"), ledger.database.write() as tx:
        tx.execute(insert(Step).values(**row | _columns(state) | columns))
