"""What an object store does, whichever kind it is, and the rules both kinds share."""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol
from urllib.parse import quote

from jobs.objects.errors import CorruptObjectError, ObjectKeyError, ObjectRangeError

BLOCK_BYTES: Final = 256 * 1024  # what is read, hashed and handed on at once
MAX_KEY_LENGTH: Final = 700  # S3 allows 1,024 with our prefix, Linux 4,096 for a path
MAX_PART_LENGTH: Final = 200  # Linux allows 255 for one name
_PART: Final = re.compile(r"[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._=+@/-]*")

Source = Path | bytes | BinaryIO
"""Where an object's bytes come from. A stream is read from where it stands to its end, and left open."""


@dataclass(frozen=True)
class Stored:
    """An object as it was stored or fetched: what its row must say."""

    key: str
    sha256: str
    n_bytes: int


@dataclass(frozen=True)
class Head:
    """What the store says of an object without reading it. Its digest is the ledger's affair."""

    key: str
    n_bytes: int
    modified: datetime
    """When it was stored, by the store's clock; aware."""


@dataclass(frozen=True)
class S3Options:
    """How to reach an S3-compatible server. The defaults are AWS with the machine's own role."""

    endpoint: str | None = None
    """"https://host:port"; None is AWS."""
    public_endpoint: str | None = None
    """Where clients reach the same server, for signed addresses; None is `endpoint`."""
    region: str | None = None
    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    """Without `key_id` and `secret` boto3 looks for them in its usual places."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """auto is path with an `endpoint`, as S3-likes want it, and virtual on AWS."""
    checksums: Literal["when_required", "when_supported"] = "when_required"
    """when_supported adds trailers that some S3-likes store inside the object."""
    connect_seconds: float = 3
    read_seconds: float = 30
    """How long a connection may be silent before it is given up and tried again."""
    attempts: int = 5
    """How often boto3 tries one request."""
    patience_seconds: float = 60
    """What boto3 gives up on is tried again until so long has passed since the last success."""


class Objects(Protocol):
    """Named immutable bytes. Every verb may raise ObjectsUnavailableError, and ObjectKeyError for its key."""

    def put(self, key: str, source: Source, *, media_type: str) -> Stored:
        """The object, stored whole and verified. Nobody ever sees a part of it, and no crash undoes it.

        A second put replaces the first. Raises CorruptObjectError when it keeps arriving damaged.
        """
        ...

    def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """The object's bytes, with this digest when one is given.

        Raises ObjectMissingError, and CorruptObjectError when the digest does not fit.
        """
        ...

    def fetch(self, key: str, path: Path, *, sha256: str | None = None) -> Stored:
        """The object in a file: `path` appears only when it is whole and verified. Raises as `get` does."""
        ...

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` up to but not including `end`, in blocks; past the object's end, `end` means its end.

        The length is assured, the digest is not. Raises ObjectMissingError and ObjectRangeError at the call.
        """
        ...

    def head(self, key: str) -> Head | None:
        """Its size and time, or None when there is no such object."""
        ...

    def delete(self, key: str) -> None:
        """Nothing under this key any more; it is no error when there was nothing."""
        ...

    def list(self, prefix: str = "") -> Iterator[Head]:
        """Every object whose key begins with these characters, in the order of the keys' bytes."""
        ...

    def sign(self, key: str, *, seconds: int, filename: str, media_type: str) -> str | None:
        """An address where anybody can download the object for so long, or None: then stream it yourself."""
        ...

    def check(self) -> None:
        """Nothing, after a small object was stored, read back, compared and deleted; else the error, soon."""
        ...

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """How many unfinished puts, left behind by killed processes, were removed. No object is touched."""
        ...


def check_key(key: str) -> str:
    """The key itself. Raises ObjectKeyError when it is not one."""
    parts = key.split("/")
    if len(key) > MAX_KEY_LENGTH or any(len(part) > MAX_PART_LENGTH for part in parts):
        raise ObjectKeyError(f"the object key is too long: {key[:60]!r}...")
    if not all(_PART.fullmatch(part) for part in parts):
        raise ObjectKeyError(f"not an object key: {key!r}")
    return key


def check_prefix(prefix: str) -> str:
    """The beginning of a key itself, or an empty one. Raises ObjectKeyError."""
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/"):
        raise ObjectKeyError(f"not the beginning of an object key: {prefix[:60]!r}")
    return prefix


def bounded_range(start: int, end: int | None, n_bytes: int) -> tuple[int, int]:
    """The range within an object of `n_bytes`. Raises ObjectRangeError."""
    stop = n_bytes if end is None else min(end, n_bytes)
    if start < 0 or start > n_bytes or (end is not None and end < start):
        raise ObjectRangeError(f"bytes {start} to {end} of an object of {n_bytes}")
    return start, stop


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable stream of the source and where its bytes begin; a stream that cannot seek is spooled."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream, 0
        return
    if isinstance(source, bytes):
        yield BytesIO(source), 0
        return
    if source.seekable():
        yield source, source.tell()
        return
    with tempfile.TemporaryFile() as spool:
        while block := source.read(BLOCK_BYTES):
            spool.write(block)
        yield spool, 0


def attachment(filename: str) -> str:
    """A Content-Disposition that saves the download under this name, whatever the name holds (RFC 6266)."""
    shown = "".join(
        "_" if unicodedata.category(char)[0] == "C" or char in '/\\"' else char for char in filename
    )
    plain = shown.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def sha256_of(block: bytes) -> str:
    """Its digest in lower-case hex."""
    return hashlib.sha256(block).hexdigest()


def write_verified(path: Path, key: str, blocks: Iterable[bytes], sha256: str | None) -> Stored:
    """The blocks in a file that appears once it is whole and has the digest. Raises CorruptObjectError."""
    draft = path.with_name(f".{path.name[:180]}.{secrets.token_hex(4)}")
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with draft.open("xb") as sink:
            for block in blocks:
                digest.update(block)
                n_bytes += len(block)
                sink.write(block)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise CorruptObjectError(f"{key}: the digest is not {sha256}")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Stored(key, digest.hexdigest(), n_bytes)


def prove(objects: Objects) -> None:
    """Store, read back, compare, delete: what `check` does everywhere."""
    key, proof = f"checks/{secrets.token_hex(8)}", secrets.token_bytes(1024)
    stored = objects.put(key, proof, media_type="application/octet-stream")
    try:
        if objects.get(key, sha256=stored.sha256) != proof or objects.head(key) is None:
            raise CorruptObjectError(f"{key}: read back otherwise than stored")
    finally:
        objects.delete(key)
    if objects.head(key) is not None:
        raise CorruptObjectError(f"{key}: deleted, and still there")
