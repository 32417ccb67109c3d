"""Published weights onto the shelf: what is wanted, what is there, what must come, one pull at a time."""

from __future__ import annotations

import difflib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models_store.hub.catalogue import Backbone, Base, Catalogue, Source
from models_store.hub.download import Progress
from models_store.hub.errors import HubError, HubInputError
from models_store.hub.install import MAKING, WEIGHTS, install_backbone, install_base
from models_store.hub.origins import Arrived, Origin
from models_store.hub.provenance import provenance_of, recorded_digests
from models_store.shelf import Shelf
from speech.gpt_sovits.files import FAMILY

BACKBONES: Final = "backbones"
"""What all of them together are asked for by."""
BASE: Final = "base"
"""What a voice's own weights are asked for by, to leave its backbones."""
_STORE: Final = "_pulled"
"""The folder on the shelf that holds what is on its way."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants of a catalogue."""

    bases: tuple[Base, ...]
    backbones: tuple[Backbone, ...]
    by_name: bool
    """Whether the backbones were asked for themselves, and not with a voice that needs them."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One thing that stands on the shelf now."""

    name: str
    revision: str
    place: Path
    is_new: bool
    """Whether it was not there before."""


def choose(catalogue: Catalogue, names: Sequence[str], only: Sequence[str] = ()) -> Choice:
    """The bases of these names with the backbones they need; "backbones" is all of them.

    Args:
        catalogue: what there is.
        names: of bases, in any case, or "backbones".
        only: if any: `BASE` and kinds of backbones; the rest is left.

    Raises:
        HubInputError: a name is none of the catalogue's, or nothing is left.
    """
    known = [*catalogue.bases, BACKBONES]
    lowered = [name.lower() for name in names]
    for name in lowered:
        if name not in known:
            guesses = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {guesses[0]}?" if guesses else f"there are {', '.join(known)}"
            raise HubInputError(f"{name!r} is nothing that can be pulled; {hint}")
    parts = (BASE, *catalogue.backbones)
    for part in only:
        if part not in parts:
            raise HubInputError(f"--only: {part!r} is none of {', '.join(parts)}")
    bases = [catalogue.bases[name] for name in dict.fromkeys(lowered) if name != BACKBONES]
    kinds = {kind for base in bases for kind in base.needs}
    if BACKBONES in lowered:
        kinds |= set(catalogue.backbones)
    chosen = Choice(
        bases=tuple(bases) if not only or BASE in only else (),
        backbones=tuple(
            backbone
            for kind, backbone in catalogue.backbones.items()
            if kind in kinds and (not only or kind in only)
        ),
        by_name=BACKBONES in lowered or bool(only),
    )
    if not chosen.bases and not chosen.backbones:
        raise HubInputError(f"--only: nothing of {', '.join(names)} is left")
    return chosen


@dataclass(frozen=True, slots=True)
class Pull:
    """One call's work; made by whoever says where from and what, and done once."""

    shelf: Shelf
    catalogue: Catalogue
    origin: Origin
    progress: Progress

    def run(self, choice: Choice, revision: str = "") -> tuple[Pulled, ...]:
        """Brings what is missing and gives everything that was chosen.

        Args:
            choice: what is wanted.
            revision: of the repository; "" for the catalogue's own.

        Raises:
            VoiceError: something could not be had, is not what it should be, or cannot be stored. What was
                complete before stands on the shelf; what was on its way is taken up by the next pull.
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
                self.progress.line(f"converting {base.title}")
                manifest = install_base(self.shelf, base, self.catalogue, revision, arrived, store)
                there[base.name] = self.shelf.root / manifest.name / manifest.version
            self._forget([source for base in bases for source in base.sources], arriving)
            for backbone in backbones:
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
                fcntl.flock(file, fcntl.LOCK_EX)
            for left in store.glob(f"{MAKING}*"):  # by a pull that was killed: whoever lives holds the lock
                shutil.rmtree(left, ignore_errors=True)
            yield store


def _revision_in(folder: Path) -> str:
    provenance = provenance_of(folder)
    return provenance.revision if provenance else ""
