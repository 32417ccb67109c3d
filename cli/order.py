"""What `lectorium read` was asked for, checked: the book, the narration, where the result goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cli.errors import InputError
from jobs.specs import NarrationRequest

OPTIONS: Final[Mapping[str, str]] = {
    "voice": "--voice",
    "language": "--language",
    "foreign": "--foreign",
    "title": "--title",
    "authors": "--author",
    "narrator": "--narrator",
    "chapters": "--chapters",
    "formats": "--format",
    "profile": "--profile",
    "speed": "--speed",
    "lexicon": "--lexicon",
}
"""Field of the spec -> the option that sets it."""
SETTINGS: Final[Mapping[str, str]] = {
    "seed": "--seed",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "temperature": "--temperature",
    "repetition_penalty": "--repetition-penalty",
    "noise_scale": "--noise-scale",
}
"""Field of `sampling` -> the option that sets it."""
SUFFIXES: Final[Mapping[str, str]] = {
    "m4b": ".m4b",
    "mp3": ".zip",
    "flac": ".zip",
    "opus": ".zip",
    "wav": ".zip",
}
"""Format -> what the book comes as: an m4b is one file, the others are a file for each chapter."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the result goes."""

    folder: Path
    file_name: str | None = None
    """The book's file; None: under the name it has."""
    everything: bool = False
    """Subtitles and manifest too."""


@dataclass(frozen=True, slots=True)
class Order:
    """One call of `lectorium read`."""

    book: Path
    narration: NarrationRequest
    destination: Destination
    n_workers: int

    def digest(self, book_sha256: str, voice_version: str) -> str:
        """Equal for calls that must give equal results: the same book, spec, voice version and program."""
        asked = {
            "book": book_sha256,
            "narration": {
                **self.narration.model_dump(mode="json"),
                "matter": sorted(self.narration.matter),  # a set has another order in each process
            },
            "voice": voice_version,
            "program": version("lectorium"),
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def check_narration(fields: Mapping[str, Any]) -> NarrationRequest:
    """The narration that these fields ask for; those that are None were not given.

    Raises:
        InputError: a field is wrong; the message names its option.
    """
    try:
        return NarrationRequest(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        given = first["input"]
        shown = f" (not {given!r})" if isinstance(given, str | int | float) and given != "" else ""
        raise InputError(f"{option_of(tuple(map(str, first['loc'])))}: {reason}{shown}") from error


def option_of(place: Sequence[str]) -> str:
    """The option that sets this field of a narration: "--top-k", "--lexicon: entry 3: word"."""
    field, *rest = place or ("",)
    if field == "sampling" and rest:
        return SETTINGS.get(rest[0], rest[0])
    if field == "lexicon" and rest:
        return ": ".join([OPTIONS[field], f"entry {int(rest[0]) + 1}", *rest[1:]])
    return OPTIONS.get(field, field)


def choose_formats(given: tuple[str, ...], out: Path | None) -> tuple[str, ...]:
    """The formats that were asked for, or what the output's name means.

    Raises:
        InputError: the output's name is that of a format which does not come in one file.
    """
    if given:
        return given
    suffix = out.suffix.lower().lstrip(".") if out is not None and not out.is_dir() else ""
    if suffix in SUFFIXES and suffix != "m4b":
        raise InputError(
            f"-o: {out} cannot hold a book; --format {suffix} makes a zip with one file for each chapter"
        )
    if suffix == "zip":
        raise InputError("--format: say which format the zip shall hold: mp3, flac, opus or wav")
    return ("m4b",)


def choose_destination(out: Path | None, formats: tuple[str, ...]) -> Destination:
    """Where the result goes: a name with a suffix is a file, one without is a folder.

    Raises:
        InputError: the file's suffix is not that of the format, or several formats shall go into one file.
    """
    if out is None:
        return Destination(Path())
    if out.is_dir() or not out.suffix:
        return Destination(out, everything=True)
    if len(formats) > 1:
        raise InputError(f"-o: {out} is one file for {len(formats)} formats; name a folder")
    wanted = SUFFIXES[formats[0]]
    if out.suffix.lower() != wanted:
        raise InputError(
            f"-o: {out.name} must end in {wanted}, for --format {formats[0]} makes a {wanted} file"
        )
    return Destination(out.parent, out.name)
