"""What comes in for a training: a spec, recordings, and perhaps a list of what is said in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import request
from pydantic import ValidationError
from werkzeug.datastructures import FileStorage

from api.errors import Problem, invalid, invalid_body
from api.uploads import HashedFile, HashingRequest, plain_name, refuse_other_parts, spec_part
from jobs.training import MOST_RECORDINGS, TrainingRequest

PARTS: Final = ("spec", "recordings", "list")
MOST_LIST_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class AskedTraining:
    """A training as it was asked for."""

    spec: TrainingRequest
    recordings: tuple[tuple[str, HashedFile], ...]
    """File name, without folders, and file; each name and each content once."""
    listed: tuple[str, HashedFile] | None
    """The list file, if one came."""

    def digest(self) -> str:
        """Names the request: two that ask for the same have the same."""
        canonical: dict[str, Any] = {
            **self.spec.model_dump(mode="json"),
            "recordings": [[name, file.sha256] for name, file in self.recordings],
            "list": None if self.listed is None else self.listed[1].sha256,
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def training_asked_for() -> AskedTraining:
    """The training that the current request asks for.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    if request.mimetype != "multipart/form-data":
        detail = "Send multipart/form-data with a spec and at least one recording."
        raise Problem(415, detail, headers={"Accept": "multipart/form-data"})
    cast("HashingRequest", request).most_files = MOST_RECORDINGS + len(PARTS)
    refuse_other_parts(PARTS)
    spec = _read_spec(spec_part())
    return AskedTraining(spec, tuple(_recordings(request.files.getlist("recordings"))), _list())


def _read_spec(content: bytes) -> TrainingRequest:
    try:
        return TrainingRequest.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise invalid_body(error, TrainingRequest) from error


def _recordings(parts: list[FileStorage]) -> Iterator[tuple[str, HashedFile]]:
    if not parts:
        raise _wrong("is missing: send at least one file of the speaker")
    if len(parts) > MOST_RECORDINGS:
        raise _wrong(f"{len(parts)} files; at most {MOST_RECORDINGS}")
    names: dict[str, int] = {}
    contents: dict[str, int] = {}
    for number, part in enumerate(parts, start=1):
        name, file = plain_name(part, "recording"), cast("HashedFile", part.stream)
        if not file.n_bytes:
            raise _wrong(f"file {number}, {name!r}, is empty")
        if name in names:
            raise _wrong(f"file {number} has the name of file {names[name]}: {name!r}")
        if file.sha256 in contents:
            raise _wrong(f"file {number}, {name!r}, is the same as file {contents[file.sha256]}")
        names[name] = contents[file.sha256] = number
        yield name, file


def _list() -> tuple[str, HashedFile] | None:
    parts = request.files.getlist("list")
    if not parts:
        return None
    file = cast("HashedFile", parts[0].stream)
    if len(parts) > 1:
        raise invalid([{"pointer": "/list", "detail": "is sent twice"}])
    if not file.n_bytes:
        raise invalid([{"pointer": "/list", "detail": "is empty"}])
    if file.n_bytes > MOST_LIST_BYTES:
        raise Problem(413, f"The list is longer than {MOST_LIST_BYTES:,} bytes.")
    return plain_name(parts[0], "list"), file


def _wrong(detail: str) -> Problem:
    return invalid([{"pointer": "/recordings", "detail": detail}])
