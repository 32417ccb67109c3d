"""Where weights come from: a server that speaks the hub's protocol, or a folder laid out like it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models_store.hub.catalogue import Catalogue, Source
from models_store.hub.digest import Digest, sha256_of
from models_store.hub.download import Downloads, Progress, Wanted
from models_store.hub.errors import HubError, HubInputError
from models_store.hub.patience import Patience
from models_store.hub.protocol import COMMIT

if TYPE_CHECKING:
    from models_store.hub.protocol import Hub

Recorded = Mapping[str, str]
"""Path -> SHA-256 that the file of a revision is known to have."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file of the repository that is here, and is what it must be."""

    path: Path
    sha256: str


class Origin(Protocol):
    """Somewhere weights come from."""

    @property
    def place(self) -> str:
        """Its name for people."""
        ...

    def revision_of(self, catalogue: Catalogue, wanted: str) -> str:
        """The revision the files will be of, as it is recorded; "" asks for the catalogue's own."""
        ...

    def gather(
        self,
        catalogue: Catalogue,
        revision: str,
        sources: Sequence[Source],
        recorded: Recorded,
        store: Path,
        progress: Progress,
    ) -> dict[str, Arrived]:
        """The files by their paths; what has to be fetched is put below `store`.

        Raises:
            HubError: a file is missing, not what is recorded, or cannot be brought here.
        """
        ...


@dataclass(frozen=True, slots=True)
class Online:
    """A server that speaks the hub's protocol."""

    hub: Hub
    patience: Patience = field(default_factory=Patience)
    halted: threading.Event = field(default_factory=threading.Event)
    """Set from outside, it ends every wait and every download."""

    @property
    def place(self) -> str:
        """Its address."""
        return self.hub.address

    def revision_of(self, catalogue: Catalogue, wanted: str) -> str:
        """A commit always: a branch is looked up, so that what is pulled has a name that stays."""
        revision = wanted or catalogue.revision
        if COMMIT.fullmatch(revision):
            return revision
        return self.patience.ask(lambda: self.hub.commit_of(catalogue.repository, revision), self.halted)

    def gather(
        self,
        catalogue: Catalogue,
        revision: str,
        sources: Sequence[Source],
        recorded: Recorded,
        store: Path,
        progress: Progress,
    ) -> dict[str, Arrived]:
        """Asks what each file is, then downloads what is not in `store` yet."""
        wanted = [self._wanted(catalogue.repository, revision, each.path, recorded) for each in sources]
        Downloads(self.hub, catalogue.repository, revision, store, self.patience, progress, self.halted).run(
            wanted
        )
        return {
            each.path: Arrived(store / each.path, each.digest.sha256 or sha256_of(store / each.path))
            for each in wanted
        }

    def _wanted(self, repository: str, commit: str, path: str, recorded: Recorded) -> Wanted:
        said = self.patience.ask(lambda: self.hub.announced(repository, commit, path), self.halted)
        if said.commit and said.commit != commit:
            raise HubError(f"{path}: asked for commit {commit[:12]}, the hub answers with {said.commit[:12]}")
        known = recorded.get(path, "")
        announced = said.digest.sha256 if said.digest else ""
        if known and announced and known != announced:
            raise HubError(
                f"{path}: the hub offers another file than is recorded for {commit[:12]}: "
                f"SHA-256 {announced[:12]}…, not {known[:12]}…"
            )
        digest = Digest(known) if known else said.digest
        if digest is None:
            raise HubError(f"{path}: the hub does not say which digest it has, and none is recorded")
        return Wanted(path, said.n_bytes, digest)


@dataclass(frozen=True, slots=True)
class Offline:
    """A folder laid out like the repository: a clone, or a snapshot of the hub's own cache."""

    folder: Path

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.folder)

    def revision_of(self, catalogue: Catalogue, wanted: str) -> str:
        """What is wanted; else what the folder is named after, if that is a commit; else the catalogue's."""
        if not self.folder.is_dir():
            raise HubInputError(f"{self.folder}: no such folder")
        if wanted:
            return wanted
        name = self.folder.resolve().name
        return name if COMMIT.fullmatch(name) else catalogue.revision

    def gather(
        self,
        catalogue: Catalogue,  # noqa: ARG002 - the protocol's
        revision: str,
        sources: Sequence[Source],
        recorded: Recorded,
        store: Path,  # noqa: ARG002
        progress: Progress,
    ) -> dict[str, Arrived]:
        """The files where they lie: nothing is copied."""
        if missing := [each.path for each in sources if not (self.folder / each.path).is_file()]:
            raise HubInputError(f"{self.folder}: {', '.join(missing)} not there")
        progress.expect(sum((self.folder / each.path).stat().st_size for each in sources))
        return {each.path: self._arrived(each.path, revision, recorded, progress) for each in sources}

    def _arrived(self, path: str, revision: str, recorded: Recorded, progress: Progress) -> Arrived:
        file = self.folder / path
        try:
            sha256 = sha256_of(file)
            progress.found(file.stat().st_size)
        except OSError as error:
            raise HubError(f"{file}: {error.strerror}") from error
        if recorded.get(path, sha256) != sha256:
            raise HubError(
                f"{file}: not the file of revision {revision[:12]}: SHA-256 {sha256[:12]}…, not "
                f"{recorded[path][:12]}…; name the revision it is of, if it is of another one"
            )
        return Arrived(file, sha256)
