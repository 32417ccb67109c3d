"""What comes in with a request: JSON, or a file that goes to disk as it arrives and is hashed on the way."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final, cast

from flask import Request, request
from pydantic import ValidationError
from werkzeug.datastructures import FileStorage

from api.errors import Problem, invalid, invalid_body, pointer
from jobs.specs import NarrationRequest

MOST_JSON_BYTES: Final = 32_000_000
"""Two million characters, each written as an escape of twelve bytes, and some more."""
MOST_FILES: Final = 16
"""A narration has two, a voice eight; and one that has too many shall be told which."""
MOST_SPEC_BYTES: Final = 500_000
"""A spec beside a file holds no text."""


class HashedFile:
    """A file that knows the digest of what was written into it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._digest = hashlib.sha256()
        self.n_bytes = 0

    def write(self, block: bytes) -> int:
        """Adds the block."""
        self._digest.update(block)
        self.n_bytes += len(block)
        return self.file.write(block)

    @property
    def sha256(self) -> str:
        """The digest of all that was written, in hex."""
        return self._digest.hexdigest()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Where the next read begins."""
        return self.file.seek(offset, whence)

    def read(self, n_bytes: int = -1) -> bytes:
        """Up to so many bytes."""
        return self.file.read(n_bytes)

    def close(self) -> None:
        """Drops the file."""
        self.file.close()


class HashingRequest(Request):
    """A request whose file parts go straight to disk, into nameless files that the kernel drops with us."""

    most_files: int = MOST_FILES
    """Each is open until the request ends; a view that takes more of them says so before it looks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened: list[HashedFile] = []

    def close(self) -> None:
        """Drops the files, those of a request that was refused half way too."""
        for file in self._opened:
            file.close()
        super().close()

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - the signature Werkzeug documents for overriding
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        if len(self._opened) == self.most_files:
            raise invalid([{"pointer": "", "detail": f"has more than {self.most_files} files"}])
        self._opened.append(HashedFile(tempfile.TemporaryFile()))  # noqa: SIM115 - closed with the request
        return cast("IO[bytes]", self._opened[-1])


@dataclass(frozen=True, slots=True)
class Asked:
    """A narration as it was asked for."""

    spec: NarrationRequest
    file: HashedFile
    """The book, or the text as UTF-8."""
    name: str
    """The book's file name as the client gave it, without folders; "text.txt" for text."""


def read_narration() -> Asked:
    """The narration that the current request asks for.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    if request.mimetype == "application/json":
        return _of_text()
    if request.mimetype == "multipart/form-data":
        return _of_book()
    detail = "Send application/json with a text, or multipart/form-data with a file and a spec."
    raise Problem(415, detail, headers={"Accept": "application/json, multipart/form-data"})


def _of_text() -> Asked:
    request.max_content_length = min(MOST_JSON_BYTES, request.max_content_length or MOST_JSON_BYTES)
    spec = _read_spec(request.get_data(cache=False))
    if spec.text is None:
        raise invalid(
            [{"pointer": "/text", "detail": "a text is missing; or send a book file beside a spec"}]
        )
    file = HashedFile(io.BytesIO())
    file.write(spec.text.encode())
    file.seek(0)
    return Asked(spec, file, "text.txt")


def _of_book() -> Asked:
    refuse_other_parts(("spec", "file"))
    book = request.files.get("file")
    if book is None:
        raise invalid([{"pointer": "/file", "detail": "the book file is missing"}])
    spec = _read_spec(spec_part())
    if spec.text is not None:
        raise invalid([{"pointer": "/text", "detail": "either a text or a file, not both"}])
    file = cast("HashedFile", book.stream)
    if not file.n_bytes:
        raise invalid([{"pointer": "/file", "detail": "the book file is empty"}])
    return Asked(spec, file, plain_name(book, "book"))


def refuse_other_parts(known: Sequence[str]) -> None:
    """Lets a form pass that has parts of these names alone, all of them files but for the `spec`.

    Raises:
        Problem: 422.
    """
    names: list[str | None] = [*request.form, *request.files]  # None: a header that Werkzeug finds no name in
    for name in names:
        if name is None or name not in known:
            what = f"unknown part; known are {', '.join(known)}"
        elif name in request.form and name != "spec":
            what = "must be a file"
        else:
            continue
        raise invalid([{"pointer": pointer((name or "")[:80]), "detail": what}])


def spec_part() -> bytes:
    """The spec, sent as a field or, as `curl -F spec=@spec.json` does, as a file; none means the defaults."""
    part = request.files.get("spec")
    if part is None:
        return request.form.get("spec", "{}").encode("utf-8", "surrogatepass")
    content = part.stream.read(MOST_SPEC_BYTES + 1)
    if len(content) > MOST_SPEC_BYTES:
        raise Problem(413, f"The spec is longer than {MOST_SPEC_BYTES:,} bytes.")
    return content


def _read_spec(content: bytes) -> NarrationRequest:
    try:
        return NarrationRequest.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise invalid_body(error, NarrationRequest) from error


def plain_name(part: FileStorage, default: str) -> str:
    """The part's file name, without folders and what cannot be shown."""
    name = (part.filename or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in name if letter.isprintable())
    return shown[-300:].strip() or default
