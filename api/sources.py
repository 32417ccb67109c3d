"""Files that came with a request, put where the workers find them."""

from __future__ import annotations

from typing import Final

from api.auth import principal
from api.office import the_office
from api.uploads import HashedFile
from jobs.ledger.values import ArtefactKind, Stored
from jobs.specs import Source

MEDIA_TYPE: Final = "application/octet-stream"
"""What an upload is stored as: whatever the client says it is, nobody shall open it in a browser."""


def source_of(name: str, file: HashedFile) -> Source:
    """The file as a spec names it."""
    key = f"t/{principal().tenant_id}/sources/{file.sha256}"
    return Source(key=key, sha256=file.sha256, n_bytes=file.n_bytes, name=name)


def store_source(kind: ArtefactKind, name: str, file: HashedFile) -> Stored:
    """Stores it under the key that `source_of` gives."""
    file.seek(0)
    kept = the_office().objects.put(source_of(name, file).key, file.file, media_type=MEDIA_TYPE)
    return Stored(kind, kept.key, kept.sha256, kept.n_bytes, MEDIA_TYPE, name=name)
