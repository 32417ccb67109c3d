"""A bay: one folder of voices, `<name>/<version>/manifest.json` with the version's files beside it.

A name with a dot before it is being written, one with an underscore is no voice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models_store.manifest import MANIFEST, NAME, ManifestError, VoiceManifest, read_manifest

CURRENT: Final = "current"
"""The file beside a voice's versions that says which of them it was pointed at last."""


@dataclass(frozen=True, slots=True)
class Bay:
    """The voices of one owner. The folder need not exist."""

    path: Path

    def names(self) -> Iterator[str]:
        """The names of its voices, in no order."""
        if self.path.is_dir():
            yield from (entry.name for entry in self.path.iterdir() if _is_shown(entry))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of one voice, the newest first; none for what is no name at all.

        A version that the voice was pointed at counts from that moment.
        """
        if NAME.fullmatch(name) is None or not (self.path / name).is_dir():
            return ()
        folders = [entry for entry in (self.path / name).iterdir() if _is_shown(entry)]
        pointed = _pointed_at(self.path / name / CURRENT)
        return tuple(
            folder.name for folder in sorted(folders, key=lambda folder: _age(folder, pointed), reverse=True)
        )

    def folder(self, name: str, version: str) -> Path:
        """Where the version's files stand."""
        return self.path / name / version

    def read(self, name: str, version: str) -> VoiceManifest:
        """The version's manifest.

        Raises:
            ManifestError: it is missing, broken, or not that of its folder.
        """
        path = self.folder(name, version) / MANIFEST
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ManifestError(f"{path}: {error.strerror}") from error
        manifest = read_manifest(content, place=str(path))
        if manifest.name != name:
            raise ManifestError(f"{path}: name: {manifest.name!r} does not stand in its own folder")
        if manifest.version != version:
            raise ManifestError(f"{path}: the folder is not named after the version, {manifest.version}")
        return manifest

    def survey(self) -> tuple[list[VoiceManifest], list[ManifestError]]:
        """Every version that can be read, by name, the newest first; and what is wrong with the others."""
        manifests: list[VoiceManifest] = []
        broken: list[ManifestError] = []
        for name in sorted(self.names()):
            for version in self.versions(name):
                try:
                    manifests.append(self.read(name, version))
                except ManifestError as error:
                    broken.append(error)
        return manifests, broken


def _is_shown(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith((".", "_"))


def _pointed_at(path: Path) -> tuple[str, int]:
    """The version a voice was pointed at, and when; "" if it never was."""
    try:
        return path.read_text("ascii").strip(), path.stat().st_mtime_ns
    except OSError:
        return "", 0


def _age(folder: Path, pointed: tuple[str, int]) -> tuple[int, str]:
    """Newer versions come after older ones; one without a manifest, which cannot be read, after all."""
    version, since = pointed
    try:
        written = (folder / MANIFEST).stat().st_mtime_ns
        return max(written, since if folder.name == version else 0), folder.name
    except OSError:
        return 1 << 62, folder.name
