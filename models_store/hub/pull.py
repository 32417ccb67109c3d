"""Published weights onto the shelf: what is wanted, what is there, what must come, one pull at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from models_store.hub.catalogue import Backbone, Base, Catalogue, Source
from models_store.hub.choice import Choice
from models_store.hub.download import Progress
from models_store.hub.errors import HubError, StoppedError
from models_store.hub.install import MAKING, WEIGHTS, install_backbone, install_base
from models_store.hub.origins import Arrived, Origin
from models_store.hub.provenance import provenance_of, recorded_digests
from models_store.shelf import Shelf
from speech.gpt_sovits.files import FAMILY

_STORE: Final = "_pulled"
"""The folder on the shelf that holds what is on its way."""
_ASK_SECONDS: Final = 0.2
"""How often a pull that waits for another asks whether that has ended."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One thing that stands on the shelf now."""

    name: str
    revision: str
    place: Path
    is_new: bool
    """Whether it was not there before."""


@dataclass(frozen=True, slots=True)
class Pull:
    """One call's work; made by whoever says where from and what, and done once."""

    shelf: Shelf
    catalogue: Catalogue
    origin: Origin
    progress: Progress
    halted: threading.Event = field(default_factory=threading.Event)
    """Set from outside, it ends the pull before its next piece of work; give the origin the same one."""

    def run(self, choice: Choice, revision: str = "") -> tuple[Pulled, ...]:
        """Brings what is missing and gives everything that was chosen.

        Args:
            choice: what is wanted.
            revision: of the repository; "" for the catalogue's own.

        Raises:
            VoiceError: something could not be had, is not what it should be, or cannot be stored. What was
                complete before stands on the shelf; what was on its way is taken up by the next pull.
            StoppedError: somebody asked to stop.
        """
        named = self.origin.revision_of(self.catalogue, revision)
        try:
            with self._alone() as store:
                return self._run(choice, named, store)
        except OSError as error:
            raise HubError(f"{error.filename or self.shelf.root}: {error.strerror or error}") from error

    def _run(self, choice: Choice, revision: str, store: Path) -> tuple[Pulled, ...]:
        there = dict(self._there(choice, revision))
        bases = [base for base in choice.bases if base.name not in there]
        backbones = [each for each in choice.backbones if each.kind not in there]
        arriving = store / revision.replace("/", "-")
        if bases or backbones:
            arrived = self._gather([*bases, *backbones], revision, arriving)
            for base in bases:
                self._go_on()
                self.progress.line(f"converting {base.title}")
                manifest = install_base(self.shelf, base, self.catalogue, revision, arrived, store)
                there[base.name] = self.shelf.root / manifest.name / manifest.version
            self._forget([source for base in bases for source in base.sources], arriving)
            for backbone in backbones:
                self._go_on()
                self.progress.line(f"converting the {backbone.title}")
                there[backbone.kind] = install_backbone(
                    self.shelf, backbone, self.catalogue, revision, arrived, store
                )
                self._forget(backbone.sources, arriving)
        new = {each.name for each in bases} | {each.kind for each in backbones}
        return tuple(Pulled(name, _revision_in(place), place, name in new) for name, place in there.items())

    def _there(self, choice: Choice, revision: str) -> Iterator[tuple[str, Path]]:
        """What need not come: bases of this revision; backbones of it, or of any if not asked for by name."""
        manifests = self.shelf.list()
        for base in choice.bases:
            for manifest in manifests:
                is_it = (manifest.name, manifest.family) == (base.name, FAMILY)
                if is_it and manifest.parameters.get("revision") == revision:
                    yield base.name, self.shelf.root / manifest.name / manifest.version
        for backbone in choice.backbones:
            folder = self.shelf.backbone(backbone.kind)
            if (folder / WEIGHTS).is_file() and (not choice.by_name or _revision_in(folder) == revision):
                yield backbone.kind, folder

    def _gather(self, offers: Sequence[Base | Backbone], revision: str, arriving: Path) -> dict[str, Arrived]:
        for offer in offers:
            self.progress.line(f"{offer.title}: licence {offer.licence or 'not known'}")
        sources = list({source.path: source for offer in offers for source in offer.sources}.values())
        files = f"{len(sources)} file{'' if len(sources) == 1 else 's'} of {self.catalogue.repository}"
        self.progress.line(f"{files} at {revision[:12]} from {self.origin.place}")
        recorded = recorded_digests(self.shelf, self.catalogue, revision)
        return self.origin.gather(self.catalogue, revision, sources, recorded, arriving, self.progress)

    def _forget(self, sources: Sequence[Source], arriving: Path) -> None:
        """Frees the disk of what stands on the shelf now, and of nothing that is still on its way."""
        for source in sources:
            (arriving / source.path).unlink(missing_ok=True)
        for folder, _, _ in os.walk(arriving, topdown=False):
            with suppress(OSError):  # something is still in it
                Path(folder).rmdir()

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """The folder for what is on its way, for this process only, until the end of the block."""
        store = self.shelf.root / _STORE
        store.mkdir(parents=True, exist_ok=True)
        with (store / ".lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.progress.line("another pull is at work here; waiting for it to end")
                self._wait_for(file)
            for left in store.glob(f"{MAKING}*"):  # by a pull that was killed: whoever lives holds the lock
                shutil.rmtree(left, ignore_errors=True)
            yield store

    def _wait_for(self, file: IO[bytes]) -> None:
        """Asks for the lock again and again: a wait within the system could not be called off."""
        while True:
            if self.halted.wait(_ASK_SECONDS):
                raise StoppedError("stopped")
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return

    def _go_on(self) -> None:
        if self.halted.is_set():
            raise StoppedError("stopped")


def _revision_in(folder: Path) -> str:
    provenance = provenance_of(folder)
    return provenance.revision if provenance else ""
