"""What the ledger takes and gives: plain frozen values, no rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from jobs.ledger.pull_values import PullProgress
from jobs.ledger.training_values import ChosenHours, Energy, TrainingProgress
from jobs.messages import Knock
from jobs.states import JobKind, JobState, StepKind

ArtefactKind = Literal[
    "source",
    "script",
    "render",
    "chapter",
    "book",
    "recording",
    "features",
    "checkpoint",
    "voice",
    "report",
    "plot",
    "preview",
    "evaluation",
]
DELIVERED: Final[tuple[ArtefactKind, ...]] = (
    "chapter",
    "book",
    "voice",
    "report",
    "plot",
    "preview",
    "evaluation",
)
"""The kinds that readers are shown; the others are the house's own."""

URGENT: Final = 10
"""Priority from which a chunk belongs to a speech, which somebody waits for: no narration has it."""
ALL_PRIORITIES: Final = (-1_000, 1_000)
ALL_BUT_URGENT: Final = (-1_000, URGENT - 1)
ONLY_URGENT: Final = (URGENT, 1_000)


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which PostgreSQL refuses and a broken book may hold."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request speaks for."""

    tenant_id: str
    scopes: frozenset[str]
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that lies in the object store, to be given its row."""

    kind: ArtefactKind
    key: str
    sha256: str
    n_bytes: int
    media_type: str
    name: str = ""
    chapter_index: int | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a submission."""

    job_id: str
    replayed: bool
    """True when the Idempotency-Key had been used for this very request before."""
    knocks: tuple[Knock, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A step in one worker's hands, until its lease ends."""

    step_id: int
    epoch: int
    job_id: str
    tenant_id: str
    kind: StepKind
    attempt: int
    spec: dict[str, Any]
    chapter_index: int | None = None
    first_utterance: int | None = None
    n_utterances: int | None = None
    weights_digest: str | None = None
    suspects: dict[int, int] = field(default_factory=dict)
    """Utterance index -> crashes it was in hand at."""
    priority: int = 5
    open_seconds: float | None = None
    """How long after the claim its window closes; None if it waits for none."""
    waited_seconds: float = 0.0
    """How long it was due before it was claimed."""

    @property
    def is_urgent(self) -> bool:
        """Somebody waits for the sound of it."""
        return self.priority >= URGENT

    @property
    def careful(self) -> bool:
        """An earlier claim of this step got nowhere: speak one utterance at a time and note which."""
        return self.attempt > 1 or bool(self.suspects)


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step failed, for the person who asked for the job."""

    code: str
    """Short and stable: "unreadable-book", "unreadable-text", "crash", "mastering", ..."""
    message: str
    """One clear line that names the place."""
    chapter_index: int | None = None
    utterance_index: int | None = None
    others: tuple[StepError, ...] = ()
    """What else went wrong in the same step."""

    def with_others(self, others: Iterable[StepError]) -> StepError:
        """The same error, with the others of its step."""
        return replace(self, others=tuple(others))

    def as_json(self) -> dict[str, Any]:
        """The error as the API shows it; fields that do not apply are left out."""
        given = {
            "code": self.code,
            "message": storable(self.message),
            "chapter": self.chapter_index,
            "utterance": self.utterance_index,
            "others": [other.as_json() for other in self.others] or None,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PlannedChapter:
    """A chapter as the plan step found it. Its place in the sequence, from 1, is its index."""

    title: str
    n_characters: int
    n_utterances: int
    script: Stored


@dataclass(frozen=True, slots=True)
class TakeRange:
    """Where a take lies: a range of samples in a render."""

    digest: str
    render_key: str
    first_sample: int
    n_samples: int
    doubts: tuple[str, ...] = ()
    """What still seems wrong with it; empty for a good take."""


@dataclass(frozen=True, slots=True)
class FoundTake:
    """A stored take, with what is needed to fetch its render."""

    digest: str
    render_key: str
    render_sha256: str
    first_sample: int
    n_samples: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArtefactView:
    """A stored file, as readers see it."""

    name: str
    kind: ArtefactKind
    key: str
    sha256: str
    n_bytes: int
    media_type: str
    chapter_index: int | None
    created_at: float


@dataclass(frozen=True, slots=True)
class ChapterView:
    """A chapter of a job, as readers see it."""

    index: int
    title: str
    n_characters: int
    n_utterances: int
    n_utterances_done: int
    audio_seconds: float
    script_key: str
    script_sha256: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, as readers see it."""

    id: str
    tenant_id: str
    kind: JobKind
    state: JobState
    spec: dict[str, Any]
    title: str
    priority: int
    version: int
    n_characters: int
    n_utterances: int
    n_utterances_done: int
    audio_seconds: float
    error: dict[str, Any] | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    eta_seconds: float | None = None
    """Expected seconds until the end, from the pace so far; None when nothing can be said yet."""
    goes_on_at: float | None = None
    """When the window opens that the job waits for; None if it waits for none."""
    training: TrainingProgress | None = None
    """How far a training is; None before its first update, and of narrations."""
    energy: Energy | None = None
    """What it has used so far; None where nothing was measured."""
    hours: ChosenHours | None = None
    """When it shall run, if hours were chosen for it."""
    pull: PullProgress | None = None
    """How far a pull is; None before it has begun, and of other jobs."""


@dataclass(frozen=True, slots=True)
class EventView:
    """One change, as SSE and webhooks show it."""

    id: int
    job_id: str
    step_id: int | None
    kind: str
    detail: dict[str, Any]
    at: float
