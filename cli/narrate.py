"""A book becomes an audiobook with no server: submitted to the ledger, worked at by a crew, fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cli.console import clock, count, stop_on_signals, tell
from cli.crew import Crew, Post, worker_posts
from cli.desk import Desk, Seat
from cli.errors import CommandError, InputError
from cli.fetch import Fetched, fetch
from cli.home import Home, open_home
from cli.job import describe_chapter, error_lines
from cli.order import Order
from cli.progress import Display, Follower, display
from cli.speaking import options_for
from jobs.errors import LedgerUnavailableError, MoveRefusedError
from jobs.ledger.values import ChapterView, JobView, Stored
from jobs.objects import Objects
from jobs.settings import Settings
from jobs.specs import Source
from jobs.states import JOB_ENDED, JobKind, JobState
from jobs.stores import objects_of
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf

LOOK_SECONDS: Final = 0.3
SILENT_SECONDS: Final = 30.0
"""When nothing was finished for so long and nobody is at work, the user is told where the logs are."""
ORPHANS_SECONDS: Final = 5.0
"""How often we look for jobs whose reader was killed: they would take turns with ours."""
INTERACTIVE: Final = 9
"""Somebody sits before the terminal: served first."""
MEDIA_TYPE: Final = "application/octet-stream"
"""What a source is stored as: nobody opens it but a worker, and that looks for itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call of `read`."""

    job: JobView
    chapters: list[ChapterView]
    fetched: Fetched
    wall_seconds: float
    """How long this call worked at it; 0 when there was nothing left to do."""
    made_seconds: float
    """Sound made in that time."""
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0

    @property
    def pace(self) -> float | None:
        """Audio seconds made per second of this call, workers' start, mastering and binding included."""
        return self.made_seconds / self.wall_seconds if self.made_seconds and self.wall_seconds else None

    @property
    def audio_seconds(self) -> float:
        """Length of the finished chapters."""
        return sum(chapter.audio_seconds for chapter in self.chapters)

    def as_json(self) -> dict[str, Any]:
        """The outcome for a program to read."""
        return {
            "job": self.job.id,
            "state": self.job.state.value,
            "title": self.job.title,
            "files": [str(path) for path in self.fetched.paths],
            "chapters": [describe_chapter(chapter) for chapter in self.chapters],
            "audio_seconds": round(self.audio_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "times_real_time": None if self.pace is None else round(self.pace, 2),
            "loudness": self.fetched.loudness,
            "doubtful_takes": list(self.fetched.doubtful),
            "error": self.job.error,
        }


def narrate(order: Order, settings: Settings) -> Outcome:
    """Everything: submits the job or finds it, works until it ends or the user stops, fetches the result.

    Raises:
        BookError, VoiceError, InputError: the book cannot be read, or there is no such voice, or it may not
            speak or cannot do what is asked; nothing was submitted.
        CrewError: the workers do not stay up.
    """
    with open_home(settings) as home, ExitStack() as stack:
        objects = objects_of(settings)
        desk = Desk(settings.home)
        job_id = _ask(home, objects, order)
        seat = stack.enter_context(desk.hold(job_id))
        job = home.ledger.jobs.get(home.tenant_id, job_id)
        made_before, wall_seconds, stopped = job.audio_seconds, 0.0, 0
        if job.state not in JOB_ENDED:
            job, wall_seconds, stopped = work(home, desk, worker_posts(order.n_workers), job, seat)
        chapters = home.ledger.jobs.chapters(home.tenant_id, job_id)
        if stopped:
            tell(
                f"stopped with {job.n_utterances_done:,} of {count(job.n_utterances, 'utterance')} done "
                f"({clock(job.audio_seconds)} of sound); the same command goes on from there"
            )
            fetched = Fetched()
        else:
            desk.forget(job_id)
            fetched = fetch(home, objects, job, order)
        return Outcome(
            job,
            chapters,
            fetched,
            wall_seconds,
            max(0.0, job.audio_seconds - made_before),
            error_lines(job, chapters),
            stopped or (0 if job.state is JobState.SUCCEEDED else 1),
        )


# --- asking ---


def _ask(home: Home, objects: Objects, order: Order) -> str:
    """The id of the job for this order: the one made by the same call before, or a new one."""
    shelf = Shelf(home.settings.shelf_path, with_stub=home.settings.stub_voice).of(home.tenant_id)
    voice = shelf.resolve(order.narration.voice)
    shelf.require_consent(voice)
    options_for(voice, order.narration)
    with order.book.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    digest = order.digest(sha256, voice.version)
    for n in range(1000):
        key = f"read:{digest}:{n}"
        job_id = home.ledger.jobs.replay(home.tenant_id, key, digest)
        if job_id is None:
            return _submit(home, objects, order, sha256, voice, key, digest)
        if _take_up(home, objects, job_id):
            return job_id
    raise CommandError("this book was cancelled a thousand times with these very options")


def _take_up(home: Home, objects: Objects, job_id: str) -> bool:
    """Whether an earlier job serves: it goes on where it was, or is done. A cancelled one does not."""
    jobs, tenant_id = home.ledger.jobs, home.tenant_id
    job = jobs.get(tenant_id, job_id)
    done = f"{job.n_utterances_done:,} of {count(job.n_utterances, 'utterance')} are done"
    if job.state is JobState.CANCELLED:
        return False
    if job.state is JobState.SUCCEEDED:
        if any(
            objects.head(artefact.key) is None
            for artefact in jobs.artefacts(tenant_id, job_id, kinds=("book",))
        ):
            tell("read before, but its files are gone: reading again")
            return False
        tell("read before with these options: fetching the result")
    elif job.state is JobState.FAILED:
        tell(f"this failed before: trying the failed parts again; {done}")
        jobs.retry(tenant_id, job_id)
    else:
        tell(f"going on where it was: {done}" if job.n_utterances else "going on with planning")
        if job.state is JobState.PAUSED:
            jobs.resume(tenant_id, job_id)
    return True


def _submit(
    home: Home, objects: Objects, order: Order, sha256: str, voice: VoiceManifest, key: str, digest: str
) -> str:
    title = _check_book(order, voice)
    put = objects.put(f"t/{home.tenant_id}/sources/{sha256}", order.book, media_type=MEDIA_TYPE)
    name = "".join(char if char.isprintable() else "_" for char in order.book.name)[:500]
    spec = order.narration.narrate(Source(key=put.key, sha256=put.sha256, n_bytes=put.n_bytes, name=name))
    submitted = home.ledger.jobs.submit(
        home.tenant_id,
        JobKind.NARRATION,
        spec.model_copy(update={"priority": INTERACTIVE}).model_dump(mode="json"),
        title=title,
        priority=INTERACTIVE,
        source=Stored("source", put.key, put.sha256, put.n_bytes, MEDIA_TYPE, name),
        idempotency_key=key,
        request_digest=digest,
    )
    tell(f"reading {title} with the voice {voice.name}")
    return submitted.job_id


def _check_book(order: Order, voice: VoiceManifest) -> str:
    """The book's title; so that a book nobody can read is refused here and makes no job.

    Raises:
        BookError: it cannot be read, or the chapters asked for are not in it.
        InputError: nobody knows its language, and the voice must.
    """
    from book.errors import BookError
    from book.read import read
    from book.select import select
    from book.structure import Matter

    book = read(order.book)
    matter = frozenset({Matter.BODY, *(Matter(part) for part in order.narration.matter)})
    chapters = select(book, chapters=order.narration.chapters, matter=matter)
    if not chapters:
        raise BookError(f"{order.book}: there is nothing in it to read aloud")
    unknown = book.language == "und" and any(
        span.language == "und" for chapter in chapters for block in chapter.blocks for span in block.spans
    )
    if unknown and order.narration.language is None and voice.languages != "any":
        raise InputError(f"--language: {order.book} does not say its language; give it (en, zh, pt-br, ...)")
    return order.narration.title or book.title


# --- working ---


def work(
    home: Home, desk: Desk, posts: Sequence[Post], job: JobView, seat: Seat
) -> tuple[JobView, float, int]:
    """Works until the job ends: the job, the seconds it took, and 0 or the exit code of being stopped."""
    logs = home.settings.home / "logs"
    with (
        stop_on_signals() as stop,
        Crew(posts, home.settings, logs) as crew,
        display(job.title) as shown,
    ):
        follower = Follower(home.ledger, home.tenant_id, job.id, shown)
        chores = _Chores(home, desk, shown, job.id, logs)
        fault = ""
        while not stop.wait(LOOK_SECONDS):
            try:
                job = follower.look()
                if job.state in JOB_ENDED:
                    if not home.ledger.steps.owners(""):
                        crew.stop(at_once=True)  # nobody holds a lease: there is nothing to give back
                    return job, follower.wall_seconds, 0
                chores.do(job, follower)
                fault = ""
            except LedgerUnavailableError as error:
                if str(error) != fault:
                    fault = str(error)
                    shown.line(fault)
            for line in crew.tend():
                shown.line(line)
            if follower.advanced:
                crew.praise()
    if seat.is_alone():
        _pause(home, job.id)
    return job, follower.wall_seconds, stop.exit_code


class _Chores:
    """What is to be done now and then while the crew works."""

    def __init__(self, home: Home, desk: Desk, shown: Display, job_id: str, logs: Path) -> None:
        self._home = home
        self._desk = desk
        self._shown = shown
        self._job_id = job_id
        self._logs = logs
        self._orphans_at = 0.0
        self._silent_at = SILENT_SECONDS

    def do(self, job: JobView, follower: Follower) -> None:
        """Whatever is due."""
        now = follower.wall_seconds
        if now >= self._orphans_at:
            self._orphans_at = now + ORPHANS_SECONDS
            self._pause_orphans()
        if follower.advanced:
            self._silent_at = now + SILENT_SECONDS
        elif now >= self._silent_at:
            self._silent_at = now + SILENT_SECONDS
            waits = job.state is JobState.PAUSED or job.goes_on_at is not None
            if not waits and not self._home.ledger.steps.owners(""):
                self._shown.line(f"nobody took up any work for {SILENT_SECONDS:.0f} s; see {self._logs}")

    def _pause_orphans(self) -> None:
        """Pauses what killed calls of `read` left behind: it waits until its command is given again."""
        for job_id in self._desk.left_behind():
            if job_id == self._job_id:
                continue
            job = self._home.ledger.jobs.get(self._home.tenant_id, job_id)
            if job.state is JobState.QUEUED:
                continue  # it can be paused once it has begun
            self._desk.forget(job_id)
            if _pause(self._home, job_id):
                self._shown.line(
                    f"{job.title} was left unfinished by another call; it is paused until asked for again"
                )


def _pause(home: Home, job_id: str) -> bool:
    try:
        home.ledger.jobs.pause(home.tenant_id, job_id)
    except MoveRefusedError:
        return False  # it has ended, or was paused by somebody else
    return True
