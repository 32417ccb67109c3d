"""What operators and the sweep need: readiness, backlog, turn-taking."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import case, func, or_, select, text, update

from jobs.ledger.database import Database
from jobs.ledger.training_values import Energy
from jobs.ledger.windows import is_due
from jobs.settings import Settings
from jobs.states import JobState, StepState
from jobs.tables import Artefact, Delivery, Job, Step, Sweep


@dataclass(frozen=True, slots=True)
class Backlog:
    """Figures of the whole ledger, for `/metrics` and scaling."""

    jobs_by_state: dict[tuple[str, str], int]
    """(job kind, state) -> jobs."""
    jobs_started: dict[str, int]
    """Job kind -> jobs that a worker ever touched."""
    steps_by_state: dict[tuple[str, str], int]
    """(step kind, state) -> steps, open states only; "waiting" are those ready but for their window."""
    oldest_ready_seconds: dict[str, float]
    """Step kind -> age of the oldest step that is due."""
    utterances_waiting: int
    utterances_done: int
    """Utterances that have their take, reused ones too, over all jobs that still exist."""
    audio_seconds: float
    """Sound of all takes made so far, over all jobs that still exist."""
    energy_by_source: dict[str, Energy]
    """How it is known -> what all jobs that still exist have used, as certain as its least certain part."""
    stored_bytes: int
    deliveries_by_state: dict[str, int]
    swept_seconds_ago: float | None


class Operations:
    """The ledger as its operator sees it."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._clock = database.clock
        self._sweep_seconds = settings.sweep_seconds

    def revision(self) -> str | None:
        """The migration the database stands at; None if it has none.

        Raises:
            LedgerUnavailableError: it does not answer.
        """
        with self._database.read() as tx:
            if not self._database.engine.dialect.has_table(tx, "alembic_version"):
                return None
            revision = tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
            return None if revision is None else str(revision)

    def take_turn(self, name: str = "sweep", *, every_seconds: float | None = None) -> bool:
        """True for one caller in each period (by default the sweep's): whoever gets it does the pass."""
        period = self._sweep_seconds if every_seconds is None else every_seconds
        with self._database.write() as tx:
            now = self._clock.read(tx.connection)
            tx.execute(self._database.insert_new(Sweep), [{"name": name, "swept_at": 0.0}])
            # a turn from the future: the database's clock was set back, or another machine took over
            # (a whole period from it, for whoever waited for the row has read the clock a moment too early)
            is_due = or_(Sweep.swept_at <= now - period, Sweep.swept_at > now + period)
            turn = update(Sweep).where(Sweep.name == name, is_due)
            return tx.execute(turn.values(swept_at=now)).rowcount == 1

    def backlog(self) -> Backlog:
        """The figures of this moment."""
        open_steps = (StepState.BLOCKED, StepState.READY, StepState.LEASED)
        with self._database.read() as tx:
            now = self._clock.read(tx)
            jobs = tx.execute(
                select(
                    Job.kind,
                    Job.state,
                    func.count().label("n_jobs"),
                    func.count(Job.started_at).label("n_started"),
                    func.sum(Job.n_utterances_done).label("n_done"),
                    func.sum(Job.audio_seconds).label("audio_seconds"),
                ).group_by(Job.kind, Job.state)
            ).all()
            waits = (Step.state == StepState.READY) & Step.closes_at.is_not(None) & ~is_due(now)
            shown_state = case((waits, "waiting"), else_=Step.state).label("shown_state")
            is_paused = Step.job_id.in_(select(Job.id).where(Job.state == JobState.PAUSED))
            may_be_claimed = (Step.state == StepState.READY) & is_due(now) & ~is_paused
            steps = tx.execute(  # in one pass: with a million chunks in line each costs half a second
                select(
                    Step.kind,
                    shown_state,
                    func.count().label("n_steps"),
                    func.min(case((may_be_claimed, Step.ready_at))).label("since"),
                    func.sum(case((shown_state == StepState.READY, Step.n_utterances))).label("n_utterances"),
                )
                .where(Step.state.in_(open_steps))
                .group_by(Step.kind, shown_state)
            ).all()
            stored = tx.execute(select(func.coalesce(func.sum(Artefact.n_bytes), 0))).scalar_one()
            deliveries = tx.execute(
                select(Delivery.state, func.count().label("n_deliveries")).group_by(Delivery.state)
            ).all()
            swept_at = tx.execute(select(Sweep.swept_at).where(Sweep.name == "sweep")).scalar_one_or_none()
            used = tx.execute(select(Job.energy).where(Job.energy.is_not(None))).scalars().all()
        energy: dict[str, Energy] = {}
        for each in filter(None, map(Energy.of, used)):
            energy[each.source] = each if each.source not in energy else energy[each.source].plus(each)
        jobs_started: Counter[str] = Counter()
        for row in jobs:
            jobs_started[row.kind] += row.n_started
        return Backlog(
            jobs_by_state={(row.kind, row.state): row.n_jobs for row in jobs},
            jobs_started=dict(jobs_started),
            steps_by_state={(row.kind, row.shown_state): row.n_steps for row in steps},
            oldest_ready_seconds={
                row.kind: max(0.0, now - row.since) for row in steps if row.since is not None
            },
            utterances_waiting=sum(int(row.n_utterances or 0) for row in steps),
            utterances_done=sum(int(row.n_done) for row in jobs),
            audio_seconds=sum((float(row.audio_seconds) for row in jobs), 0.0),
            energy_by_source=energy,
            stored_bytes=int(stored),
            deliveries_by_state={row.state: row.n_deliveries for row in deliveries},
            swept_seconds_ago=None if not swept_at else max(0.0, now - swept_at),
        )
