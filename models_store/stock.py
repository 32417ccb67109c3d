"""How a version's files come onto the shelf and leave it: whole, or not at all.

Files are copied into a hidden folder beside the voices, checked on the way and synced; one rename shows them.
So a crash at any moment leaves a hidden folder and nothing else, and the next arrival after a day drops it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models_store.manifest import MANIFEST, ManifestFile, VoiceManifest
from speech.errors import VoiceError

_HIDDEN: Final = ".incoming-"
_BLOCK: Final = 1 << 20
_LEFTOVER_SECONDS: Final = 86_400.0
"""A hidden folder untouched for so long belongs to nobody who still copies."""


class UnwritableError(VoiceError):
    """The shelf takes nothing: a read-only volume, a full disk; the message has the system's word."""


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """What the system refuses until the end of the block is told as what it means for the shelf."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"the shelf {root} cannot be written: {error.strerror or error}") from error


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Nobody else changes what stands on the shelf until the end of the block, on any machine that shares it.

    Held for renames only: readers need no lock, and copying is done before.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def staged(scope: Path, manifest: VoiceManifest, files: Mapping[str, Path]) -> Iterator[Path]:
    """A hidden folder in `scope` that holds the version, on disk for good; dropped if it is not shown.

    Raises:
        VoiceError: a file is missing or surplus, cannot be read, or is not what the manifest says.
    """
    place = f"voice {manifest.name!r}"
    for name in sorted(set(files) ^ set(manifest.files)):
        fault = "is not in the manifest" if name in files else "is missing"
        raise VoiceError(f"{place}: {name} {fault}")
    scope.mkdir(parents=True, exist_ok=True)
    _drop_leftovers(scope)
    folder = scope / f"{_HIDDEN}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        for name, expected in manifest.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(files[name], target, expected, place=f"{place}: {name}")
        _write(folder / MANIFEST, manifest.to_json().encode())
        for inner, _, _ in os.walk(folder):
            _sync(Path(inner))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(staged_folder: Path, folder: Path) -> None:
    """The staged version now stands at `folder`, which must not be there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged_folder.rename(folder)
    _sync(folder.parent)
    _sync(folder.parent.parent)


def drop(folder: Path) -> None:
    """A version's folder vanishes at once, then its bytes are freed."""
    hidden = folder.parent.parent / f"{_HIDDEN}{secrets.token_hex(8)}"
    folder.rename(hidden)
    _sync(folder.parent)
    shutil.rmtree(hidden, ignore_errors=True)


def replace_file(path: Path, content: bytes) -> None:
    """The file at `path` holds the new content or still the old one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f"{_HIDDEN}{secrets.token_hex(8)}")
    try:
        _write(incoming, content)
        incoming.replace(path)
        _sync(path.parent)
    finally:
        incoming.unlink(missing_ok=True)


def _copy(source: Path, target: Path, expected: ManifestFile, *, place: str) -> None:
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with source.open("rb") as reading, target.open("xb") as writing:
            while block := reading.read(_BLOCK):
                digest.update(block)
                n_bytes += len(block)
                writing.write(block)
            writing.flush()
            os.fsync(writing.fileno())
    except OSError as error:
        raise VoiceError(f"{place}: {error.strerror}") from error
    if n_bytes != expected.bytes:
        raise VoiceError(f"{place}: {n_bytes} bytes; the manifest says {expected.bytes}")
    if digest.hexdigest() != expected.sha256:
        raise VoiceError(f"{place}: its SHA-256 is not that of the manifest")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop_leftovers(scope: Path) -> None:
    oldest = time.time() - _LEFTOVER_SECONDS
    for entry in scope.glob(f"{_HIDDEN}*"):
        try:
            if entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)
        except FileNotFoundError:  # another arrival dropped it first
            continue
