"""What comes in for a new voice: a spec, recordings, and weights as safetensors; never a pickle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, cast

from flask import request
from pydantic import Field, ValidationError

from api.errors import Problem, invalid, invalid_body
from api.uploads import HashedFile, refuse_other_parts, spec_part
from jobs.specs import MOST_PRONUNCIATIONS, LanguageTag, Line, Pronunciation, Spec, VoiceName
from jobs.training import NewName, Statement, Transcript
from models_store.adding import NewVoice
from models_store.options import entry_of
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.text.lexicon import Entry, Lexicon, LexiconError

MOST_BYTES: Final = 2_000_000_000
"""Of a whole request: the largest published pair has 0.9 GB in single precision."""
MOST_PROMPT_BYTES: Final = 50_000_000
"""Ten seconds of anything; a recording that is longer is refused anyway."""
MOST_PROMPTS: Final = 5
PARTS: Final = ("spec", "prompt", "semantic", "decoder")


class VoiceRequest(Spec):
    """What a new voice shall be. It speaks with the weights of its base, or brings its own."""

    name: NewName
    """Of yours another name; the name of one you have makes a new version of it."""
    base: VoiceName | None = None
    """The voice whose weights it speaks with; left out when the parts `semantic` and `decoder` are sent."""
    transcript: Transcript
    """What is said in the first `prompt`, word for word."""
    language: LanguageTag
    """Of the recordings, BCP 47."""
    consent: Statement
    """How the speaker agreed to be cloned: who, to what, how it is known. It is put on record."""
    licence: Line = ""
    description: Line = ""
    lexicon: Annotated[tuple[Pronunciation, ...], Field(max_length=MOST_PRONUNCIATIONS)] = ()
    """How it says certain words; a job's own lexicon goes before it."""


class ConsentRequest(Spec):
    """A statement to be put on record in place of an older one."""

    statement: Statement
    """How the speaker agreed to be cloned: who, to what, how it is known."""


@dataclass(frozen=True, slots=True)
class AskedVoice:
    """A voice as it was asked for."""

    wanted: NewVoice
    prompts: tuple[Path, ...]
    weights: dict[str, Path]


@contextmanager
def voice_asked_for() -> Iterator[AskedVoice]:
    """The voice that the current request asks for, its files on disk until the end of the block.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    request.max_content_length = MOST_BYTES
    if request.mimetype != "multipart/form-data":
        detail = "Send multipart/form-data with a spec and at least one prompt."
        raise Problem(415, detail, headers={"Accept": "multipart/form-data"})
    refuse_other_parts(PARTS)
    spec = _read_spec(spec_part())
    with TemporaryDirectory(prefix="lectorium-") as folder:
        yield AskedVoice(spec, tuple(_prompts(Path(folder))), _weights(Path(folder)))


def consent_asked_for() -> str:
    """The statement that the current request puts on record. Raises Problem: 400, 413 or 422."""
    try:
        return ConsentRequest.model_validate_json(request.get_data(cache=False), strict=True).statement
    except ValidationError as error:
        raise invalid_body(error, ConsentRequest) from error


def _read_spec(content: bytes) -> NewVoice:
    try:
        spec = VoiceRequest.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise invalid_body(error, VoiceRequest) from error
    lexicon = Lexicon(tuple(_entries(spec)))
    return NewVoice(**{**spec.model_dump(), "base": spec.base or "", "lexicon": lexicon})


def _entries(spec: VoiceRequest) -> Iterator[Entry]:
    for number, asked in enumerate(spec.lexicon):
        try:
            yield entry_of(asked)
        except LexiconError as error:
            raise invalid([{"pointer": f"/lexicon/{number}", "detail": str(error)}]) from error


def _prompts(folder: Path) -> Iterator[Path]:
    parts = request.files.getlist("prompt")
    if len(parts) > MOST_PROMPTS:
        raise invalid([{"pointer": "/prompt", "detail": f"{len(parts)} recordings; at most {MOST_PROMPTS}"}])
    for number, part in enumerate(parts, start=1):
        if cast("HashedFile", part.stream).n_bytes > MOST_PROMPT_BYTES:
            raise Problem(413, f"Prompt {number} is longer than {MOST_PROMPT_BYTES:,} bytes.")
        yield _kept(part.stream, folder / str(number))


def _weights(folder: Path) -> dict[str, Path]:
    weights = {}
    for name in (SEMANTIC, DECODER):
        parts = request.files.getlist(Path(name).stem)
        if len(parts) > 1:
            raise invalid([{"pointer": f"/{Path(name).stem}", "detail": "is sent twice"}])
        if parts:
            weights[name] = _kept(parts[0].stream, folder / name)
    return weights


def _kept(stream: object, path: Path) -> Path:
    with path.open("xb") as file:
        shutil.copyfileobj(cast("HashedFile", stream), file)
    return path
