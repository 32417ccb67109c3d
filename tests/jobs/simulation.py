"""A small world around a real ledger: workers that crash, freeze and come back, as a string of bytes says.

Time stands still until the schedule moves it; the object store is a set of keys; the ledger is the real one,
on SQLite. After every step of the schedule the rows are compared with what the world knows.

What is checked (the numbers are those of docs/decisions/0002-steps-and-knocks.md):

* I1, I2: states follow the tables below, one event for each change; an ended job has no open step.
* I3: only the claim with the highest epoch of a step ever records a result; in the end every utterance of a
  succeeded job has its one take, in a render that was stored.
* I4: what was spoken twice is bounded by the claims that got lost.
* I7: exactly those steps are leased that a worker holds; after the end none is.
* I8: every row of a job belongs to its tenant, and to others the job does not exist.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event

from jobs.clock import SetClock
from jobs.errors import JobMissingError, LeaseLostError, MoveRefusedError
from jobs.ledger import Ledger
from jobs.ledger.lapses import CRASHES_ALONE
from jobs.ledger.values import Claim, StepError, TakeRange
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobKind, StepKind
from jobs.tables import Base
from tests.jobs import story

LEASE: Final = 60.0
NO_SYNC: Final = "PRAGMA synchronous=OFF"
JOB_TABLE: Final = {
    None: {"queued"},
    "queued": {"running", "cancelled"},
    "running": {"paused", "succeeded", "failed", "cancelled"},
    "paused": {"running", "succeeded", "failed", "cancelled"},
    "failed": {"running"},
    "succeeded": set(),
    "cancelled": set(),
}
STEP_TABLE: Final = {
    "blocked": {"ready", "cancelled"},
    "ready": {"leased", "cancelled"},
    "leased": {"ready", "succeeded", "failed", "cancelled"},
    "failed": {"ready"},
    "cancelled": {"blocked"},
    "succeeded": set(),
}
ENDED: Final = {"succeeded", "failed", "cancelled"}
MOST_JOBS: Final = 2
BOOKS: Final = (([2], 1), ([1, 1], 1), ([3], 2))
"""Chapters' lengths in utterances, and the length of a chunk: small, so that there is time for many lives."""
LONGEST_CHUNK: Final = 2


class ViolationError(AssertionError):
    """An invariant does not hold."""


def check(holds: object, what: str) -> None:
    """Raises the violation unless it holds."""
    if not holds:
        raise ViolationError(what)


class Schedule:
    """Choices, read one byte at a time; zeros, to which Hypothesis shrinks, are the dullest ones."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)
        self.over = False

    def pick(self, n: int) -> int:
        """A number below n; 0 once the schedule is over."""
        choice = next(self._choices, None)
        if choice is None:
            self.over = True
            return 0
        return choice % n


@dataclass(slots=True)
class Held:
    """A claim in a worker's hands, with what the worker believes about it."""

    claim: Claim
    owner: str
    until: float
    n_alone: int = 0
    """Utterances kept one by one so far."""


