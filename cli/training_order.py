"""What `lectorium train` was asked for, checked; and what it is expected to take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cli.errors import InputError
from jobs.training import MOST_RECORDINGS, TrainingRequest

NAMES: Final = {"windows": "--window"}
"""Field of the spec -> the option that sets it, where it is another word."""


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """One call of `lectorium train`."""

    recordings: tuple[Path, ...]
    listed: Path | None
    training: TrainingRequest
    out: Path | None

    def digest(self, files: Mapping[str, str], base_version: str) -> str:
        """Equal for calls that must give equal results: the same files, spec, base and program.

        Args:
            files: SHA-256 of each file, by its name.
            base_version: of the voice that it begins with.
        """
        asked = {
            "files": files,
            "training": self.training.model_dump(mode="json"),
            "base": base_version,
            "program": version("lectorium"),
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a training is expected to take: an estimate."""

    audio_seconds: float
    n_updates: int
    device: str
    seconds: float
    is_measured: bool
    """Whether that follows from the last training of this base here, and not from assumptions."""
    kwh: float
    grams: float
    cost: float | None
    openings: tuple[tuple[float, float], ...]
    """When it would run, in seconds since 1970 UTC; none if it waits for nothing."""
    meets_deadline: bool
    saving: float | None
    unit: str

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {**asdict(self), "estimate": True}


def check_training(fields: Mapping[str, Any]) -> TrainingRequest:
    """The training that these fields ask for; options that are None were not given.

    Raises:
        InputError: a field is wrong; the message names its option.
    """
    options = {name: value for name, value in fields["options"].items() if value is not None}
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return TrainingRequest(**{**given, "options": options})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{option_of(tuple(map(str, first['loc'])))}: {reason}") from error


def option_of(place: tuple[str, ...]) -> str:
    """The option that sets this field of a training: "--decoder-epochs"."""
    field = place[1] if place[:1] == ("options",) and len(place) > 1 else (place or ("",))[0]
    return NAMES.get(field, f"--{field.replace('_', '-')}")


def check_files(order: TrainingOrder) -> dict[str, str]:
    """SHA-256 of each file by its name.

    Raises:
        InputError: two of them have one name, or the same sound, or one is empty, or there are too many.
    """
    if len(order.recordings) > MOST_RECORDINGS:
        raise InputError(f"RECORDINGS: {len(order.recordings)} files; at most {MOST_RECORDINGS}")
    digests: dict[str, str] = {}
    for path in order.recordings:
        if path.stat().st_size == 0:
            raise InputError(f"RECORDINGS: {path} is empty")
        if path.name in digests:
            raise InputError(f"RECORDINGS: two files are called {path.name}")
        sha256 = sha256_of(path)
        if sha256 in digests.values():
            raise InputError(f"RECORDINGS: {path} is the same recording as one before it")
        digests[path.name] = sha256
    return digests


def sha256_of(path: Path) -> str:
    """Of the file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
