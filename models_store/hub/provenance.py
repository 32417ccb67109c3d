"""Where what stands on the shelf came from: a small file beside it, and what all of them say together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from models_store.hub.catalogue import Catalogue
from models_store.shelf import Shelf

PROVENANCE: Final = "provenance.json"


class Provenance(BaseModel):
    """The files of a repository that something was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    repository: str
    revision: str
    licence: str
    """SPDX identifier, "" where it is not known."""
    files: Mapping[str, str]
    """Path in the repository -> SHA-256."""

    def write(self, folder: Path) -> Path:
        """Puts it into the folder; the file's path."""
        path = folder / PROVENANCE
        content = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        path.write_text(content + "\n", encoding="utf-8")
        return path


def provenance_of(folder: Path) -> Provenance | None:
    """What is noted in the folder; None where nothing is, or nothing we can read."""
    try:
        return Provenance.model_validate_json((folder / PROVENANCE).read_bytes())
    except (OSError, ValidationError):
        return None


def recorded_digests(shelf: Shelf, catalogue: Catalogue, revision: str) -> dict[str, str]:
    """Path -> SHA-256 of files of this revision: pinned by us, or noted when something was made of them."""
    noted: dict[str, str] = {}
    for folder in _folders(shelf, catalogue):
        provenance = provenance_of(folder)
        if provenance and (provenance.repository, provenance.revision) == (catalogue.repository, revision):
            noted |= provenance.files
    return noted | catalogue.pins(revision)


def _folders(shelf: Shelf, catalogue: Catalogue) -> Iterator[Path]:
    yield from (shelf.backbone(kind) for kind in catalogue.backbones)
    for manifest in shelf.list():
        folder = shelf.folder(manifest)
        if manifest.name in catalogue.bases and folder:
            yield folder