@dataclass(slots=True)
class World:
    """Everything outside the ledger, and what it remembers of the ledger's answers."""

    ledger: Ledger
    clock: SetClock
    raw: sqlite3.Connection
    tenants: list[str]
    schedule: Schedule
    trace: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    """Job id -> tenant id."""
    books: dict[str, tuple[list[int], int]] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    held: dict[int, Held] = field(default_factory=dict)
    """Step id -> the claim that holds it, as the ledger must see it too."""
    ghosts: list[Claim] = field(default_factory=list)
    """Claims of workers that froze or lost their answer, and may act on them at any time."""
    latest: dict[int, int] = field(default_factory=dict)
    """Step id -> highest epoch ever handed out."""
    job_states: dict[str, str] = field(default_factory=dict)
    step_states: dict[int, str] = field(default_factory=dict)
    n_events_seen: int = 0
    last_event: int = 0
    n_workers: int = 3
    n_crashes: int = 0
    n_spoken: int = 0
    n_claims_lost: int = 0
    n_jobs_ended: Counter[str] = field(default_factory=Counter)

    # --- the schedule ---

    def run(self) -> None:
        """Follows the schedule, then lets the dust settle; everything is checked on the way."""
        self.submit()
        self.check_rows()
        while not self.schedule.over:
            action = ACTIONS[self.schedule.pick(len(ACTIONS))]
            action(self)
            self.check_rows()
        self.settle()
        self.check_end()

    def settle(self) -> None:
        """The operator comes back: jobs go on, leases run out, one honest worker does what is left."""
        self.trace.append("settle")
        for job_id, tenant_id in self.jobs.items():
            if self.job_states[job_id] == "paused":
                self.ledger.jobs.resume(tenant_id, job_id)
        self.clock.seconds += 1_000
        self.lapse()
        self.check_rows()
        while self._claim("honest", tuple(StepKind), 4):
            for held in list(self.held.values()):
                self._finish(held.claim)
            self.check_rows()

    # --- what can happen ---

    def submit(self) -> None:
        if len(self.jobs) == MOST_JOBS:
            self.work()
            return
        tenant_id = self.tenants[self.schedule.pick(2)]
        made = self.ledger.jobs.submit(
            tenant_id,
            JobKind.NARRATION,
            {"voice": "draft", "webhook": {"url": "https://example.org"}},
            idempotency_key=str(len(self.jobs)),
        )
        self.jobs[made.job_id] = tenant_id
        self.books[made.job_id] = BOOKS[self.schedule.pick(len(BOOKS))]
        self.trace.append(f"submit {made.job_id}")
        if self.schedule.pick(4):
            return
        again = self.ledger.jobs.submit(
            tenant_id, JobKind.NARRATION, {"voice": "draft"}, idempotency_key=str(len(self.jobs) - 1)
        )
        check(again.replayed and again.job_id == made.job_id, "an Idempotency-Key made two jobs")

    def claim(self) -> None:
        kinds = (tuple(StepKind), (StepKind.SYNTHESIZE,), (StepKind.MASTER, StepKind.BIND))[
            self.schedule.pick(3)
        ]
        self._claim(self._worker(), kinds, 1 + self.schedule.pick(3))

    def work(self) -> None:
        """A worker finishes something it holds, or takes something."""
        held = self._some_held()
        if held is None:
            self._claim(self._worker(), tuple(StepKind), 2)
        else:
            self._finish(held.claim)

    def lose_answer(self) -> None:
        """The step is finished, the worker never hears of it and will say so again."""
        held = self._some_held()
        if held is not None:
            self._finish(held.claim)
            self.ghosts.append(held.claim)

    def renew(self) -> None:
        owner = self._worker()
        mine = [held for held in self.held.values() if held.owner == owner]
        stale = self.ghosts[-1:]
        self.trace.append(f"renew {owner}")
        kept = self.ledger.steps.renew([held.claim for held in mine], lease_seconds=LEASE)
        for held in mine:
            check(held.claim.step_id in kept, f"step {held.claim.step_id} is held but was not renewed")
            held.until = self.clock.seconds + LEASE
        for ghost in stale:  # apart: an answer names steps, and the worker may hold this one anew
            if self.ledger.steps.renew([ghost], lease_seconds=LEASE):
                self._must_hold(ghost, "renew")
                self.held[ghost.step_id].until = self.clock.seconds + LEASE
            else:
                check(not self._holds(ghost), f"step {ghost.step_id} is held but was not renewed")

    def speak_alone(self) -> None:
        """A careful worker notes an utterance, then keeps its take or crashes on it."""
        held = self._some_held(StepKind.SYNTHESIZE)
        if held is None or held.n_alone >= (held.claim.n_utterances or 0):
            return
        claim, index = held.claim, (held.claim.first_utterance or 0) + held.n_alone
        if claim.suspects.get(index, 0) >= CRASHES_ALONE:
            return
        self.trace.append(f"hold {claim.step_id}#{claim.epoch} utterance {index}")
        self.ledger.steps.hold(claim, index)
        if self.schedule.pick(4) == 3:
            self._crash(held.owner, frozen=False)
            return
        self._keep(claim, index)
        held.n_alone += 1

    def crash(self) -> None:
        self._crash(self._worker(), frozen=False)

    def freeze(self) -> None:
        """SIGSTOP: the worker does not know, and will go on one day."""
        self._crash(self._worker(), frozen=True)

    def haunt(self) -> None:
        """A worker that froze, or whose answer got lost, goes on where it was."""
        if not self.ghosts:
            self.work()
            return
        claim = self.ghosts[self.schedule.pick(len(self.ghosts))]
        way = self.schedule.pick(6)
        self.trace.append(f"haunt {claim.step_id}#{claim.epoch} way {way}")
        try:
            if way == 0:
                self._finish(claim)
            elif way == 1:
                self.ledger.steps.release(claim, reason="woke up")
                self._let_go(claim)
            elif way == 2:
                self.ledger.steps.fail(claim, StepError("crash", "woke up"), retry=True)
                self._let_go(claim)
            elif way == 3:
                self.ledger.steps.fail(claim, StepError("crash", "woke up"))
                self._let_go(claim)
            elif way == 4:
                self.ledger.steps.hold(claim, claim.first_utterance)
                self._must_hold(claim, "hold")
            elif claim.kind == StepKind.SYNTHESIZE:
                self._keep(claim, claim.first_utterance or 0)
        except LeaseLostError:
            check(not self._holds(claim), f"step {claim.step_id} was refused to the worker that holds it")

    def lapse(self) -> None:
        self.trace.append("lapse")
        self.ledger.steps.lapse()
        for step_id, held in list(self.held.items()):
            if held.until < self.clock.seconds:
                self._lost(step_id)

    def fail(self) -> None:
        held = self._some_held()
        if held is None:
            return
        retry = self.schedule.pick(4) != 3
        self.trace.append(f"fail {held.claim.step_id}#{held.claim.epoch} retry={retry}")
        error = StepError("unreadable-text", "no", held.claim.chapter_index)
        self.ledger.steps.fail(held.claim, error, retry=retry, wait_seconds=float(self.schedule.pick(2) * 30))
        self._lost(held.claim.step_id)

    def release(self) -> None:
        held = self._some_held()
        if held is None:
            return
        self.trace.append(f"release {held.claim.step_id}#{held.claim.epoch}")
        self.ledger.steps.release(held.claim, reason="stop", wait_seconds=float(self.schedule.pick(2) * 30))
        self._lost(held.claim.step_id)

    def pass_time(self) -> None:
        seconds = (5.0, 31.0, 61.0, 200.0)[self.schedule.pick(4)]
        self.trace.append(f"{seconds} s pass")
        self.clock.seconds += seconds

    def steer(self) -> None:
        verb = ("pause", "resume", "retry", "cancel")[self.schedule.pick(4)]
        job_id = list(self.jobs)[self.schedule.pick(len(self.jobs))]
        before = self.job_states[job_id]
        self.trace.append(f"{verb} {job_id}")
        legal = {"pause": {"running"}, "resume": {"paused"}, "retry": {"failed"}}.get(
            verb, {"queued", "running", "paused"}
        )
        try:
            getattr(self.ledger.jobs, verb)(self.jobs[job_id], job_id)
        except MoveRefusedError:
            check(before not in legal, f"{verb} was refused from {before}")
            return
        check(before in legal, f"{verb} was allowed from {before}")
        if verb == "cancel":
            for step_id, held in list(self.held.items()):
                if held.claim.job_id == job_id:
                    self._lost(step_id)
                    self.ghosts.append(held.claim)

    # --- how it happens ---

    def _worker(self) -> str:
        return f"worker-{self.schedule.pick(self.n_workers)}-{self.n_crashes}"

    def _some_held(self, kind: StepKind | None = None) -> Held | None:
        held = [held for held in self.held.values() if kind is None or held.claim.kind == kind]
        return held[self.schedule.pick(len(held))] if held else None

    def _holds(self, claim: Claim) -> bool:
        held = self.held.get(claim.step_id)
        return held is not None and held.claim.epoch == claim.epoch

    def _must_hold(self, claim: Claim, way: str) -> None:
        check(self._holds(claim), f"{way} of step {claim.step_id} was accepted from a lost claim")

    def _let_go(self, claim: Claim) -> None:
        if self._holds(claim):
            self._lost(claim.step_id)

    def _lost(self, step_id: int) -> None:
        del self.held[step_id]
        self.n_claims_lost += 1

    def _claim(self, owner: str, kinds: tuple[StepKind, ...], most: int) -> bool:
        weights = (None, story.WEIGHTS, story.OTHER_WEIGHTS)[self.schedule.pick(3)]
        claims = self.ledger.steps.claim(kinds, owner=owner, lease_seconds=LEASE, most=most, weights=weights)
        for claim in claims:
            self.trace.append(f"{owner} claims {claim.kind} {claim.step_id}#{claim.epoch}")
            check(claim.step_id not in self.held, f"step {claim.step_id} was claimed while it is held")
            check(
                claim.epoch == self.latest.get(claim.step_id, 0) + 1,
                f"step {claim.step_id} was claimed in epoch {claim.epoch} again",
            )
            check(
                self.job_states[claim.job_id] in {"queued", "running"},
                f"a step of a job that is {self.job_states[claim.job_id]} was claimed",
            )
            check(claim.tenant_id == self.jobs[claim.job_id], "a claim names another tenant")
            check(len({(each.kind, each.weights_digest) for each in claims}) == 1, "a claim mixes weights")
            self.latest[claim.step_id] = claim.epoch
            self.held[claim.step_id] = Held(claim, owner, self.clock.seconds + LEASE)
        return bool(claims)

    def _crash(self, owner: str, *, frozen: bool) -> None:
        self.n_crashes += 1
        self.trace.append(f"{owner} {'freezes' if frozen else 'crashes'}")
        if frozen:
            self.ghosts += [held.claim for held in self.held.values() if held.owner == owner]
        elif self.schedule.pick(2):  # its machine notices at once
            self.trace.append(f"lapse {owner}")
            self.ledger.steps.lapse(owner=owner)
            for step_id, held in list(self.held.items()):
                if held.owner == owner:
                    self._lost(step_id)

    def _finish(self, claim: Claim) -> None:
        """Does the work and records it; the world knows whether the ledger should have taken it."""
        is_again = (
            self.step_states.get(claim.step_id) == "succeeded" and self.latest[claim.step_id] == claim.epoch
        )
        self.trace.append(f"finish {claim.kind} {claim.step_id}#{claim.epoch}")
        try:
            self._record(claim)
        except LeaseLostError:
            check(not self._holds(claim), f"step {claim.step_id} was refused to the worker that holds it")
            return
        if not is_again:
            self._must_hold(claim, "finish")
            del self.held[claim.step_id]

    def _record(self, claim: Claim) -> None:
        steps = self.ledger.steps
        if claim.kind == StepKind.PLAN:
            lengths, chunk = self.books[claim.job_id]
            chapters = story.planned(claim.job_id, lengths)
            self.objects |= {chapter.script.key for chapter in chapters}
            weights = story.WEIGHTS if claim.tenant_id == self.tenants[0] else story.OTHER_WEIGHTS
            steps.plan(
                claim, title="A Book", chapters=chapters, weights_digest=weights, chunk_utterances=chunk
            )
            return
        if claim.kind == StepKind.SYNTHESIZE:
            first, n = claim.first_utterance or 0, claim.n_utterances or 0
            digests = [story.digest_of(claim, index) for index in range(first, first + n)]
            missing = sorted(set(digests) - set(self.ledger.takes.find(claim.tenant_id, digests)))
            self.n_spoken += len(missing)
            key = f"render/{claim.job_id}/{claim.step_id}/{claim.epoch}"
            files = [story.stored(key)] if missing else []
            takes = [TakeRange(digest, key, place, 1) for place, digest in enumerate(missing)]
            self.objects.add(key)
            steps.finish(claim, artefacts=files, takes=takes, audio_seconds=float(n))
            return
        key = f"{claim.kind}/{claim.job_id}/{claim.step_id}/{claim.epoch}"
        self.objects.add(key)
        kind = "chapter" if claim.kind == StepKind.MASTER else "book"
        file = story.stored(key, kind, name=f"{claim.chapter_index}", chapter_index=claim.chapter_index)
        steps.finish(claim, artefacts=[file], audio_seconds=2.0 if kind == "chapter" else None)

    def _keep(self, claim: Claim, index: int) -> None:
        key = f"render/{claim.job_id}/{claim.step_id}/{claim.epoch}/{index}"
        digest = story.digest_of(claim, index)
        self.trace.append(f"keep {claim.step_id}#{claim.epoch} utterance {index}")
        if self.ledger.takes.find(claim.tenant_id, [digest]):
            return
        self.n_spoken += 1
        self.objects.add(key)
        self.ledger.steps.keep(claim, artefacts=[story.stored(key)], takes=[TakeRange(digest, key, 0, 1)])
        self._must_hold(claim, "keep")

    # --- what must hold ---

    def check_rows(self) -> None:
        """Compares the rows with what the world knows; through sqlite3, which is ten times as fast."""
        self._check_events()
        rows = self.raw.execute("SELECT id, state, epoch, owner, job_id, attempt FROM steps").fetchall()
        leased = {row[0]: (row[2], row[3]) for row in rows if row[1] == "leased"}
        known = {step_id: (held.claim.epoch, held.owner) for step_id, held in self.held.items()}
        check(leased == known, f"leased {leased}, but held {known}")
        for step_id, state, epoch, _, job_id, attempt in rows:
            check(self.step_states[step_id] == state, f"step {step_id} is {state} without an event")
            check(epoch == self.latest.get(step_id, 0), f"step {step_id} has epoch {epoch}")
            check(attempt <= epoch, f"step {step_id} has more attempts than claims")
            if self.job_states[job_id] in ENDED:
                check(
                    state in ENDED, f"job {job_id} is {self.job_states[job_id]}, its step {step_id} {state}"
                )
            if self.job_states[job_id] == "succeeded":
                check(state == "succeeded", f"job {job_id} succeeded, its step {step_id} is {state}")
        for job_id, state, n_done, seconds in self.raw.execute(
            "SELECT id, state, n_utterances_done, audio_seconds FROM jobs"
        ):
            check(self.job_states[job_id] == state, f"job {job_id} is {state} without an event")
            done = self._one(
                "SELECT coalesce(sum(n_utterances), 0) FROM steps"
                " WHERE job_id = ? AND kind = 'synthesize' AND state = 'succeeded'",
                job_id,
            )
            of_chapters = self._one(
                "SELECT coalesce(sum(n_utterances_done), 0) FROM chapters WHERE job_id = ?", job_id
            )
            check(n_done == done == of_chapters, f"{n_done} done, steps say {done}, chapters {of_chapters}")
            check(seconds == float(done), f"{seconds} s of sound in {done} utterances of a second")

    def _check_events(self) -> None:
        for event_id, kind, job_id, step_id in self.raw.execute(
            "SELECT id, kind, job_id, step_id FROM events WHERE id > ? ORDER BY id", (self.last_event,)
        ).fetchall():
            self.last_event = event_id
            subject, _, state = kind.partition(".")
            if subject == "job":
                before = self.job_states.get(job_id)
                check(state in JOB_TABLE[before], f"job {job_id} moved from {before} to {state}")
                self.job_states[job_id] = state
                self.n_jobs_ended[job_id] += state in ENDED
            elif subject == "step":
                was = self.step_states.get(step_id, "ready")  # a first step or a chunk; blocked ones: below
                check(state in STEP_TABLE[was], f"step {step_id} moved from {was} to {state}")
                self.step_states[step_id] = state
        for step_id, state in self.raw.execute("SELECT id, state FROM steps"):
            self.step_states.setdefault(step_id, state)

    def check_end(self) -> None:
        """After the dust has settled."""
        for job_id, tenant_id in self.jobs.items():
            state = self.job_states[job_id]
            check(state in ENDED, f"job {job_id} never ended: it is {state}")
            n_told = self._one("SELECT count(*) FROM deliveries WHERE job_id = ?", job_id)
            check(
                n_told == self.n_jobs_ended[job_id], f"{n_told} webhooks for {self.n_jobs_ended[job_id]} ends"
            )
            if state == "succeeded":
                self._check_takes(job_id)
            stranger = next(tenant for tenant in self.tenants if tenant != tenant_id)
            try:
                self.ledger.jobs.get(stranger, job_id)
            except JobMissingError:
                pass
            else:
                raise ViolationError(f"a stranger sees job {job_id}")
        check(not self.held, f"still leased after the end: {self.held}")
        keys = {key for (key,) in self.raw.execute("SELECT key FROM artefacts")}
        check(keys <= self.objects, f"rows of objects that were never stored: {keys - self.objects}")
        for table in ("steps", "events", "artefacts", "deliveries"):
            strays = self._one(
                f"SELECT count(*) FROM {table} JOIN jobs ON jobs.id = {table}.job_id"  # noqa: S608 - our own names
                f" WHERE jobs.tenant_id <> {table}.tenant_id"
            )
            check(strays == 0, f"{strays} rows of {table} belong to another tenant than their job")
        n_utterances = sum(sum(lengths) for lengths, _ in self.books.values())
        bound = n_utterances + LONGEST_CHUNK * (self.n_claims_lost + len(self.ghosts))
        check(self.n_spoken <= bound, f"{self.n_spoken} spoken; {bound} explained by lost claims")

    def _check_takes(self, job_id: str) -> None:
        lengths, _ = self.books[job_id]
        wanted = {
            story.digest(job_id, chapter, index)
            for chapter, n in enumerate(lengths, start=1)
            for index in range(n)
        }
        found = self.raw.execute(
            "SELECT takes.digest, artefacts.key FROM takes JOIN artefacts ON artefacts.id = takes.render_id"
            " WHERE takes.tenant_id = ?",
            (self.jobs[job_id],),
        ).fetchall()
        taken = Counter(digest for digest, _ in found if digest in wanted)
        check(taken == Counter(wanted), f"job {job_id} succeeded with takes {taken}")
        check(all(key in self.objects for _, key in found), "a take lies in a render that was never stored")
        n_files = self._one(
            "SELECT count(DISTINCT name) FROM artefacts WHERE job_id = ? AND kind IN ('chapter', 'book')",
            job_id,
        )
        check(n_files == len(lengths) + 1, f"job {job_id} succeeded with {n_files} files")
        check(
            self._one(
                "SELECT count(*) FROM artefacts WHERE job_id = ? AND kind IN ('chapter', 'book')", job_id
            )
            == n_files,
            f"job {job_id} has two files of one name",
        )

    def _one(self, sql: str, *parameters: object) -> Any:
        return self.raw.execute(sql, parameters).fetchone()[0]


