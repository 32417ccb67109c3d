"""What a client may ask of /v1/audio/speech: OpenAI's fields, and how they are understood here."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator

from book.stream import StreamFormat
from jobs.specs import LanguageTag, Spec, VoiceName

MOST_CHARACTERS: Final = 4_096


class VoiceReference(Spec):
    """A voice as OpenAI names custom ones."""

    id: VoiceName


def _name_of(voice: Any) -> Any:
    """The voice's name, where it is given as an object with an id."""
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


class SpeechRequest(Spec):
    """A short text, to be heard at once."""

    model: Annotated[
        str, StringConstraints(pattern=r"^(lectorium|tts-1|tts-1-hd|gpt-4o-mini-tts(-[0-9-]+)?)$")
    ] = "lectorium"
    """OpenAI's names are taken too, and change nothing: it is the voice that says how it sounds."""
    input: Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]
    """The text. Blank lines part paragraphs."""
    voice: Annotated[VoiceName, BeforeValidator(_name_of, json_schema_input_type=VoiceName | VoiceReference)]
    """One of `GET /v1/voices`, by its name or as `{"id": NAME}`."""
    response_format: StreamFormat = StreamFormat.MP3
    """`pcm` is 24,000 samples a second, 16 bits, little-endian, mono; `aac` is ADTS, `opus` is Ogg."""
    speed: Annotated[float, Field(ge=0.5, le=2.0, allow_inf_nan=False)] = 1.0
    """OpenAI's bounds are 0.25 and 4; no voice here speaks so slowly or so fast."""
    stream: bool = True
    """False: the answer comes whole, with its length. OpenAI's own has no such field, and streams."""
    stream_format: Literal["audio"] = "audio"
    """`sse` is not offered."""
    instructions: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)] | None = None
    """Must be empty: no voice here takes any."""
    language: LanguageTag | None = None
    """Of the text; not OpenAI's. If absent it is guessed, and where the text is too short for that it is the
    voice's own."""

    @field_validator("instructions")
    @classmethod
    def _takes_none(cls, instructions: str | None) -> str | None:
        if instructions and instructions.strip():
            raise ValueError("no voice here takes instructions; leave them out")
        return None
