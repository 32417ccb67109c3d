"""The spec of a training: which recordings become a voice, how, when, and with whose consent."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints, ValidationInfo, field_validator

from jobs.errors import JobsError, SettingsError
from jobs.schedule.windows import Window
from jobs.specs import LanguageTag, Line, Source, Spec, VoiceName, Webhook

MOST_RECORDINGS: Final = 500
MOST_STATEMENT_CHARACTERS: Final = 4_000

_WORDS: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$"  # no control characters, blanks apart
Statement = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MOST_STATEMENT_CHARACTERS, strip_whitespace=True, pattern=_WORDS
    ),
]
Transcript = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True, pattern=_WORDS)
]
NewName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
WindowText = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Epochs = Annotated[int, Field(ge=1, le=1_000)]
Lanes = Annotated[int, Field(ge=1, le=256)]
Passes = Annotated[int, Field(ge=1, le=256)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class TrainingOptions(Spec):
    """How the networks learn. What is absent has the trainer's own default, which is upstream's."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    precision: Literal["fp32", "bf16"] | None = None
    """"bf16": passes in bfloat16 where that is safe."""
    recompute: bool | None = None
    """Less memory for more time: layers are computed again on the way back."""
    fused: bool | None = None
    """One kernel for all of an optimiser's work."""
    ceiling: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = None
    """Norm that the gradient of an update is scaled down to."""
    look_every: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Updates between two looks at the held-out recordings."""
    patience: Annotated[int, Field(ge=0, le=1_000)] | None = None
    """Looks that may pass without a lower loss before the training ends early; 0 never ends it early."""
    least_per_epoch: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Recordings of an epoch: where there are fewer, it goes through them several times."""
    decoder_epochs: Epochs | None = None
    decoder_lanes: Lanes | None = None
    """Recordings in one pass."""
    decoder_passes: Passes | None = None
    """Passes whose gradients are added up before an update."""
    decoder_rate: Rate | None = None
    """The learning rate."""
    divergence_warm_up: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Updates until the divergence counts in full."""
    jitter_samples: Annotated[int, Field(ge=0, le=1_280)] | None = None
    """Recordings begin up to so many samples later than their tokens, anew in each update."""
    semantic_epochs: Epochs | None = None
    semantic_lanes: Lanes | None = None
    semantic_passes: Passes | None = None
    semantic_rate: Rate | None = None
    adapter_rank: Annotated[int, Field(ge=0, le=512)] | None = None
    """Train small adapters of this rank and leave the semantic model's own weights alone; 0 trains them."""


class Training(Spec):
    """What a training shall be like, wherever its recordings come from."""

    name: NewName
    """The voice it makes; the name of one you have makes a new version of it."""
    base: VoiceName
    """The voice whose weights it begins with."""
    language: LanguageTag
    """Of the recordings whose own is not given, BCP 47."""
    consent: Statement
    """How the speaker agreed to be cloned: who, to what, how it is known. It is put on record."""
    licence: Line = ""
    description: Line = ""
    options: TrainingOptions = TrainingOptions()
    when: Literal["now", "off-peak"] = "off-peak"
    """"off-peak": trained in its windows only. "now": as soon as a worker is free, day or night."""
    windows: tuple[WindowText, ...] = Field(default=(), max_length=20)
    """When it may train: "22:00-06:00 Europe/Berlin", "sat sun 00:00-24:00 UTC"; the operator's if empty."""
    deadline: AwareDatetime | None = None
    """By when it shall be done: the best hours of the windows before it are chosen. None: within a day."""
    title: Line | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """9 goes first among trainings; how they stand to narrations is the operator's policy."""
    webhook: Webhook | None = None

    @field_validator("windows")
    @classmethod
    def _know_windows(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for text in windows:
            try:
                Window.parse(text)
            except SettingsError as error:
                raise ValueError(str(error).removeprefix("window: ")) from error
        return windows

    @field_validator("windows", "deadline")
    @classmethod
    def _wait_for_something(cls, value: object, given: ValidationInfo) -> object:
        if value and given.data.get("when") == "now":
            raise ValueError('does not go with "when": "now", which waits for nothing')
        return value


class WordsError(JobsError):
    """What is said to be said in the recordings does not fit them; the message names the field."""

    def __init__(self, number: int | None, reason: str) -> None:
        self.place = ("words",) if number is None else ("words", str(number), "recording")
        """The field within the spec."""
        self.reason = reason
        super().__init__(f"{'.'.join(self.place)}: {reason}")


class Words(Spec):
    """What is said in one of the recordings."""

    recording: Line
    """Its file name."""
    text: Transcript
    language: LanguageTag | None = None


class TrainingRequest(Training):
    """A training as a client asks for it, its recordings beside it."""

    words: tuple[Words, ...] = Field(default=(), max_length=MOST_RECORDINGS)
    """What is said in the recordings; or a list file beside this spec; or a recogniser finds out."""

    def train(self, sources: tuple[Source, ...], listed: Source | None = None) -> TrainingSpec:
        """The spec to store with the job, once the recordings lie in the object store.

        Raises:
            WordsError: words are given for a recording that is not there, or twice, or a list too.
        """
        by_name = {source.name: source for source in sources}
        said: dict[str, Words] = {}
        for number, words in enumerate(self.words):
            if words.recording not in by_name:
                raise WordsError(number, f"there is no recording {words.recording!r}")
            if words.recording in said:
                raise WordsError(number, f"{words.recording!r} is named twice")
            said[words.recording] = words
        if said and listed is not None:
            raise WordsError(None, "either words or a list file, not both")
        recordings = tuple(
            Recording(
                source=source,
                text=said[source.name].text if source.name in said else None,
                language=said[source.name].language if source.name in said else None,
            )
            for source in sources
        )
        return TrainingSpec(recordings=recordings, listed=listed, **self.plain())

    def plain(self) -> dict[str, Any]:
        """The fields that are stored with the job as they are."""
        return {name: getattr(self, name) for name in Training.model_fields}


class Recording(Spec):
    """A recording, already in the object store."""

    source: Source
    text: Transcript | None = None
    """What is said in it; None where the list says so, or a recogniser has to."""
    language: LanguageTag | None = None
    """None: that of the training."""


class TrainingSpec(Training):
    """A training as it is stored and carried out."""

    recordings: Annotated[tuple[Recording, ...], Field(min_length=1, max_length=MOST_RECORDINGS)]
    listed: Source | None = None
    """A list file, `path|speaker|language|text`, that says which recording says what."""
