"""The manifest: the JSON that says what a voice version is, and its files' digests."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models_store.lineage import Lineage
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.voice import Parameter

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""A voice's name: lower-case ASCII letters, digits and inner hyphens; safe in a URL and as a folder."""

MANIFEST: Final = "manifest.json"
"""What the manifest is called in its version's folder."""

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManifestError(VoiceError):
    """A manifest is not valid; the message names the field, in one line."""


class ManifestFile(BaseModel):
    """One file of a voice version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    sha256: _Sha256
    bytes: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, path: Path) -> Self:
        """What the file at `path` is. Raises OSError if it cannot be read."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(sha256=digest, bytes=file.tell())


class ManifestPrompt(BaseModel):
    """One of the recordings a voice is cloned from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    file: str
    """Its name in `files`."""
    transcript: str
    """Word for word; "" where only the timbre counts, which is never so for the first."""
    language: str
    """BCP 47, lower case."""


class VoiceManifest(BaseModel):
    """What a voice version is. Immutable: another content is another version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str
    """The voice's name; all its versions share it."""
    family: str
    """Which code speaks it: "draft", "stub", "gpt-sovits", ..."""
    weights_digest: _Sha256
    """Names the weights; versions with one digest may share a batch and a place on the GPU."""
    languages: Literal["any"] | tuple[str, ...]
    """BCP 47 tags, lower case, sorted; "any" only for a voice that is not speech."""
    licence: str
    """SPDX identifier or a short name; "" where it is not known."""
    description: str = ""
    files: dict[str, ManifestFile] = Field(default_factory=dict)
    """Name relative to the version's folder, and what must be there."""
    base: str = ""
    """`name@version` of the voice whose weights this one speaks with; "" if it has its own, or none."""
    prompts: tuple[ManifestPrompt, ...] = ()
    """The first says how to speak, all of them with which timbre; none for a base, which cannot speak."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    """What the family must know beside the files."""
    training: Lineage | None = None
    """How it was trained, if it was trained here."""

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("must be 1 to 64 lower-case letters, digits and inner hyphens")
        return name

    @field_validator("files")
    @classmethod
    def _files_stay_inside(cls, files: dict[str, ManifestFile]) -> dict[str, ManifestFile]:
        for name in files:
            parts = name.split("/")
            if "\\" in name or "\0" in name or any(part in {"", ".", ".."} for part in parts):
                raise ValueError(f"{name!r} is not a plain relative path")
            if name == MANIFEST:
                raise ValueError(f"{name!r} is the manifest itself")
        return files

    @model_validator(mode="after")
    def _prompts_are_whole(self) -> Self:
        for number, prompt in enumerate(self.prompts):
            if prompt.file not in self.files:
                raise ValueError(f"prompts.{number}.file: {prompt.file!r} is not in files")
        if self.prompts and not self.prompts[0].transcript:
            raise ValueError("prompts.0.transcript: is empty; the first prompt says how to speak")
        return self

    @property
    def is_cloned(self) -> bool:
        """Whether it speaks as somebody does, who must have agreed to that."""
        return bool(self.prompts)

    @property
    def version(self) -> str:
        """The SHA-256, in hex, of the canonical content: the voice version's own digest."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def speaks(self, language: str) -> bool:
        """Whether the voice speaks this BCP 47 tag, or the tag with fewer subtags ("de" for "de-at")."""
        if self.languages == "any":
            return True
        subtags = language.lower().split("-")
        return any("-".join(subtags[:length]) in self.languages for length in range(len(subtags), 0, -1))

    def canonical(self) -> bytes:
        """The content as JSON in one form only: ASCII escapes, sorted names, no blanks, no defaults.

        Without defaults, so that a field this program learns one day leaves every older version its name.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(
            content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        ).encode("ascii")

    def to_json(self) -> str:
        """The content for people to read, as it stands in `manifest.json`; `read_manifest` reads it back."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def weights_digest(files: Mapping[str, ManifestFile]) -> str:
    """The digest of a voice's own weights: of the semantic model and the decoder, and of nothing else.

    Raises:
        ManifestError: one of the two is not among the files.
    """
    for name in (DECODER, SEMANTIC):
        if name not in files:
            raise ManifestError(f"files: {name} is missing: a voice has both kinds of weights or neither")
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in (DECODER, SEMANTIC))
    return hashlib.sha256(lines.encode("ascii")).hexdigest()


def read_manifest(text: str | bytes, *, place: str = "manifest") -> VoiceManifest:
    """The manifest that this JSON says.

    Args:
        text: the content of a `manifest.json`.
        place: where it comes from, for the error's message.

    Raises:
        ManifestError: not JSON, a field missing, unknown (with a guess at what was meant) or wrong.
    """
    try:
        return VoiceManifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"{place}: {_describe(error)}") from error


def _describe(error: ValidationError) -> str:
    """The first fault, in one line that names the field."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        message = first["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    model = ManifestFile if first["loc"][0] == "files" else VoiceManifest
    guesses = difflib.get_close_matches(str(first["loc"][-1]), model.model_fields, n=1)
    hint = f"; did you mean {guesses[0]!r}?" if guesses else f"; known are {', '.join(model.model_fields)}"
    return f"{where}: unknown field{hint}"
