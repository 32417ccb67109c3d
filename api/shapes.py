"""What answers look like: the JSON of jobs, chapters, artefacts, voices and problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from jobs.ledger.pull_values import PullProgress
from jobs.ledger.training_values import ChosenHours, Energy, TrainingProgress
from jobs.ledger.values import ArtefactView, ChapterView, JobView
from jobs.states import JobKind, JobState
from models_store.consent import Consent
from models_store.manifest import VoiceManifest

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Shape(BaseModel):
    """What every answer shares: no field that the document does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Progress(Shape):
    """How far a job has come."""

    utterances_done: int
    utterances: int
    """0 until the book is read."""
    audio_seconds: float
    """Sound made so far."""
    eta_seconds: float | None
    """Expected seconds until the sound is made, from the pace of the last minute; null while unknown."""
    goes_on_at: Moment | None
    """When the window opens that an off-peak job waits for; null if it need not wait, and in lists."""


class ChapterShape(Shape):
    """A chapter of a narration."""

    index: int
    """From 1, in the order of narration."""
    title: str
    characters: int
    utterances: int
    utterances_done: int
    audio_seconds: float

    @classmethod
    def of(cls, chapter: ChapterView) -> Self:
        """The chapter as it is shown."""
        return cls(
            index=chapter.index,
            title=chapter.title,
            characters=chapter.n_characters,
            utterances=chapter.n_utterances,
            utterances_done=chapter.n_utterances_done,
            audio_seconds=chapter.audio_seconds,
        )


class ArtefactShape(Shape):
    """A finished file."""

    name: str
    kind: str
    chapter: int | None
    media_type: str
    bytes: int
    sha256: str
    href: str
    """Where it is downloaded, on this server."""
    created_at: Moment

    @classmethod
    def of(cls, artefact: ArtefactView, job_id: str) -> Self:
        """The file as it is shown; where it is stored is the house's affair."""
        return cls(
            name=artefact.name,
            kind=artefact.kind,
            chapter=artefact.chapter_index,
            media_type=artefact.media_type,
            bytes=artefact.n_bytes,
            sha256=artefact.sha256,
            href=f"/v1/jobs/{job_id}/artefacts/{quote(artefact.name, safe='')}",
            created_at=rfc3339(artefact.created_at),
        )


class JobError(BaseModel):
    """Why a job failed: the first fault, and all of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    """Short and stable: "unreadable-book", "unreadable-text", "crash", "mastering", ..."""
    message: str
    """One clear line that names the place."""
    chapter: int | None = None
    utterance: int | None = None
    errors: tuple[JobError, ...] = ()
    others: tuple[JobError, ...] = ()
    """What else went wrong in the same place: a line for each recording, or each utterance."""


class TrainingShape(Shape):
    """How far a training has come."""

    stage: str
    """Which network learns."""
    updates_done: int
    updates: int
    updates_per_second: float | None

    @classmethod
    def of(cls, progress: TrainingProgress) -> Self:
        """As it is shown."""
        return cls(
            stage=progress.stage,
            updates_done=progress.updates_done,
            updates=progress.updates,
            updates_per_second=progress.updates_per_second,
        )


class EnergyShape(Shape):
    """What a job has used so far."""

    kwh: float
    source: Literal["nvml", "rapl", "estimate"]
    """How it is known: the GPU's own counter, the processor's, or an estimate."""
    grams_co2e: float | None
    cost: float | None
    """In the operator's currency; null where no price is known."""

    @classmethod
    def of(cls, energy: Energy) -> Self:
        """As it is shown."""
        return cls(kwh=energy.kwh, source=energy.source, grams_co2e=energy.grams, cost=energy.cost)


class OpeningShape(Shape):
    """A stretch of time."""

    opens_at: Moment
    closes_at: Moment


