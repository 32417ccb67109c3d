"""Trainings in the ledger: three steps in a row, their checkpoints, progress, energy and chosen hours.

    prepare (at once) ─► train (in its windows) ─► publish (in its windows)

A training is laid down and taken up again many times: when its window closes, when somebody waits for a
speech, when its worker dies. What it had learnt by then lies in the object store.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, insert, select, update

from jobs.errors import LeaseLostError
from jobs.ledger.database import Database, Transaction
from jobs.ledger.files import add_artefacts, read_artefacts
from jobs.ledger.moves import LET_GO, lock_job, move_step
from jobs.ledger.timetables import OFF_PEAK
from jobs.ledger.training_values import (
    ChosenHours,
    Energy,
    EnergySource,
    MeasuredPace,
    TrainingProgress,
)
from jobs.ledger.values import URGENT, ArtefactView, Claim, Stored
from jobs.ledger.windows import Windows, is_due, shown_time
from jobs.messages import Knock
from jobs.schedule.choice import choose
from jobs.schedule.grid import Grid
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Artefact, Job, Step

CHECKPOINT: Final = "checkpoint"
WITHIN: Final = timedelta(days=1)
"""A training that names no deadline is to be done within a day."""
MARGIN: Final = 1.25
"""Expected times are foretold, not measured: so much more is set aside."""
WHOLE_SECONDS: Final = 1_800
"""Hours are chosen in halves: forecasts have no finer steps, and beginning anew has its price."""
PROGRESS_SECONDS: Final = 5.0
"""How often progress is written."""
URGENT_PATIENCE_SECONDS: Final = 0.5
"""How long a speech waits for some other worker before a training makes room: idle ones look more often."""
LOOKED_AT: Final = 100
"""So many of the last trainings are asked for their pace."""
PATIENCE_SECONDS: Final = 5.0
"""The same for everything else that goes before a training."""


def write_training(tx: Transaction, tenant_id: str, job_id: str, *, priority: int, now: Any) -> Knock:
    """The three steps of a training whose job has just been written; returns the knock now due."""
    shared = {"job_id": job_id, "tenant_id": tenant_id, "priority": priority}
    following: int | None = None
    for kind in (StepKind.PUBLISH, StepKind.TRAIN):
        waiting = {**shared, "kind": kind, "state": StepState.BLOCKED, "releases_id": following}
        following = tx.execute(insert(Step).values(**waiting).returning(Step.id)).scalar_one()
    first = {**shared, "kind": StepKind.PREPARE, "state": StepState.READY, "releases_id": following}
    tx.execute(insert(Step).values(**first, ready_at=now))
    return Knock(StepKind.PREPARE)


class Trainings:
    """The trainings of all tenants, as their workers see them."""

    def __init__(self, database: Database, windows: Windows, grid: Grid) -> None:
        self._database = database
        self._clock = database.clock
        self._windows = windows
        self._grid = grid

    # --- when ---

    def now(self) -> datetime:
        """What time it is, by the one clock that counts."""
        with self._database.read() as tx:
            return datetime.fromtimestamp(self._clock.read(tx), UTC)

    def last_pace(self, device: str, weights_digest: str) -> MeasuredPace | None:
        """How fast the last training from these weights went on such a device; None if there was none."""
        query = (
            select(Step.result)
            .where(Step.kind == StepKind.TRAIN, Step.state == StepState.SUCCEEDED, Step.result.is_not(None))
            .order_by(Step.ended_at.desc())
            .limit(LOOKED_AT)
        )
        with self._database.read() as tx:
            told = [MeasuredPace.of(result["pace"]) for result in tx.scalars(query) if result.get("pace")]
        fitting = (one for one in told if (one.device, one.weights_digest) == (device, weights_digest))
        return next(fitting, None)

    def choose_hours(
        self, claim: Claim, needed_seconds: float, *, is_measured: bool = False
    ) -> ChosenHours | None:
        """Chooses the best hours before the deadline; for a prepare step that knows how much there is to do.

        Asks the signal, which may be a service elsewhere. The training starts in the first of the hours; what
        they do not suffice for runs whenever its windows are open. None if it waits for no window.

        Args:
            claim: of the prepare step.
            needed_seconds: how long the training is expected to take.
            is_measured: whether that follows from a training here.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        if claim.spec.get("when") != OFF_PEAK:
            return None
        now = self.now()
        with self._database.read() as tx:
            job = tx.execute(select(Job.kind, Job.spec, Job.hours).where(Job.id == claim.job_id)).one()
        hours = self.foresee(job.kind, job.spec, now, needed_seconds, is_measured=is_measured)
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            _check_held(tx, claim)
            self._tell(tx, claim, "hours.chosen", _shown(hours), hours=hours.as_json())
        return hours

    def foresee(
        self,
        kind: str,
        spec: dict[str, Any],
        now: datetime,
        needed_seconds: float,
        *,
        is_measured: bool = False,
    ) -> ChosenHours:
        """The hours that would be chosen now for an off-peak job."""
        job = _Asked(kind, spec)
        timetable = self._windows.timetables.of(job)
        deadline = now + WITHIN
        if spec.get("deadline"):
            deadline = datetime.fromisoformat(spec["deadline"]).astimezone(UTC)
        needed = WHOLE_SECONDS * math.ceil(max(1.0, needed_seconds * MARGIN) / WHOLE_SECONDS)
        openings = () if timetable is None else tuple(timetable.openings(now, deadline))
        forecast = self._grid.forecast(now, max(deadline, now + timedelta(seconds=needed)))
        choice = choose(openings, forecast, now=now, needed=timedelta(seconds=needed))
        return ChosenHours(
            openings=tuple((each.start.timestamp(), each.end.timestamp()) for each in choice.openings),
            needed_seconds=needed_seconds,
            meets_deadline=choice.is_enough,
            saving=choice.saving,
            unit=self._grid.unit,
            is_measured=is_measured,
        )

    def gives_way(self, claim: Claim, kinds: Collection[StepKind]) -> str | None:
        """Why a training shall be laid down though its window is open; None while it may go on.

        Something due that goes before it waits for a worker of these kinds, and no other has taken it for a
        moment; or the job was paused. Cheap: ask it as often as between any two updates, once a tenth of a
        second.

        Args:
            claim: of the training.
            kinds: what the worker that holds it could do instead.
        """
        with self._database.read() as tx:
            now = self._clock.read(tx)
            state = tx.execute(select(Job.state).where(Job.id == claim.job_id)).scalar_one()
            if state == JobState.PAUSED:
                return "the job is paused"
            since = case((Step.not_before > Step.ready_at, Step.not_before), else_=Step.ready_at)
            patience = case((Step.priority >= URGENT, URGENT_PATIENCE_SECONDS), else_=PATIENCE_SECONDS)
            first = tx.execute(
                select(Step.kind, Step.priority)
                .join(Job, Job.id == Step.job_id)
                .where(
                    Step.kind.in_(sorted(kinds)),
                    Step.state == StepState.READY,
                    Step.priority > claim.priority,
                    is_due(now),
                    since + patience <= now,
                    Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
                )
                .order_by(Step.priority.desc(), Step.id)
                .limit(1)
            ).first()
        if first is None:
            return None
        return "a speech waits" if first.priority >= URGENT else f"a {first.kind} step goes before it"

    def put_back(self, claim: Claim, *, reason: str, past_opening: bool = False) -> list[Knock]:
        """Gives the step back, to go on at once or at the next opening; the attempt does not count.

        Save a checkpoint before. A step that is no longer this claim's is left alone. Returns the knocks now
        due.

        Args:
            claim: of the step.
            reason: why, for the event.
            past_opening: what is left of the opening it was claimed in is too short: not before the next one.
        """
        uncounted = case((Step.attempt > 0, Step.attempt - 1), else_=0)
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            priority = tx.execute(select(Job.priority).where(Job.id == claim.job_id)).scalar_one()
            if not _is_held(tx, claim):
                return []
            closes_at = select(Step.closes_at).where(Step.id == claim.step_id)
            after = tx.execute(closes_at).scalar_one() if past_opening else None
            place = self._windows.place(tx, claim.job_id, priority=priority, kind=claim.kind, after=after)
            move_step(
                tx,
                claim.step_id,
                StepState.LEASED,
                StepState.READY,
                detail={"reason": reason},
                **LET_GO,
                **place,
                attempt=uncounted,
            )
            tx.execute(update(Job).where(Job.id == claim.job_id).values(version=Job.version + 1))
            return [Knock(claim.kind)]

    # --- what it has learnt ---

    def checkpoint(self, claim: Claim, file: Stored) -> tuple[str, ...]:
        """Records a checkpoint in place of the former one of this name: attempts count anew.

        Returns the keys of the objects that nobody refers to any more: delete them.

        Raises:
            LeaseLostError: the step is no longer this claim's; nothing was recorded.
        """
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            _check_held(tx, claim)
            tx.execute(update(Step).where(Step.id == claim.step_id).values(attempt=1))
            former = _drop(tx, claim, Artefact.name == file.name, Artefact.key != file.key)
            add_artefacts(tx, self._database, claim.tenant_id, claim.job_id, [file])
            return former

    def latest_checkpoint(self, claim: Claim, name: str = "") -> ArtefactView | None:
        """The last checkpoint of this name; None if there is none yet."""
        with self._database.read() as tx:
            found = read_artefacts(tx, *_checkpoints(claim), Artefact.name == name)
            return found[-1] if found else None

    def drop_checkpoints(self, claim: Claim) -> tuple[str, ...]:
        """Forgets all of the job's checkpoints, once it is published; returns the keys of their objects."""
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            _check_held(tx, claim)
            return _drop(tx, claim)

    # --- what it tells ---

    def note_progress(self, claim: Claim, progress: TrainingProgress) -> None:
        """Records how far it is, at most every `PROGRESS_SECONDS`, and at the end of a stage.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            _check_held(tx, claim)
            now = self._clock.read(tx.connection)
            stored = tx.execute(select(Job.training).where(Job.id == claim.job_id)).scalar_one()
            before = TrainingProgress.of(stored)
            is_same = before is not None and before.stage == progress.stage
            seconds = now - (0.0 if before is None else before.at)
            if is_same and seconds < PROGRESS_SECONDS and progress.updates_done < progress.updates:
                return
            noted = TrainingProgress(
                progress.stage, progress.updates_done, progress.updates, progress.updates_per_second, now
            )
            detail = {"stage": noted.stage, "updates_done": noted.updates_done, "updates": noted.updates}
            self._tell(tx, claim, "training.progress", detail, training=noted.as_json())

    def note_energy(self, claim: Claim, kwh: float, source: EnergySource) -> Energy:
        """Adds to what the job has used, at what a kilowatt-hour stands for now; returns the sum.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        grams, price = self._grid.per_kwh(self.now())  # may ask a service: not within a transaction
        more = Energy(kwh, source, kwh * grams, None if price is None else kwh * price)
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            _check_held(tx, claim)
            before = Energy.of(tx.execute(select(Job.energy).where(Job.id == claim.job_id)).scalar_one())
            total = more if before is None else before.plus(more)
            tx.execute(
                update(Job)
                .where(Job.id == claim.job_id)
                .values(energy=total.as_json(), version=Job.version + 1)
            )
            return total

    def _tell(self, tx: Transaction, claim: Claim, kind: str, detail: dict[str, Any], **columns: Any) -> None:
        tx.execute(update(Job).where(Job.id == claim.job_id).values(version=Job.version + 1, **columns))
        tx.add_event(
            tenant_id=claim.tenant_id,
            job_id=claim.job_id,
            step_id=claim.step_id,
            kind=kind,
            detail=detail,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A job whose hours have not been chosen yet."""

    kind: str
    spec: dict[str, Any]
    hours: None = None


def _is_held(tx: Transaction, claim: Claim) -> bool:
    """Whether the step is this claim's still. The job's lock must be held: nobody moves it then."""
    mine = (Step.id == claim.step_id) & (Step.epoch == claim.epoch) & (Step.state == StepState.LEASED)
    return tx.execute(select(Step.id).where(mine)).first() is not None


def _check_held(tx: Transaction, claim: Claim) -> None:
    if not _is_held(tx, claim):
        raise LeaseLostError


def _checkpoints(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        Artefact.tenant_id == claim.tenant_id,
        Artefact.job_id == claim.job_id,
        Artefact.kind == CHECKPOINT,
    )


def _drop(tx: Transaction, claim: Claim, *conditions: ColumnElement[bool]) -> tuple[str, ...]:
    which = (*_checkpoints(claim), *conditions)
    keys = tuple(tx.execute(select(Artefact.key).where(*which).order_by(Artefact.key)).scalars())
    tx.execute(delete(Artefact).where(*which))
    return keys


def _shown(hours: ChosenHours) -> dict[str, Any]:
    """As an event tells it."""
    return {
        "openings": [
            {"opens_at": shown_time(start), "closes_at": shown_time(end)} for start, end in hours.openings
        ],
        "needed_seconds": round(hours.needed_seconds, 1),
        "meets_deadline": hours.meets_deadline,
        "saving": None if hours.saving is None else round(hours.saving, 4),
        "unit": hours.unit,
        "is_measured": hours.is_measured,
    }
