"""A voice is trained with no server: submitted to the ledger, worked at by one worker, fetched."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cli.console import count, moment, tell
from cli.crew import Post
from cli.desk import Desk
from cli.errors import CommandError, InputError
from cli.fetch import save
from cli.home import Home, open_home
from cli.job import describe, error_lines
from cli.narrate import MEDIA_TYPE, work
from cli.training_order import Foreseen, TrainingOrder, check_files, sha256_of
from jobs.ledger.values import DELIVERED, ArtefactKind, JobView, Stored
from jobs.objects import Objects
from jobs.settings import Settings
from jobs.specs import Source
from jobs.states import JOB_ENDED, JobKind, JobState
from jobs.stores import objects_of
from models_store.adding import AddingError
from models_store.commission import check_commission, options_of
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf

LEARNER: Final = Post("learner", "worker", ("--kinds", "prepare,train,publish"))
STRETCH_SECONDS: Final = 6.0
"""What a long recording is taken to be cut into: 2 to 10 s, as its silences fall."""
MOST_SECONDS: Final = 7_200.0
"""More of a recording is not measured for an estimate."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of a call of `train`."""

    job: JobView
    paths: tuple[Path, ...] = ()
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {**describe(self.job), "files": [str(path) for path in self.paths]}


def teach(order: TrainingOrder, settings: Settings) -> Taught:
    """Everything: submits the job or finds it, works until it ends or the user stops, fetches its files.

    Raises:
        InputError: there is no such base, or it does not learn; nothing was submitted.
        CrewError: the worker does not stay up.
    """
    with open_home(settings) as home, ExitStack() as stack:
        objects, desk = objects_of(settings), Desk(settings.home)
        job_id = _ask(home, objects, order)
        seat = stack.enter_context(desk.hold(job_id))
        job, stopped = home.ledger.jobs.get(home.tenant_id, job_id), 0
        if job.goes_on_at is not None:
            tell(f"it waits for its window and goes on at {moment(job.goes_on_at)}")
        if job.state not in JOB_ENDED:
            job, _, stopped = work(home, desk, [LEARNER], job, seat)
        if stopped:
            tell("stopped; the same command goes on from there")
            return Taught(job, exit_code=stopped)
        desk.forget(job_id)
        return Taught(
            job,
            _fetch(home, objects, job, order.out),
            error_lines(job, []),
            0 if job.state is JobState.SUCCEEDED else 1,
        )


def ask_only(order: TrainingOrder, settings: Settings) -> str:
    """The id of the job, for other processes to work at."""
    with open_home(settings) as home:
        return _ask(home, objects_of(settings), order)


def foresee(order: TrainingOrder, settings: Settings) -> Foreseen:
    """What it would take and when it would run, as far as that can be said before anything is heard.

    Raises:
        InputError: there is no such base, or a recording cannot be read.
    """
    from models_store.hearing import HearingError, hear
    from speech.gpt_sovits.voice import read_device
    from speech.training.expect import Pace, device_name, expect

    with open_home(settings) as home:
        base = _check(home, order)
        check_files(order)
        stretches: list[float] = []
        for path in order.recordings:
            try:
                seconds = hear(path, most_seconds=MOST_SECONDS).seconds
            except HearingError as error:
                raise InputError(f"RECORDINGS: {path.name}: {error}") from error
            n_stretches = max(1, math.ceil(seconds / (STRETCH_SECONDS + 4)))
            stretches += [seconds / n_stretches] * n_stretches
        device = read_device(base.parameters)
        is_gpu = device.type == "cuda"
        decoder, semantic = options_of(order.training.options)
        last = home.ledger.trainings.last_pace(device_name(device), base.weights_digest)
        pace = Pace.assumed(settings.gpu_speedup if is_gpu else 1.0)
        watts = settings.gpu_watts if is_gpu else settings.core_watts
        if last is not None:
            pace = pace.but(last.decoder_seconds, last.semantic_seconds)
            watts = last.watts or watts
        expected = expect(stretches, decoder, semantic, pace)
        kwh = expected.seconds * watts / 3.6e6
        now = home.ledger.trainings.now()
        spec = order.training.model_dump(mode="json")
        hours = home.ledger.trainings.foresee(JobKind.TRAINING, spec, now, expected.seconds)
        waits = order.training.when == "off-peak"
        begins = hours.openings[0][0] if waits and hours.openings else now.timestamp()
        grams, price = settings.grid.per_kwh(datetime.fromtimestamp(begins, UTC))
        return Foreseen(
            audio_seconds=sum(stretches),
            n_updates=expected.n_updates,
            device=device.type,
            seconds=expected.seconds,
            is_measured=expected.is_measured,
            kwh=kwh,
            grams=kwh * grams,
            cost=None if price is None else kwh * price,
            openings=hours.openings if waits else (),
            meets_deadline=hours.meets_deadline or not waits,
            saving=hours.saving if waits else None,
            unit=hours.unit,
        )


