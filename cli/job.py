"""`lectorium job`: what becomes of narrations, wherever they were asked for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cli.console import clock, count, energy, moment, say, say_json, size, stop_on_signals, table, tell
from cli.errors import InputError
from cli.home import Home, open_home
from cli.settings import settings_of

if TYPE_CHECKING:
    from jobs.ledger.values import ArtefactView, ChapterView, JobView
    from jobs.messages import Knock

MOST_ERRORS = 20
"""A voice that cannot speak a language fails at every utterance: nobody reads six hundred lines of that."""
WATCH_SECONDS = 0.5
SILENT_SECONDS = 20.0
"""A job that has not moved for so long while nobody holds a lease gets a word about workers."""


@click.group()
def job() -> None:
    """Jobs: what was asked for and how far it is."""


@job.command("list")
@click.option("--state", "states", multiple=True, help="Only jobs in this state; may be given again.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_jobs(command: click.Context, states: tuple[str, ...], most: int, as_json: bool) -> None:
    """List jobs, the newest first."""
    from jobs.states import JobState

    for state in states:
        if state not in set(JobState):
            raise InputError(f"--state: {state!r} is none of {', '.join(JobState)}")
    with open_home(settings_of(command)) as home:
        jobs = home.ledger.jobs.page(home.tenant_id, states=[JobState(state) for state in states], most=most)
    if as_json:
        say_json([describe(entry) for entry in jobs])
        return
    rows = [
        (
            entry.id,
            str(entry.state),
            _done(entry),
            clock(entry.audio_seconds),
            (moment(entry.created_at) or "")[:16].replace("T", " "),
            entry.title,
        )
        for entry in jobs
    ]
    table(rows, ("id", "state", "done", "sound", "asked for (UTC)", "title"))


def _done(view: JobView) -> str:
    """Of a narration its utterances, of a training its updates, of a pull its bytes."""
    if view.pull is not None:
        return f"{size(view.pull.bytes_done)}/{size(view.pull.n_bytes)}"
    if view.training is not None:
        return f"{view.training.updates_done:,}/{view.training.updates:,}"
    return f"{view.n_utterances_done:,}/{view.n_utterances:,}"


@job.command()
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(command: click.Context, job_id: str, as_json: bool) -> None:
    """Show one job: chapters, artefacts, errors."""
    with open_home(settings_of(command)) as home:
        job_id = full_id(home, job_id)
        view = home.ledger.jobs.get(home.tenant_id, job_id)
        chapters = home.ledger.jobs.chapters(home.tenant_id, job_id)
        artefacts = home.ledger.jobs.artefacts(home.tenant_id, job_id)
    if as_json:
        say_json(
            {
                **describe(view),
                "chapters": [describe_chapter(chapter) for chapter in chapters],
                "artefacts": [describe_artefact(artefact) for artefact in artefacts],
            }
        )
        return
    say(f"{view.title or view.id}: {view.state}")
    for line in _lines_of(view):
        say(line)
    if view.goes_on_at is not None:
        say(f"off-peak: it goes on at {moment(view.goes_on_at)}")
    for chapter in chapters:
        say(
            f"  {chapter.index:>4}  {clock(chapter.audio_seconds):>8}  "
            f"{chapter.n_utterances_done:,}/{chapter.n_utterances:,}  {chapter.title}"
        )
    for artefact in artefacts:
        say(f"  {artefact.kind:<8} {size(artefact.n_bytes):>9}  {artefact.name}")
    for line in error_lines(view, chapters):
        say(line)


def _lines_of(view: JobView) -> list[str]:
    from cli.progress import pull_figures
    from jobs.states import JobKind

    if view.kind is JobKind.EXPORT:
        return [str(view.spec["voice"])]
    if view.kind is JobKind.PULL:
        told = [f"{each['title']}: licence {each['licence'] or 'not known'}" for each in view.spec["offers"]]
        return [*told, *([pull_figures(view.pull)] if view.pull else [])]
    if view.kind is not JobKind.TRAINING:
        done = f"{view.n_utterances_done:,} of {count(view.n_utterances, 'utterance')}"
        return [f"{done}, {clock(view.audio_seconds)} of sound"]
    lines = []
    if (progress := view.training) is not None:
        lines.append(f"{progress.updates_done:,} of {count(progress.updates, 'update')}")
    if (used := view.energy) is not None:
        grams = "" if used.grams is None else f", {used.grams:.1f} g CO2e"
        lines.append(f"{energy(used.kwh)} ({used.source}){grams}")
    if (hours := view.hours) is not None:
        saving = "" if hours.saving is None else f", to save {hours.saving:.0%} ({hours.unit})"
        chosen = "; ".join(f"{moment(start)} to {moment(end)}" for start, end in hours.openings)
        lines.append(f"hours chosen: {chosen or 'none'}{saving}")
    return lines


@job.command()
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON at its end.")
@click.pass_context
def watch(command: click.Context, job_id: str, as_json: bool) -> None:
    """Follow a job until it ends. Watching does no work: some `lectorium worker` or `up` must run."""
    from cli.progress import Follower, display
    from jobs.states import JOB_ENDED, JobState

    with open_home(settings_of(command)) as home, stop_on_signals() as stop:
        job_id = full_id(home, job_id)
        title = home.ledger.jobs.get(home.tenant_id, job_id).title
        still_since: float | None = 0.0
        with display(title) as shown:
            follower = Follower(home.ledger, home.tenant_id, job_id, shown)
            view = follower.look()
            while view.state not in JOB_ENDED:
                if stop.wait(WATCH_SECONDS):
                    raise click.exceptions.Exit(stop.exit_code)
                view = follower.look()
                if follower.advanced:
                    still_since = follower.wall_seconds
                elif still_since is not None and follower.wall_seconds - still_since > SILENT_SECONDS:
                    still_since = None
                    if view.state is JobState.PAUSED:
                        shown.line(f"the job is paused: lectorium job resume {job_id}")
                    elif view.goes_on_at is not None:
                        shown.line(f"the job is off-peak: it goes on at {moment(view.goes_on_at)}")
                    elif not home.ledger.steps.owners(""):
                        shown.line("nobody is working on it: start `lectorium up` or `lectorium worker`")
        chapters = home.ledger.jobs.chapters(home.tenant_id, job_id)
    if as_json:
        say_json(describe(view))
    else:
        say(f"{view.title or view.id}: {view.state}, {clock(view.audio_seconds)} of sound")
    for line in error_lines(view, chapters):
        tell(line)
    raise click.exceptions.Exit(0 if view.state is JobState.SUCCEEDED else 1)


@job.command()
@click.argument("job_id")
@click.pass_context
def cancel(command: click.Context, job_id: str) -> None:
    """Cancel a job. What is done of it stays stored."""
    with open_home(settings_of(command)) as home:
        view = home.ledger.jobs.cancel(home.tenant_id, full_id(home, job_id))
    say(f"{view.id} is {view.state}")


@job.command()
@click.argument("job_id")
@click.pass_context
def pause(command: click.Context, job_id: str) -> None:
    """Pause a job: what is in hand is finished, nothing new is begun."""
    with open_home(settings_of(command)) as home:
        view = home.ledger.jobs.pause(home.tenant_id, full_id(home, job_id))
    say(f"{view.id} is {view.state}")


@job.command()
@click.argument("job_id")
@click.pass_context
def resume(command: click.Context, job_id: str) -> None:
    """Let a paused job go on."""
    with open_home(settings_of(command)) as home:
        view, knocks = home.ledger.jobs.resume(home.tenant_id, full_id(home, job_id))
        ring(home, knocks)
    say(f"{view.id} is {view.state}")


@job.command()
@click.argument("job_id")
@click.pass_context
def retry(command: click.Context, job_id: str) -> None:
    """Try the failed parts of a failed job again; all that is done stays done."""
    with open_home(settings_of(command)) as home:
        view, knocks = home.ledger.jobs.retry(home.tenant_id, full_id(home, job_id))
        ring(home, knocks)
    say(f"{view.id} is {view.state}")


def ring(home: Home, knocks: list[Knock]) -> None:
    """Tells workers on other machines; on this one they look in the ledger by themselves."""
    if home.settings.broker.startswith("memory:"):
        return
    from jobs.messages import Doorbell, make_app

    Doorbell(make_app(home.settings.broker)).ring(knocks)


def full_id(home: Home, given: str) -> str:
    """The id of the one job whose id begins or ends with what was given.

    Raises:
        InputError: there is no such job, or there are several.
    """
    wanted = given.upper()
    found = [entry.id for entry in home.ledger.jobs.page(home.tenant_id, most=1000)]
    if wanted in found:
        return wanted
    matching = [
        job_id
        for job_id in found
        if len(wanted) >= 4 and (job_id.startswith(wanted) or job_id.endswith(wanted))
    ]
    if len(matching) == 1:
        return matching[0]
    fault = f"stands for {len(matching)} jobs" if matching else "is no job"
    raise InputError(f"JOB_ID: {given} {fault}; `lectorium job list` shows them")


def error_lines(view: JobView, chapters: list[ChapterView], *, most: int = MOST_ERRORS) -> list[str]:
    """One line for each error of the job, with its chapter and place; beyond `most`, how many more."""
    if view.error is None:
        return []
    titles = {chapter.index: chapter.title for chapter in chapters}
    errors = view.error.get("errors", [view.error])
    lines = [_error_line(each, titles) for error in errors for each in (error, *error.get("others", ()))]
    if len(lines) > most:
        more = f"and {count(len(lines) - most, 'error')} more: lectorium job show {view.id} --json"
        lines = [*lines[:most], more]
    return lines


def _error_line(error: dict[str, Any], titles: dict[int, str]) -> str:
    place = ""
    if (index := error.get("chapter")) is not None:
        title = titles.get(index)
        place = f"chapter {index}{f' ({title})' if title else ''}, "
    if (index := error.get("utterance")) is not None:
        place += f"utterance {index + 1}, "
    place = f"{place.removesuffix(', ')}: " if place else ""
    message = " ".join(str(error["message"]).split())
    return message if message.startswith(place) else place + message


def describe(view: JobView) -> dict[str, Any]:
    """The job for a program to read, as the HTTP API shows it."""
    spec = _shown_spec(view.spec)
    return {
        "id": view.id,
        "kind": view.kind.value,
        "state": view.state.value,
        "title": view.title,
        "priority": view.priority,
        "progress": {
            "utterances_done": view.n_utterances_done,
            "utterances": view.n_utterances,
            "audio_seconds": round(view.audio_seconds, 3),
            "eta_seconds": view.eta_seconds,
            "goes_on_at": moment(view.goes_on_at),
        },
        "training": None if view.training is None else asdict(view.training),
        "energy": None if view.energy is None else asdict(view.energy),
        "hours": None if view.hours is None else asdict(view.hours),
        "pull": None if view.pull is None else view.pull.as_json(),
        "error": view.error,
        "created_at": moment(view.created_at),
        "started_at": moment(view.started_at),
        "ended_at": moment(view.ended_at),
        "spec": spec,
    }


def _shown_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Without where files are stored."""
    if "recordings" in spec:
        names = [recording["source"]["name"] for recording in spec["recordings"]]
        return {**spec, "recordings": names, "listed": (spec.get("listed") or {}).get("name")}
    if "source" not in spec:
        return spec
    source = {name: value for name, value in spec["source"].items() if name != "key"}
    return {**spec, "source": source}


def describe_chapter(chapter: ChapterView) -> dict[str, Any]:
    """The chapter for a program to read, as the HTTP API shows it."""
    return {
        "index": chapter.index,
        "title": chapter.title,
        "characters": chapter.n_characters,
        "utterances": chapter.n_utterances,
        "utterances_done": chapter.n_utterances_done,
        "audio_seconds": round(chapter.audio_seconds, 3),
    }


def describe_artefact(artefact: ArtefactView) -> dict[str, Any]:
    """The artefact for a program to read, as the HTTP API shows it."""
    return {
        "name": artefact.name,
        "kind": artefact.kind,
        "chapter": artefact.chapter_index,
        "media_type": artefact.media_type,
        "bytes": artefact.n_bytes,
        "sha256": artefact.sha256,
        "created_at": moment(artefact.created_at),
    }
