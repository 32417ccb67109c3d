"""How far a job is: a bar on a terminal, a line now and then elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from cli.console import clock, count, energy, size, tell
from jobs.ledger import Ledger
from jobs.ledger.pull_values import PullProgress
from jobs.ledger.values import ChapterView, JobView
from jobs.states import JOB_ENDED, JobKind, JobState

LINE_SECONDS: Final = 15.0
"""How often a line tells how far the job is, where no bar can be drawn."""


class Display(Protocol):
    """Something that shows how far a job is."""

    def show(self, job: JobView, chapters_done: int, chapters: int, pace: float | None) -> None:
        """Shows the job as it stands; `pace` is audio seconds per second since we watch."""
        ...

    def line(self, text: str) -> None:
        """Puts a line above what is shown."""
        ...


class Follower:
    """Reads a job again and again and shows what has changed."""

    def __init__(self, ledger: Ledger, tenant_id: str, job_id: str, display: Display) -> None:
        self._ledger = ledger
        self._tenant_id = tenant_id
        self._job_id = job_id
        self._display = display
        self._began_at = time.monotonic()
        self._seconds_before: float | None = None
        self._chapters: list[ChapterView] = []
        self._done: set[int] = set()
        self._version = 0
        self._last_event = 0
        self.advanced = False
        """Whether the last look found the job changed."""

    @property
    def wall_seconds(self) -> float:
        """How long we have watched."""
        return time.monotonic() - self._began_at

    def look(self) -> JobView:
        """The job as it stands now, shown."""
        job = self._ledger.jobs.get(self._tenant_id, self._job_id)
        self.advanced = job.version != self._version
        self._version = job.version
        if self._seconds_before is None:
            self._seconds_before = job.audio_seconds
        if job.n_utterances and not self._chapters:
            self._chapters = self._ledger.jobs.chapters(self._tenant_id, self._job_id)
        if self.advanced:
            self._read_events()
        self._display.show(job, len(self._done), len(self._chapters), self._pace(job))
        return job

    def _read_events(self) -> None:
        was_there = self._last_event > 0  # what was done before we came is no news
        while events := self._ledger.jobs.events(self._tenant_id, self._job_id, after=self._last_event):
            self._last_event = events[-1].id
            for event in events:
                if event.kind == "chapter.done":
                    self._note_chapter(event.detail["chapter"], event.detail["audio_seconds"], tell=was_there)

    def _note_chapter(self, index: int, audio_seconds: float, *, tell: bool) -> None:
        self._done.add(index)
        if tell:
            title = next((chapter.title for chapter in self._chapters if chapter.index == index), "")
            self._display.line(
                f"chapter {index} of {len(self._chapters)} done: {title} ({clock(audio_seconds)})"
            )

    def _pace(self, job: JobView) -> float | None:
        made = job.audio_seconds - (self._seconds_before or 0.0)
        return made / self.wall_seconds if made > 0 and self.wall_seconds > 0.5 else None


STEPS_ALONE: Final = {JobKind.EXPORT: "exporting", JobKind.PULL: "pulling"}
"""What a job is at that is one step and nothing else."""


def phase(job: JobView, chapters_done: int, chapters: int) -> str:
    """What the job is at, in one word."""
    if job.state in JOB_ENDED or job.state in (JobState.PAUSED, JobState.QUEUED):
        return str(job.state)
    if job.kind is JobKind.TRAINING:
        return _phase_of_training(job)
    if job.kind in STEPS_ALONE:
        return STEPS_ALONE[job.kind]
    if not job.n_utterances:
        return "planning"
    if job.n_utterances_done < job.n_utterances:
        return "reading"
    return "mastering" if chapters_done < chapters else "binding"


def _phase_of_training(job: JobView) -> str:
    if job.goes_on_at is not None:
        return "waiting for its window"
    if job.training is None:
        return "preparing"
    return "training" if job.training.updates_done < job.training.updates else "publishing"


class Lines:
    """A line at each change of phase, and every so many seconds while it is reading."""

    def __init__(self) -> None:
        self._last_phase = ""
        self._last_at = 0.0

    def show(self, job: JobView, chapters_done: int, chapters: int, pace: float | None) -> None:
        """Tells how far the job is, if it is time to."""
        now_at = phase(job, chapters_done, chapters)
        is_long = now_at in {"reading", "training", "pulling"}
        due = is_long and time.monotonic() - self._last_at > LINE_SECONDS
        if now_at == self._last_phase and not due:
            return
        self._last_phase, self._last_at = now_at, time.monotonic()
        if is_long:
            tell(f"{now_at}: {figures(job, chapters_done, chapters, pace)}")
        elif job.state not in JOB_ENDED:
            tell(now_at)

    def line(self, text: str) -> None:
        """Says it."""
        tell(text)


def figures(job: JobView, chapters_done: int, chapters: int, pace: float | None) -> str:
    """ "120 of 400 utterances · 3 of 12 chapters · 81× real time · 0:42 left"; of a training, its updates."""
    if job.kind is JobKind.TRAINING:
        return _figures_of_training(job)
    if job.kind in STEPS_ALONE:
        return "" if job.pull is None else pull_figures(job.pull)
    parts = [
        f"{job.n_utterances_done:,} of {count(job.n_utterances, 'utterance')}",
        f"{chapters_done} of {count(chapters, 'chapter')}",
    ]
    if pace is not None:
        parts.append(f"{pace:.1f}× real time" if pace < 10 else f"{pace:.0f}× real time")
    if job.eta_seconds is not None:
        parts.append(f"{clock(job.eta_seconds)} left")
    return " · ".join(parts)


def pull_figures(progress: PullProgress) -> str:
    """ "120.0 MB of 1.1 GB · converting GPT-SoVITS v2"."""
    parts = [f"{size(progress.bytes_done)} of {size(progress.n_bytes)}"] if progress.n_bytes else []
    return " · ".join([*parts, *filter(None, [progress.doing])])


def _figures_of_training(job: JobView) -> str:
    parts = []
    if (progress := job.training) is not None:
        done = f"{progress.updates_done:,} of {count(progress.updates, 'update')}"
        parts.append(f"{done} ({progress.stage})" if progress.stage else done)
    if job.energy is not None:
        parts.append(energy(job.energy.kwh))
    if job.eta_seconds is not None:
        parts.append(f"{clock(job.eta_seconds)} left")
    return " · ".join(parts)


class Bar:
    """A bar that stays on the last line of the terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._title = title
        self._row = self._progress.add_task("starting", total=None, figures="")

    def start(self) -> None:
        """Draws it."""
        self._progress.start()

    def stop(self) -> None:
        """Takes it away."""
        self._progress.stop()

    def show(self, job: JobView, chapters_done: int, chapters: int, pace: float | None) -> None:
        """Moves the bar."""
        n_done, n_units = job.n_utterances_done, job.n_utterances
        if job.training is not None:
            n_done, n_units = job.training.updates_done, job.training.updates
        if job.pull is not None:
            n_done, n_units = job.pull.bytes_done, job.pull.n_bytes
        self._progress.update(
            self._row,
            description=phase(job, chapters_done, chapters),
            total=n_units or None,
            completed=n_done,
            figures=figures(job, chapters_done, chapters, pace) if n_units else self._title,
        )

    def line(self, text: str) -> None:
        """Puts it above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)


@contextmanager
def display(title: str) -> Iterator[Display]:
    """The display that suits standard error, there until the end of the block."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Bar(title)
    bar.start()
    try:
        yield bar
    finally:
        bar.stop()
