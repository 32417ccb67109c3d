"""Where files lie: a folder on one machine, an S3-compatible bucket for many. The only speaker of S3.

An object is named immutable bytes. `put` hands back the SHA-256 that belongs in the ledger's row; `get` and
`fetch` compare it. Both stores pass the same tests.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobs.objects.errors import (
    CorruptObjectError,
    ObjectKeyError,
    ObjectMissingError,
    ObjectRangeError,
    ObjectsAddressError,
    ObjectsError,
    ObjectsRefusedError,
    ObjectsUnavailableError,
)
from jobs.objects.folder import FolderObjects
from jobs.objects.store import Head, Objects, S3Options, Source, Stored, attachment, check_key

__all__ = [
    "CorruptObjectError",
    "Head",
    "ObjectKeyError",
    "ObjectMissingError",
    "ObjectRangeError",
    "Objects",
    "ObjectsAddressError",
    "ObjectsError",
    "ObjectsRefusedError",
    "ObjectsUnavailableError",
    "S3Options",
    "Source",
    "Stored",
    "attachment",
    "check_key",
    "open_objects",
]


def open_objects(url: str, s3: S3Options | None = None) -> Objects:
    """The store at `file:///folder` or `s3://bucket/prefix`. Talks to no server yet.

    Raises ObjectsAddressError for any other address.
    """
    address = urlsplit(url)
    path = unquote(address.path)
    if address.scheme == "file" and address.netloc in {"", "localhost"} and path.startswith("/"):
        return FolderObjects(Path(path))
    if address.scheme == "s3" and address.netloc and not address.query:
        from jobs.objects.s3 import S3Objects  # boto3 takes a third of a second to import

        prefix = path.strip("/")
        return S3Objects(address.netloc, check_key(prefix) if prefix else "", s3 or S3Options())
    raise ObjectsAddressError(f"objects are at file:///folder or s3://bucket/prefix, not at {url!r}")
