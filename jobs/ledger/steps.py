"""Claiming, keeping, finishing and giving back steps. Every result is fenced by the epoch of its claim."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, case, select, tuple_, update

from jobs.errors import LeaseLostError
from jobs.ledger.claims import LONGEST_WAIT_SECONDS, Ahead, Line, Wish
from jobs.ledger.counts import Counts
from jobs.ledger.database import Database, Transaction
from jobs.ledger.files import add_artefacts, add_takes
from jobs.ledger.lapses import RETRIED, Lapses
from jobs.ledger.mends import write_mend
from jobs.ledger.moves import LET_GO, fail_step, lock_job, move_step, release_next, settle_job
from jobs.ledger.plans import write_plan
from jobs.ledger.progress import count_progress
from jobs.ledger.values import ALL_PRIORITIES, Claim, FoundTake, PlannedChapter, StepError, Stored, TakeRange
from jobs.ledger.windows import Windows
from jobs.messages import Knock
from jobs.states import StepKind, StepState
from jobs.tables import Job, Step

AFTER_PREPARE: Final = {StepKind.PREPARE: StepKind.TRAIN, StepKind.TRAIN: StepKind.PUBLISH}
"""What comes next in a training."""

FENCED: Final = "fenced_writes"
CLAIMED: Final = "claims"
WAITED: Final = "claim_wait_seconds"
"""What is counted: results that came too late, steps that were claimed, and how long those had been due."""


class Steps(Lapses):
    """The steps of all jobs, as workers see them; taking back those of lost workers is in `Lapses`."""

    def __init__(
        self,
        database: Database,
        windows: Windows,
        counts: Counts,
        *,
        max_attempts: int = 3,
        max_losses: int = 10,
    ) -> None:
        super().__init__(database, counts, Line(database), max_losses=max_losses)
        self._windows = windows
        self._max_attempts = max_attempts

    # --- taking and keeping ---

    def claim(
        self,
        kinds: Collection[StepKind],
        *,
        owner: str,
        lease_seconds: float,
        most: int = 1,
        weights: str | None = None,
        resident: Sequence[str] = (),
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
        priorities: tuple[int, int] = ALL_PRIORITIES,
    ) -> list[Claim]:
        """Up to `most` chunks of one weights digest, or one step of another kind, now leased to `owner`.

        The first in line decides, by priority, then by age. Where it is a chunk, chunks for `weights` (those
        the worker speaks with) go before it among equal priority, and where there are none, chunks for any of
        the `resident` ones (those it holds, last used first; `MOST_RESIDENT` are looked at). Once it has
        waited longer than `longest_wait_seconds`, only chunks that stand directly behind it go before it: no
        further down than the others hold chunks. A chunk that an earlier claim got nowhere with is claimed
        alone. Only steps whose priority lies within `priorities` (both ends included) are looked at.
        """
        wish = _wish(kinds, most, weights, resident, owner, longest_wait_seconds, priorities)
        with self._database.write() as tx:
            claims = self._line.claim(tx, wish, lease_seconds=lease_seconds)
        for claim in claims:
            self._counts.note(CLAIMED, claim.kind)
            self._counts.note(WAITED, claim.kind, claim.waited_seconds)
        return claims

    def look_ahead(
        self,
        kinds: Collection[StepKind],
        *,
        owner: str,
        weights: str | None = None,
        resident: Sequence[str] = (),
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
        priorities: tuple[int, int] = ALL_PRIORITIES,
    ) -> Ahead | None:
        """Where `claim` will probably begin a turn later, if that is a chunk. Takes nothing."""
        wish = _wish(kinds, 1, weights, resident, owner, longest_wait_seconds, priorities)
        with self._database.read() as tx:
            return self._line.look_ahead(tx, wish)

    def renew(self, claims: Iterable[Claim], *, lease_seconds: float) -> frozenset[int]:
        """Ids of the steps still held, their leases running afresh. The others are lost: drop them."""
        held = [(claim.step_id, claim.epoch) for claim in claims]
        if not held:
            return frozenset()
        mine = tuple_(Step.id, Step.epoch).in_(held) & (Step.state == StepState.LEASED)
        with self._database.write() as tx:
            # locked by rising id, as a cancel does: an UPDATE alone would lock them in any order
            in_order = select(Step.id).where(mine).order_by(Step.id).with_for_update(key_share=True)
            kept = frozenset(tx.execute(in_order).scalars())
            tx.execute(
                update(Step)
                .where(Step.id.in_(sorted(kept)))
                .values(lease_until=self._clock.now() + lease_seconds)
            )
            return kept

    def hold(self, claim: Claim, utterance_index: int | None) -> None:
        """Notes which utterance a careful claim is about to speak (None: no longer any).

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        with self._database.write() as tx:
            self._update_own(tx, claim, in_hand=utterance_index)

    def keep(
        self, claim: Claim, *, artefacts: Sequence[Stored], takes: Sequence[TakeRange], attempt: int = 1
    ) -> None:
        """Records takes of a claim that goes on: what is kept is not spoken again. That is progress.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        with self._database.write() as tx:
            self._update_own(tx, claim, in_hand=None, attempt=attempt)
            add_artefacts(tx, self._database, claim.tenant_id, claim.job_id, artefacts)
            add_takes(tx, self._database, claim.tenant_id, takes)

    def _update_own(self, tx: Transaction, claim: Claim, **columns: Any) -> None:
        mine = update(Step).where(*_own(claim), Step.state == StepState.LEASED).values(**columns)
        if tx.execute(mine).rowcount != 1:
            raise self._fenced()

    def _fenced(self) -> LeaseLostError:
        """What to raise when somebody else's claim is newer: it is counted."""
        self._counts.note(FENCED)
        return LeaseLostError()

    # --- ending ---

    def plan(
        self,
        claim: Claim,
        *,
        title: str,
        chapters: Sequence[PlannedChapter],
        weights_digest: str | None,
        chunk_utterances: int,
        artefacts: Sequence[Stored] = (),
        result: dict[str, Any] | None = None,
    ) -> list[Knock]:
        """Finishes a plan step: chapters, their chunks, their masters and the bind step now exist.

        Returns the knocks now due.

        Raises:
            LeaseLostError: the step is no longer this claim's; nothing was recorded.
            ValueError: there is no chapter.
        """
        if not chapters:
            raise ValueError("a plan needs a chapter")
        with self._database.write() as tx:
            if self._succeed(tx, claim, result) is None:
                return []
            add_artefacts(tx, self._database, claim.tenant_id, claim.job_id, artefacts)
            return write_plan(
                tx,
                self._database,
                self._windows,
                claim,
                title=title,
                chapters=chapters,
                weights_digest=weights_digest,
                chunk_utterances=chunk_utterances,
            )

    def finish(
        self,
        claim: Claim,
        *,
        artefacts: Sequence[Stored] = (),
        takes: Sequence[TakeRange] = (),
        audio_seconds: float | None = None,
        result: dict[str, Any] | None = None,
    ) -> list[Knock]:
        """Finishes a step: its artefacts and takes have rows, and what waited for it may go on.

        `audio_seconds`: of a chunk, the sound of all its takes; of a master, the chapter's final length.
        Calling it again with the same claim changes nothing. Returns the knocks now due.

        Raises:
            LeaseLostError: the step is no longer this claim's; nothing was recorded.
        """
        with self._database.write() as tx:
            succeeded = self._succeed(tx, claim, result)
            if succeeded is None:
                return []
            add_artefacts(tx, self._database, claim.tenant_id, claim.job_id, artefacts)
            add_takes(tx, self._database, claim.tenant_id, takes)
            count_progress(tx, claim, audio_seconds)
            place = self._place_of_next(tx, claim)
            knocks = release_next(tx, self._clock, succeeded.releases_id, **place)
            return knocks or settle_job(tx, self._clock, claim.job_id)

    def _place_of_next(self, tx: Transaction, claim: Claim) -> dict[str, Any]:
        """Where the step stands in line that this one releases, if that may have to wait for a window."""
        following = AFTER_PREPARE.get(claim.kind)
        if following is None:
            return {}
        priority = tx.execute(select(Job.priority).where(Job.id == claim.job_id)).scalar_one()
        return self._windows.place(tx, claim.job_id, priority=priority, kind=following)

    def _succeed(self, tx: Transaction, claim: Claim, result: dict[str, Any] | None) -> Any | None:
        """The step's row, its job locked; None when this very claim succeeded before, its answer lost.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        lock_job(tx, claim.job_id)
        moved = move_step(
            tx,
            claim.step_id,
            StepState.LEASED,
            StepState.SUCCEEDED,
            *_own(claim),
            **LET_GO,
            result=result,
            ended_at=self._clock.now(),
        )
        if moved is None:
            state = tx.execute(select(Step.state).where(*_own(claim))).scalar_one_or_none()
            if state != StepState.SUCCEEDED:
                raise self._fenced()
        return moved

    def fail(
        self, claim: Claim, error: StepError, *, retry: bool = False, wait_seconds: float = 0.0
    ) -> list[Knock]:
        """Ends the step as failed, or returns it for another attempt if `retry` and one is left.

        Attempts are counted in the ledger, not in the claim: what was kept since may have set them back.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            another = (Step.attempt < self._max_attempts,)
            if retry and self._return(tx, claim, "retry", wait_seconds, *another, error=error.as_json()):
                return []
            knocks = fail_step(tx, self._clock, claim.step_id, error, *_own(claim))
            if knocks is None:
                raise self._fenced()
            return knocks

    def mend(
        self,
        claim: Claim,
        *,
        lost: Sequence[int],
        drop: Sequence[FoundTake],
        kept_seconds: float,
        chunk_utterances: int,
    ) -> list[Knock] | None:
        """Has utterances spoken again whose takes a master found lost; it waits for them, as it did before.

        Args:
            claim: of the master.
            lost: the utterances of its chapter, at least one.
            drop: the takes of those that still have a row: their render is missing or corrupt.
            kept_seconds: the sound of all the other takes.
            chunk_utterances: how many may make a chunk.

        Returns:
            The knocks now due; None if no attempt is left, and nothing was changed.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            moved = move_step(
                tx,
                claim.step_id,
                StepState.LEASED,
                StepState.BLOCKED,
                *_own(claim),
                Step.attempt < self._max_attempts,
                detail={"reason": "takes lost", "utterances": len(lost)},
                **LET_GO,
            )
            if moved is not None:
                return write_mend(
                    tx,
                    self._windows,
                    claim,
                    lost=lost,
                    drop=drop,
                    kept_seconds=kept_seconds,
                    chunk_utterances=chunk_utterances,
                )
            held = tx.execute(select(Step.id).where(*_own(claim), Step.state == StepState.LEASED)).first()
            if held is None:
                raise self._fenced()
            return None

    def release(self, claim: Claim, *, reason: str, wait_seconds: float = 0.0) -> list[Knock]:
        """Gives the step back unharmed: the attempt does not count. For shutdowns and outages of others.

        A step that is no longer this claim's is left alone. Returns the knocks now due.
        """
        uncounted = case((Step.attempt > 0, Step.attempt - 1), else_=0)
        with self._database.write() as tx:
            if not self._return(tx, claim, reason, wait_seconds, attempt=uncounted):
                return []
            return [] if wait_seconds else [Knock(claim.kind, claim.weights_digest)]

    def _return(
        self,
        tx: Transaction,
        claim: Claim,
        reason: str,
        wait_seconds: float,
        *conditions: ColumnElement[bool],
        **columns: Any,
    ) -> bool:
        now = self._clock.now()
        moved = move_step(
            tx,
            claim.step_id,
            StepState.LEASED,
            StepState.READY,
            *_own(claim),
            *conditions,
            detail={"reason": reason},
            **LET_GO,
            not_before=now + wait_seconds,
            ready_at=now,
            **columns,
        )
        if moved is None:
            return False
        self._counts.note(RETRIED, reason)
        return True


def _own(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The fence: this step, and still this claim's epoch."""
    return (Step.id == claim.step_id, Step.epoch == claim.epoch)


def _wish(
    kinds: Collection[StepKind],
    most: int,
    weights: str | None,
    resident: Sequence[str],
    owner: str,
    longest_wait_seconds: float,
    priorities: tuple[int, int],
) -> Wish:
    in_order = tuple(sorted(set(kinds)))
    return Wish(in_order, most, weights, tuple(resident), owner, longest_wait_seconds, priorities)
