"""Files on their way into the object store, named by their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jobs.ledger.values import ArtefactKind, Stored
from jobs.objects import Objects


def store(
    objects: Objects,
    source: Path | bytes,
    *,
    folder: str,
    kind: ArtefactKind,
    media_type: str,
    name: str = "",
    suffix: str | None = None,
    chapter_index: int | None = None,
) -> Stored:
    """The file, stored in `folder` under its SHA-256 and suffix, to be given its row."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        suffix = source.suffix if suffix is None else suffix
    else:
        digest = hashlib.sha256(source).hexdigest()
    stored = objects.put(f"{folder}/{digest}{suffix or ''}", source, media_type=media_type)
    return Stored(kind, stored.key, stored.sha256, stored.n_bytes, media_type, name, chapter_index)