class HoursShape(Shape):
    """When a training shall run, chosen by a signal of carbon or price."""

    openings: tuple[OpeningShape, ...]
    needed_seconds: float
    """How long it was expected to take."""
    is_measured: bool
    """Whether that follows from the last training of the same base here, and not from assumptions."""
    meets_deadline: bool
    saving: float | None
    """The share of the signal that is saved against starting at once; null where it does not say."""
    unit: str
    """Of the signal."""

    @classmethod
    def of(cls, hours: ChosenHours) -> Self:
        """As they are shown."""
        return cls(
            openings=tuple(
                OpeningShape(opens_at=rfc3339(start), closes_at=rfc3339(end)) for start, end in hours.openings
            ),
            needed_seconds=hours.needed_seconds,
            is_measured=hours.is_measured,
            meets_deadline=hours.meets_deadline,
            saving=hours.saving,
            unit=hours.unit,
        )


class PulledShape(Shape):
    """Something that a pull has put on the shelf, or found there."""

    name: str
    revision: str
    """The commit it is of; empty where that is not known."""
    is_new: bool


class PullShape(Shape):
    """How far a pull has come."""

    bytes_done: int
    """What is here; what an earlier attempt had brought counts."""
    bytes: int
    """Of all files that have to come; 0 until the hub has said so."""
    doing: str
    """A line for people."""
    pulled: tuple[PulledShape, ...]
    """What was asked for, once all of it is there."""

    @classmethod
    def of(cls, progress: PullProgress) -> Self:
        """As it is shown."""
        pulled = tuple(PulledShape(**asdict(each)) for each in progress.pulled)
        return cls(
            bytes_done=progress.bytes_done, bytes=progress.n_bytes, doing=progress.doing, pulled=pulled
        )


class JobSummary(Shape):
    """A job in a list."""

    id: str
    kind: JobKind
    state: JobState
    title: str
    priority: int
    progress: Progress
    error: JobError | None
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    href: str

    @classmethod
    def of(cls, job: JobView) -> Self:
        """The job as a list shows it."""
        return cls(**_summary(job))


class JobShape(JobSummary):
    """A job: what was asked, where it stands, what came of it."""

    spec: dict[str, Any]
    """What was asked, without where the source is stored and all of a webhook's address but its host."""
    chapters: tuple[ChapterShape, ...] = ()
    """Empty until the book is read."""
    artefacts: tuple[ArtefactShape, ...] = ()
    doubtful_takes: int = 0
    """Utterances of the finished chapters that somebody should listen to; `manifest.json` lists them."""
    training: TrainingShape | None = None
    """How far a training is; null before its first update, and of narrations."""
    energy: EnergyShape | None = None
    hours: HoursShape | None = None
    """When it shall train; null until that is chosen, and if it waits for no window."""
    pull: PullShape | None = None
    """How far a pull is; null before it has begun, and of other jobs."""
    links: dict[str, str] = Field(default_factory=dict)
    """What can be done with the job in this state: POST to these; `events` is for GET."""

    @classmethod
    def of(
        cls,
        job: JobView,
        chapters: Sequence[ChapterView] = (),
        artefacts: Sequence[ArtefactView] = (),
        doubtful_takes: int = 0,
    ) -> Self:
        """The job in full."""
        return cls(
            **_summary(job),
            spec=shown_spec(job.spec),
            chapters=tuple(map(ChapterShape.of, chapters)),
            artefacts=tuple(ArtefactShape.of(artefact, job.id) for artefact in artefacts),
            doubtful_takes=doubtful_takes,
            training=None if job.training is None else TrainingShape.of(job.training),
            energy=None if job.energy is None else EnergyShape.of(job.energy),
            hours=None if job.hours is None else HoursShape.of(job.hours),
            pull=None if job.pull is None else PullShape.of(job.pull),
            links=_links(job),
        )


class JobPage(Shape):
    """Some jobs, newest first."""

    jobs: tuple[JobSummary, ...]
    next: str | None
    """The `cursor` of the next page; null on the last."""


class ConsentShape(Shape):
    """What stands on record of a speaker's agreement."""

    statement: str
    recorded_at: Moment
    prompts: tuple[str, ...]
    """SHA-256 of each recording it is for."""

    @classmethod
    def of(cls, consent: Consent) -> Self:
        """The record as it is shown."""
        return cls(**consent.model_dump())


class PromptShape(Shape):
    """A recording a voice is cloned from."""

    transcript: str
    """Empty for one that gives timbre only."""
    language: str
    sha256: str
    bytes: int


