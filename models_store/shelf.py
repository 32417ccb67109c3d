"""The shelf: voices at rest. They are found, opened, put there and taken away; cloned ones need consent.

Under its root stand the voices for everybody, those of a tenant under `_tenants/<id>/`, and what they share
under `_backbones/`. A shelf may be a folder that machines share. What is shipped with the program stands on
every shelf, and nobody can change it.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from models_store.apart import Apart
from models_store.bay import CURRENT, Bay
from models_store.consent import CONSENT, Consent, ConsentError, read_consent, write_consent
from models_store.manifest import VoiceManifest, weights_digest
from models_store.sight import TENANTS, Sight, UnknownVoiceError, chosen
from models_store.stock import UnwritableError, drop, locked, replace_file, show, staged, writing
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.voice import Parameter, PromptFile, Voice, VoiceSource, Weights

__all__ = [
    "FAMILIES",
    "InUseError",
    "NameTakenError",
    "NotYoursError",
    "Shelf",
    "UnknownVoiceError",
    "UnwritableError",
]

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {"draft": "speech.draft", "gpt-sovits": "speech.gpt_sovits", "stub": "speech.stub"}
)
"""The module of each family: `open_voice(source)` gives a `Voice`; `open_weights(source)`, where voices can
share them, `Weights`.

By name, so that reading a shelf loads no family: only `Shelf.open` imports, and only what it needs.
"""

BACKBONES: Final = "_backbones"


class NameTakenError(VoiceError):
    """The name is that of a voice for everybody."""


class NotYoursError(VoiceError):
    """The voice is for everybody, and not this tenant's to change."""


class InUseError(VoiceError):
    """Other voices speak with the weights of what should go; the message names them."""


