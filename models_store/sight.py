"""What one tenant sees of the shelf: the voices built in or shipped, those for everybody, and its own."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from jobs.ids import ID_PATTERN, LOCAL_TENANT
from models_store.bay import Bay
from models_store.built_in import draft_manifests, stub_manifest
from models_store.manifest import ManifestError, VoiceManifest
from speech.errors import VoiceError

TENANTS: Final = "_tenants"
"""The folder beside the voices for everybody that holds a bay for each other tenant."""
SHIPPED: Final = Path(__file__).parent / "starter"
"""The voices that come with Lectorium, laid out as a shelf is; nobody writes there."""
_LEAST_PREFIX: Final = 6  # hex digits of a version that may stand for it


class UnknownVoiceError(VoiceError):
    """No voice or version of that name is on the shelf; the message guesses what was meant."""


class Sight:
    """The voices one tenant may use. The local tenant's own are those for everybody."""

    def __init__(
        self,
        root: Path,
        *,
        with_stub: bool = False,
        tenant_id: str = LOCAL_TENANT,
        shipped: Path = SHIPPED,
    ) -> None:
        """A shelf over a folder, which need not exist yet.

        Args:
            root: one folder for each voice, with one for each version in it.
            with_stub: whether the built-in stub voice stands on it too, for tests and benchmarks.
            tenant_id: who looks at it.
            shipped: such a folder that comes with the program; it need not exist.

        Raises:
            ValueError: that is no tenant's id.
        """
        if not ID_PATTERN.fullmatch(tenant_id):
            raise ValueError(f"{tenant_id!r} is no tenant's id")
        self._root = root
        self._with_stub = with_stub
        self._shipped = shipped
        for_everybody = Bay(root)
        is_local = tenant_id == LOCAL_TENANT
        self._own = for_everybody if is_local else Bay(root / TENANTS / tenant_id)
        shared = () if is_local else (for_everybody,)
        self._bays: tuple[Bay, ...] = (self._own, *shared, Bay(shipped))
        built_in = [*draft_manifests(), *([stub_manifest()] if with_stub else [])]
        self._built_in = {manifest.name: manifest for manifest in built_in}

    @property
    def root(self) -> Path:
        """The folder of all voices that are not built in."""
        return self._root

    def list(self) -> tuple[VoiceManifest, ...]:
        """Every sound version of every voice, by name; of one voice the newest on disk first."""
        on_disk = (manifest for bay in self._bays for manifest in bay.survey()[0])
        shown = (manifest for manifest in on_disk if manifest.name not in self._built_in)
        return tuple(sorted((*self._built_in.values(), *shown), key=lambda manifest: manifest.name))

    def broken(self) -> tuple[ManifestError, ...]:
        """What is wrong with the versions that `list` leaves out, each error naming its place."""
        broken = [error for bay in self._bays for error in bay.survey()[1]]
        covered = [name for bay in self._bays for name in sorted(bay.names()) if name in self._built_in]
        return (*broken, *map(_covered, covered))

    def owns(self, name: str) -> bool:
        """Whether the voice is this tenant's to change."""
        return bool(self._own.versions(name))

    def resolve(self, name: str) -> VoiceManifest:
        """The manifest of "name" (its newest version) or "name@version".

        The version is the digest or its first digits, six or more. A broken version hides no other one, but
        the newest that is broken is an error: an older one would be another voice than was asked for.

        Raises:
            UnknownVoiceError: no such voice or version; the message names the closest ones.
            ManifestError: the version's own manifest is broken.
        """
        plain, at, version = name.partition("@")
        found = self._find(plain)
        version = chosen(plain, found, version) if at else next(iter(found))
        bay = found[version]
        return self._built_in[plain] if bay is None else bay.read(plain, version)

    def folder(self, manifest: VoiceManifest) -> Path | None:
        """Where the version's files stand; None for a voice that is built in."""
        if manifest.name in self._built_in:
            return None
        folders = [bay.folder(manifest.name, manifest.version) for bay in self._bays]
        return next((folder for folder in folders if folder.is_dir()), folders[0])

    def _find(self, name: str) -> dict[str, Bay | None]:
        """The versions of one voice, at least one, this tenant's own first and then the newest; and where.

        Raises:
            UnknownVoiceError: no such voice.
            ManifestError: a folder is called like a built-in voice.
        """
        found: dict[str, Bay | None] = {}
        for bay in self._bays:
            for version in bay.versions(name):
                found.setdefault(version, bay)
        if name in self._built_in:
            if found:
                raise _covered(name)
            return {self._built_in[name].version: None}
        if not found:
            known = sorted({*self._built_in, *(name for bay in self._bays for name in bay.names())})
            guesses = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(guesses)}?" if guesses else f"known are {', '.join(known)}"
            raise UnknownVoiceError(f"voice {name!r} is not on the shelf; {hint}")
        return found


def chosen(name: str, versions: Collection[str], prefix: str) -> str:
    """The one of these versions that begins so.

    Raises:
        UnknownVoiceError: none does, or more than one, or the prefix is too short.
    """
    matching = [
        version for version in versions if len(prefix) >= _LEAST_PREFIX and version.startswith(prefix)
    ]
    if len(matching) == 1:
        return matching[0]
    have = ", ".join(version[:12] for version in versions)
    fault = "stands for more than one" if matching else "is none"
    raise UnknownVoiceError(f"voice {name!r}: version {prefix!r} {fault} of its versions; there are {have}")


def _covered(name: str) -> ManifestError:
    return ManifestError(f"a folder on the shelf is called {name!r}: that is the name of a built-in voice")