class VoiceVersion(Shape):
    """An immutable version of a voice."""

    version: str
    family: str
    languages: tuple[str, ...] | None
    """BCP 47 tags; null where the voice is not bound to any."""
    licence: str
    description: str
    base: str | None
    """`name@version` of the voice whose weights it speaks with; null if it has its own, or needs none."""
    prompts: tuple[PromptShape, ...]
    """Empty for voices that are cloned of nobody."""
    may_speak: bool
    """False for a cloned voice whose speaker's consent is not on record."""

    @classmethod
    def of(cls, manifest: VoiceManifest, consent: Consent | None) -> Self:
        """The version as it is shown; `consent`: what is on record for it."""
        return cls(
            version=manifest.version,
            family=manifest.family,
            languages=None if manifest.languages == "any" else tuple(manifest.languages),
            licence=manifest.licence,
            description=manifest.description,
            base=manifest.base or None,
            prompts=tuple(
                PromptShape(
                    transcript=prompt.transcript,
                    language=prompt.language,
                    **manifest.files[prompt.file].model_dump(),
                )
                for prompt in manifest.prompts
            ),
            may_speak=not manifest.is_cloned or (consent is not None and consent.covers(manifest)),
        )


class VoiceShape(Shape):
    """A voice and its versions, the newest first; the first one speaks when none is asked for."""

    name: str
    versions: tuple[VoiceVersion, ...]
    own: bool
    """Whether it is yours to change; what is not is there for everybody."""
    href: str

    @classmethod
    def of(
        cls, manifests: Sequence[VoiceManifest], consents: Mapping[str, Consent | None], *, is_own: bool
    ) -> Self:
        """The voice whose versions these are, at least one; `consents`: by version."""
        name = manifests[0].name
        versions = tuple(VoiceVersion.of(manifest, consents[manifest.version]) for manifest in manifests)
        return cls(name=name, versions=versions, own=is_own, href=f"/v1/voices/{name}")


class VoiceList(Shape):
    """Every voice that can be asked for."""

    voices: tuple[VoiceShape, ...]


class Fault(Shape):
    """One thing that is wrong, and where."""

    detail: str
    pointer: str | None = None
    """JSON pointer into the body."""
    parameter: str | None = None
    """Name of the query parameter."""
    header: str | None = None


class ProblemShape(BaseModel):
    """Problem details, RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: tuple[Fault, ...] | None = None
    reference: str | None = None
    """What to tell the operator, who finds it in the log."""


def shown_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec without what is the house's own or the client's secret."""
    shown = dict(spec)
    for place in ("source", "listed"):
        if isinstance(shown.get(place), dict):
            shown[place] = _without_key(shown[place])
    if "recordings" in shown:
        shown["recordings"] = [
            {**recording, "source": _without_key(recording["source"])} for recording in shown["recordings"]
        ]
    if isinstance(shown.get("webhook"), dict):
        shown["webhook"] = {"host": urlsplit(str(shown["webhook"].get("url", ""))).hostname}
    return shown


def _without_key(source: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in source.items() if name != "key"}


def _summary(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "title": job.title,
        "priority": job.priority,
        "progress": Progress(
            utterances_done=job.n_utterances_done,
            utterances=job.n_utterances,
            audio_seconds=job.audio_seconds,
            eta_seconds=job.eta_seconds,
            goes_on_at=_moment(job.goes_on_at),
        ),
        "error": None if job.error is None else JobError.model_validate(job.error),
        "created_at": _moment(job.created_at),
        "started_at": _moment(job.started_at),
        "ended_at": _moment(job.ended_at),
        "href": f"/v1/jobs/{job.id}",
    }


_VERBS: dict[JobState, tuple[str, ...]] = {
    JobState.QUEUED: ("cancel",),
    JobState.RUNNING: ("cancel", "pause"),
    JobState.PAUSED: ("cancel", "resume"),
    JobState.FAILED: ("retry",),
}


def _links(job: JobView) -> dict[str, str]:
    return {verb: f"/v1/jobs/{job.id}/{verb}" for verb in (*_VERBS.get(job.state, ()), "events")}


def rfc3339(seconds: float) -> str:
    """The moment, given in seconds since 1970 UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