class Shelf(Sight):
    """The voices one tenant may use, and what it may do with them."""

    def of(self, tenant_id: str) -> Shelf:
        """The same shelf as this tenant sees it. Raises ValueError if that is no tenant's id."""
        return Shelf(self._root, with_stub=self._with_stub, tenant_id=tenant_id, shipped=self._shipped)

    def backbone(self, kind: str) -> Path:
        """The folder of a backbone that all voices share: "content", "linguistic" or "speaker"."""
        return self._root / BACKBONES / kind

    def reading_parameters(self, languages: Collection[str]) -> dict[str, Parameter]:
        """What a new manifest says of how these languages are read with the models at hand.

        It is part of the voice version: a model that arrives later changes no voice that is there.
        """
        return {"polyphones": True} if "zh" in languages and self.backbone("polyphones").is_dir() else {}

    def open(self, manifest: VoiceManifest) -> Voice:
        """The voice, loaded and ready to speak. Imports its family.

        Raises:
            ConsentError: it is cloned, and no consent to that is on record.
            VoiceError: the family is unknown, or the voice is not what its manifest says.
        """
        self.require_consent(manifest)
        voice: Voice = _family_of(manifest).open_voice(self.source(manifest))
        return voice

    def open_weights(self, manifest: VoiceManifest) -> Weights:
        """The weights a version speaks with, loaded, for this voice and others that share them.

        Raises:
            VoiceError: as `open`; consent is asked for by each voice, not by weights.
        """
        family = _family_of(manifest)
        if not hasattr(family, "open_weights"):
            return Apart(family.open_voice)
        weights: Weights = family.open_weights(self.source(manifest))
        return weights

    def open_on(self, weights: Weights, manifest: VoiceManifest) -> Voice:
        """The voice of a version over its weights, which `open_weights` loaded.

        Raises:
            VoiceError: as `open`.
        """
        self.require_consent(manifest)
        return weights.voice(self.source(manifest))

    def source(self, manifest: VoiceManifest) -> VoiceSource:
        """Where the version lies: its own files, its weights (own, or its base's) and the backbones.

        Raises:
            VoiceError: the version it shares its weights with is not on the shelf, or has other weights.
        """
        folder = self.folder(manifest)
        return VoiceSource(
            weights_digest=manifest.weights_digest,
            parameters=manifest.parameters,
            folder=folder,
            weights=self._weights_of(manifest),
            prompts=tuple(
                PromptFile(folder / prompt.file, prompt.transcript, prompt.language)
                for prompt in manifest.prompts
                if folder is not None
            ),
            backbones=self._root / BACKBONES,
        )

    def consent_of(self, name: str) -> Consent | None:
        """What stands on record for the voice "name", or for "name@version"; None if nothing does.

        Raises:
            UnknownVoiceError: no such voice or version.
            ManifestError: the record is broken.
        """
        plain, at, version = name.partition("@")
        found = self._find(plain)
        bay = found[chosen(plain, found, version) if at else next(iter(found))]
        return None if bay is None else read_consent(bay.path / plain)

    def record_consent(self, name: str, statement: str) -> Consent:
        """Puts on record that the speaker of this voice agrees, for all versions that stand here now.

        Raises:
            UnknownVoiceError: no such voice.
            NotYoursError: it is for everybody, or built in.
            ConsentError: the statement is none.
        """
        self._must_own(name)
        manifests = tuple(manifest for manifest in self._own.survey()[0] if manifest.name == name)
        consent = Consent.now(statement, manifests)
        with writing(self._root), locked(self._root):
            write_consent(self._own.path / name, consent)
        return consent

    def require_consent(self, manifest: VoiceManifest) -> None:
        """Lets a voice pass that may speak: a cloned one needs consent, the others are of nobody.

        Raises:
            ConsentError: there is none for it; the message says what to run.
            ManifestError: the record is broken.
        """
        if not manifest.is_cloned:
            return
        consent = self.consent_of(f"{manifest.name}@{manifest.version}")
        if consent is None or not consent.covers(manifest):
            fault = "no consent is on record" if consent is None else "the consent on record is older than it"
            raise ConsentError(
                f"voice {manifest.name!r} is cloned, and {fault}; when the speaker has agreed, run:"
                f' lectorium voice consent {manifest.name} "who agreed, to what, how it is known"'
            )

    def install(self, manifest: VoiceManifest, files: Mapping[str, Path]) -> VoiceManifest:
        """Puts a version on the shelf: shown at once and whole, or not at all. Idempotent.

        Args:
            manifest: what it is; the same content is the same version.
            files: where each of the manifest's files is now. They are copied, and checked on the way.

        Raises:
            NameTakenError: the name is that of a voice for everybody, or built in.
            UnwritableError: a read-only volume, a full disk.
            VoiceError: the files are not what the manifest says, or the version it shares its weights with
                is not here.
        """
        name = manifest.name
        if name in self._built_in:
            raise NameTakenError(f"voice {name!r} is built in; choose another name")
        if not self.owns(name) and any(bay.versions(name) for bay in self._bays):
            raise NameTakenError(f"voice {name!r} is there for everybody; choose another name")
        has_weights = bool({SEMANTIC, DECODER} & set(manifest.files))
        if has_weights and manifest.weights_digest != weights_digest(manifest.files):
            raise VoiceError(f"voice {name!r}: weights_digest is not that of its weights")
        folder = self._own.folder(name, manifest.version)
        if folder.is_dir():
            return self._own.read(name, manifest.version)
        with (
            writing(self._root),
            staged(self._own.path, manifest, files) as arrived,
            locked(self._root),
        ):
            if manifest.base:
                self._base_of(manifest)
            if not folder.is_dir():  # another may have brought it meanwhile
                show(arrived, folder)
        return manifest

    def point(self, name: str, version: str) -> VoiceManifest:
        """Has the voice "name" stand for an older version again; a version that comes later takes its place.

        Idempotent. Nothing is copied and nothing is lost: the versions in between stay.

        Args:
            name: the voice's.
            version: its digest, or the first six digits or more.

        Raises:
            UnknownVoiceError: no such voice or version.
            NotYoursError: it is for everybody, or built in.
            ManifestError: that version is broken.
            UnwritableError: the volume is read-only.
        """
        with writing(self._root), locked(self._root):
            self._must_own(name)
            versions = self._own.versions(name)
            manifest = self._own.read(name, chosen(name, versions, version))
            if versions[0] != manifest.version:
                replace_file(self._own.path / name / CURRENT, f"{manifest.version}\n".encode("ascii"))
        return manifest

    def remove(self, name: str) -> tuple[str, ...]:
        """Takes "name" (all its versions) or "name@version" off the shelf; gives back the versions gone.

        A version with a broken manifest can be removed too. With its last version a voice loses its consent.

        Raises:
            UnknownVoiceError: no such voice or version.
            NotYoursError: it is for everybody, or built in.
            InUseError: voices that stay speak with its weights.
            UnwritableError: the volume is read-only.
        """
        plain, at, version = name.partition("@")
        with writing(self._root), locked(self._root):
            self._must_own(plain)
            versions = self._own.versions(plain)
            going = (chosen(plain, versions, version),) if at else versions
            users = list(self._users_of(plain, going))
            if users:
                raise InUseError(f"voice {name!r}: {', '.join(users)} speak with its weights")
            for gone in going:
                drop(self._own.folder(plain, gone))
            if going == versions:
                for left in (CONSENT, CURRENT):
                    (self._own.path / plain / left).unlink(missing_ok=True)
        return going

    def _weights_of(self, manifest: VoiceManifest) -> Path | None:
        return self.folder(self._base_of(manifest) if manifest.base else manifest)

    def _base_of(self, manifest: VoiceManifest) -> VoiceManifest:
        base = self.resolve(manifest.base)
        if base.base or base.weights_digest != manifest.weights_digest:
            raise VoiceError(f"voice {manifest.name!r}: base: {manifest.base!r} has other weights")
        return base

    def _must_own(self, name: str) -> None:
        self._find(name)  # raises, with a guess, for what nobody has
        if name in self._built_in:
            raise NotYoursError(f"voice {name!r} is built in and cannot be changed")
        if not self.owns(name):
            if Bay(self._shipped).versions(name):
                raise NotYoursError(f"voice {name!r} comes with Lectorium and cannot be changed")
            raise NotYoursError(f"voice {name!r} is there for everybody; only the operator can change it")

    def _users_of(self, name: str, going: Collection[str]) -> Iterator[str]:
        """The voices of all who can see these versions that speak with their weights, and stay."""
        bays = [(self._own, "")]
        if self._own == Bay(self._root):
            bays += [(Bay(path), f" of tenant {path.name}") for path in (self._root / TENANTS).glob("*")]
        for bay, owner in bays:
            for manifest in bay.survey()[0]:
                base, _, version = manifest.base.partition("@")
                goes_too = bay == self._own and manifest.name == name and manifest.version in going
                if base == name and any(gone.startswith(version) for gone in going) and not goes_too:
                    yield f"{manifest.name}@{manifest.version[:12]}{owner}"


def _family_of(manifest: VoiceManifest) -> ModuleType:
    """The module of its family. Raises VoiceError where there is none of that name."""
    if manifest.family not in FAMILIES:
        guesses = difflib.get_close_matches(manifest.family, FAMILIES, n=1)
        hint = f"did you mean {guesses[0]!r}?" if guesses else f"known are {', '.join(FAMILIES)}"
        raise VoiceError(f"voice {manifest.name!r}: family {manifest.family!r} is unknown; {hint}")
    return importlib.import_module(FAMILIES[manifest.family])