# --- asking ---


def _check(home: Home, order: TrainingOrder) -> VoiceManifest:
    deadline = order.training.deadline
    if deadline is not None and deadline <= home.ledger.trainings.now():
        raise InputError("--deadline: has passed")
    shelf = Shelf(home.settings.shelf_path, with_stub=home.settings.stub_voice).of(home.tenant_id)
    try:
        return check_commission(shelf, order.training)
    except AddingError as error:
        raise InputError(f"--{error.field}: {error.reason}") from error


def _ask(home: Home, objects: Objects, order: TrainingOrder) -> str:
    """The id of the job for this order: the one made by the same call before, or a new one."""
    base = _check(home, order)
    files = check_files(order)
    if order.listed is not None:
        files |= {f"list:{order.listed.name}": sha256_of(order.listed)}
    digest = order.digest(files, base.version)
    for n in range(1000):
        key = f"train:{digest}:{n}"
        job_id = home.ledger.jobs.replay(home.tenant_id, key, digest)
        if job_id is None:
            return _submit(home, objects, order, key, digest)
        if _take_up(home, job_id):
            return job_id
    raise CommandError("this training was cancelled a thousand times with these very options")


def _take_up(home: Home, job_id: str) -> bool:
    """Whether an earlier job serves: it goes on where it was, or is done. A cancelled one does not."""
    jobs, tenant_id = home.ledger.jobs, home.tenant_id
    job = jobs.get(tenant_id, job_id)
    if job.state is JobState.CANCELLED:
        return False
    if job.state is JobState.SUCCEEDED:
        tell("trained before with these recordings and options")
    elif job.state is JobState.FAILED:
        tell("this failed before: trying the failed part again")
        jobs.retry(tenant_id, job_id)
    else:
        done = "" if job.training is None else f": {count(job.training.updates_done, 'update')} are done"
        tell(f"going on where it was{done}")
        if job.state is JobState.PAUSED:
            jobs.resume(tenant_id, job_id)
    return True


def _submit(home: Home, objects: Objects, order: TrainingOrder, key: str, digest: str) -> str:
    recordings = [_store(home, objects, path, "recording") for path in order.recordings]
    listed = None if order.listed is None else _store(home, objects, order.listed, "source")
    spec = order.training.train(tuple(map(_source, recordings)), None if listed is None else _source(listed))
    submitted = home.ledger.jobs.submit(
        home.tenant_id,
        JobKind.TRAINING,
        spec.model_dump(mode="json"),
        title=spec.title or spec.name,
        priority=spec.priority,
        source=listed,
        recordings=recordings,
        idempotency_key=key,
        request_digest=digest,
    )
    tell(f"training {spec.name} from {count(len(recordings), 'recording')}")
    return submitted.job_id


def _store(home: Home, objects: Objects, path: Path, kind: ArtefactKind) -> Stored:
    put = objects.put(f"t/{home.tenant_id}/sources/{sha256_of(path)}", path, media_type=MEDIA_TYPE)
    name = "".join(char if char.isprintable() else "_" for char in path.name)[:300]
    return Stored(kind, put.key, put.sha256, put.n_bytes, MEDIA_TYPE, name)


def _source(stored: Stored) -> Source:
    return Source(key=stored.key, sha256=stored.sha256, n_bytes=stored.n_bytes, name=stored.name)


def _fetch(home: Home, objects: Objects, job: JobView, out: Path | None) -> tuple[Path, ...]:
    """Report, plots, preview and evaluation, in the folder that was named; the voice is on the shelf."""
    if out is None:
        return ()
    kinds = [kind for kind in DELIVERED if kind != "voice"]
    files = home.ledger.jobs.artefacts(home.tenant_id, job.id, kinds=kinds)
    return save(objects, [(file, out / file.name) for file in files])