ACTIONS: Final[tuple[Callable[[World], None], ...]] = (
    World.work,
    World.work,
    World.work,
    World.work,
    World.claim,
    World.claim,
    World.submit,
    World.pass_time,
    World.pass_time,
    World.lapse,
    World.renew,
    World.crash,
    World.freeze,
    World.freeze,
    World.haunt,
    World.haunt,
    World.lose_answer,
    World.speak_alone,
    World.fail,
    World.release,
    World.steer,
)


@contextmanager
def open_stage(folder: Path) -> Iterator[Callable[[bytes], World]]:
    """What plays a schedule on an empty ledger and returns the world it ended in.

    One ledger serves all schedules of a process, for its statements are compiled only once. It does not
    sync its files: here only processes die, and those are imagined.
    """
    url = f"sqlite:///{folder / 'ledger.sqlite3'}"
    upgrade(url)
    clock = SetClock()
    ledger = Ledger(Settings(ledger=url), clock=clock, n_connections=1)
    event.listen(ledger.database.engine, "connect", lambda connection, _: connection.execute(NO_SYNC))
    raw = sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None)
    raw.execute(NO_SYNC)
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]

    def play(choices: bytes) -> World:
        for table in tables:
            raw.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        clock.seconds = 1_000_000.0
        tenants = [story.tenant(ledger, name) for name in ("alice", "bob")]
        world = World(ledger, clock, raw, tenants, Schedule(choices))
        try:
            world.run()
        except Exception as error:
            error.add_note("\n".join(world.trace))
            raise
        return world

    try:
        yield play
    finally:
        raw.close()
        ledger.close()
