"""The validated request, immutable, stored with the job. HTTP, command line and workers read the same one."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

Format = Literal["m4b", "mp3", "flac", "opus", "wav"]
Profile = Literal["acx", "podcast", "ebu-r128", "none"]
Line = Annotated[
    str, StringConstraints(max_length=500, strip_whitespace=True, pattern=r"^[^\x00-\x08\x0a-\x1f]*$")
]
LanguageTag = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, to_lower=True)
]
VoiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(@[0-9a-f]{6,64})?$")]
ChapterSelection = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", max_length=1000)
]

MOST_PRONUNCIATIONS = 2_000


class Spec(BaseModel):
    """What every spec shares: frozen, and no field it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_max_length=5_000_000, use_attribute_docstrings=True
    )


def faults_of(error: ValidationError, spec: type[Spec]) -> list[tuple[tuple[str, ...], str]]:
    """Each fault of what should have been such a spec: where, and what; of an unknown field a guess.

    A function and not a validator: a validator that runs before pydantic's own would turn strict JSON into
    Python first, where a list is no tuple any more.
    """
    return [_fault(each, spec) for each in error.errors(include_url=False, include_input=False)]


def _fault(found: ErrorDetails, spec: type[Spec]) -> tuple[tuple[str, ...], str]:
    place = tuple(str(step) for step in found["loc"])
    if found["type"] != "extra_forbidden":
        return place, found["msg"].removeprefix("Value error, ")
    near = difflib.get_close_matches(place[-1], _fields_at(spec, place[:-1]), n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return place, f"unknown field {place[-1][:80]!r}{guess}"


def _fields_at(spec: type[BaseModel], place: Sequence[str]) -> list[str]:
    """The fields of the model that stands there within `spec`; a number is a place in a list of models."""
    for step in place:
        if not step.isdecimal():
            spec = next(_models_in(spec.model_fields[step].annotation))
    return list(spec.model_fields)


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names: `Webhook | None`, `tuple[Pronunciation, ...]`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models_in(part)


class Source(Spec):
    """The text or book file of a narration, already in the object store. Made by the server, never sent."""

    key: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    n_bytes: Annotated[int, Field(ge=1)]
    name: Line = ""
    """File name as the client gave it: its suffix hints at the format, and it is shown, never opened."""


class Webhook(Spec):
    """Where to tell of the job's end. Deliveries are signed as Standard Webhooks with the tenant's secret."""

    url: Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[^\x00-\x20\x7f]+$")]

    @field_validator("url")
    @classmethod
    def _is_plain_https(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
            raise ValueError("must be an https:// address without a user name")
        try:
            address = ipaddress.ip_address(parts.hostname)
        except ValueError:
            return url  # a name: every address it stands for is checked when we connect
        if not address.is_global or address.is_multicast:
            raise ValueError("must not be a private, loopback or link-local address")
        return url


class SamplingSettings(Spec):
    """How a voice draws what it says; what is absent has the family's default, which is upstream's."""

    top_k: Annotated[int, Field(ge=1, le=1024)] | None = None
    """How many of the likeliest tokens may be drawn; 1 is greedy. 15 if absent."""
    top_p: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    """Probability within which tokens may be drawn. 1, which keeps all, if absent."""
    temperature: Annotated[float, Field(ge=0.0, le=5.0, allow_inf_nan=False)] | None = None
    """Below 1 the likelier tokens win more often, above 1 less. 1 if absent."""
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10.0, allow_inf_nan=False)] | None = None
    """How much tokens that have occurred are held back; 1 is off. 1.35 if absent."""
    noise_scale: Annotated[float, Field(ge=0.0, le=2.0, allow_inf_nan=False)] | None = None
    """Noise in the decoder; 0 is none. 0.5 if absent."""
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """Another number draws other noise for every utterance. 0 if absent."""


class Pronunciation(Spec):
    """How one word is said: by `phonemes`, or as if it were spelt `respelling`; one of both."""

    word: Annotated[Line, StringConstraints(min_length=1, max_length=100)]
    language: LanguageTag
    """In text of another language the word is left alone."""
    phonemes: Annotated[Line, StringConstraints(min_length=1)] | None = None
    """Symbols of the voice, with blanks between them: "HH ER0 M AY1 AH0 N IY0"."""
    respelling: Annotated[Line, StringConstraints(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_said_in_one_way(self) -> Self:
        if (self.phonemes is None) == (self.respelling is None):
            raise ValueError("give either phonemes or a respelling")
        return self


class Narration(Spec):
    """What a narration shall be like, wherever its text comes from."""

    voice: VoiceName = "draft"
    language: LanguageTag | None = None
    """Overrides the language the book or the text says."""
    foreign: Literal["refuse", "as-book"] = "refuse"
    """What becomes of words of a language the voice does not speak: the narration is refused before anything
    is spoken, or they are read by the rules of the book's own language and listed as doubtful."""
    title: Line | None = None
    authors: tuple[Line, ...] | None = Field(default=None, max_length=50)
    narrator: Line | None = None
    """The name put into the tags; the voice's own name if absent."""
    chapters: ChapterSelection | None = None
    """"1-3,5": which of the chapters that `lectorium inspect` numbers; all of the body if absent."""
    matter: frozenset[Literal["front", "back"]] = frozenset()
    """Read front or back matter too."""
    formats: Annotated[
        tuple[Format, ...], Field(min_length=1, max_length=5, json_schema_extra={"uniqueItems": True})
    ] = ("m4b",)
    profile: Profile = "podcast"
    speed: Annotated[float, Field(ge=0.5, le=2.0, allow_inf_nan=False)] = 1.0
    sampling: SamplingSettings = SamplingSettings()
    """For voices that know these settings; one that does not refuses them."""
    lexicon: tuple[Pronunciation, ...] = Field(default=(), max_length=MOST_PRONUNCIATIONS)
    """How words of the text are said; they go before the voice's own lexicon."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """9 is served first. Interactive requests use 9, night work 0."""
    when: Literal["now", "off-peak"] = "now"
    """"off-peak": spoken in the operator's window only, behind all that does not wait for it."""
    webhook: Webhook | None = None

    @field_validator("formats")
    @classmethod
    def _once_each(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        if len(set(formats)) != len(formats):
            raise ValueError("names a format twice")
        return formats


class NarrationRequest(Narration):
    """A narration as a client asks for it."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=2_000_000)] | None = None
    """The text itself; or a book file beside this spec, never both."""

    def narrate(self, source: Source) -> NarrationSpec:
        """The spec to store with the job, once the text or file lies in the object store."""
        return NarrationSpec(source=source, **self.model_dump(exclude={"text"}))


class NarrationSpec(Narration):
    """A narration as it is stored and carried out."""

    source: Source
