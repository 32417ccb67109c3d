"""Objects in a folder: one file each, named by its key."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from jobs.objects.errors import (
    CorruptObjectError,
    ObjectKeyError,
    ObjectMissingError,
    ObjectsError,
    ObjectsUnavailableError,
)
from jobs.objects.store import (
    BLOCK_BYTES,
    Head,
    Source,
    Stored,
    bounded_range,
    check_key,
    check_prefix,
    opened,
    prove,
    sha256_of,
    write_verified,
)

UNFINISHED: Final = ".unfinished"  # no key has a part that begins with a dot
_NOT_A_FILE: Final = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


class FolderObjects:
    """The store for one machine.

    A put writes beside the objects, syncs, renames and syncs the folder: after a crash, even of the machine,
    the object is there whole or not at all. Unlike S3, `a` and `a/b` cannot both be objects, media types are
    not kept, and `sign` has no addresses to give.
    """

    def __init__(self, root: Path) -> None:
        """Make the folder when it is absent."""
        self._root = root.absolute()
        self._unfinished = self._root / UNFINISHED
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._root = self._root.resolve()
        except OSError as error:
            raise _unavailable(error) from error
        self._unfinished = self._root / UNFINISHED

    def put(self, key: str, source: Source, *, media_type: str) -> Stored:  # noqa: ARG002 - a file has no media type
        """As `Objects.put` says."""
        target = self._path(key)
        with opened(source) as (stream, start):
            stream.seek(start)
            return self._write(key, stream, target)

    def _write(self, key: str, stream: BinaryIO, target: Path) -> Stored:
        draft = self._unfinished / f"{os.getpid()}-{secrets.token_hex(8)}"
        digest, n_bytes = hashlib.sha256(), 0
        try:
            with draft.open("xb") as sink:
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
                    n_bytes += len(block)
                    sink.write(block)
                sink.flush()
                os.fsync(sink.fileno())
            self._make_folder(target.parent)
            draft.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise ObjectKeyError(
                    f"a part of {key!r} is an object itself, or it is a folder of objects"
                ) from error
            raise _unavailable(error) from error
        finally:
            draft.unlink(missing_ok=True)
        return Stored(key, digest.hexdigest(), n_bytes)

    def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """As `Objects.get` says; without a digest nothing is compared."""
        path = self._path(key)
        with _reading(key):
            whole = path.read_bytes()
        if sha256 is not None and sha256_of(whole) != sha256:
            raise CorruptObjectError(f"{key}: the digest is not {sha256}")
        return whole

    def fetch(self, key: str, path: Path, *, sha256: str | None = None) -> Stored:
        """As `Objects.fetch` says."""
        return write_verified(path, key, self.open_range(key), sha256)

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """As `Objects.open_range` says."""
        path = self._path(key)
        with _reading(key):
            n_bytes = path.stat().st_size
        start, stop = bounded_range(start, end, n_bytes)
        return self._blocks(key, path, start, stop)

    @staticmethod
    def _blocks(key: str, path: Path, start: int, stop: int) -> Iterator[bytes]:
        with _reading(key), path.open("rb") as stream:
            stream.seek(start)
            while start < stop:
                block = stream.read(min(BLOCK_BYTES, stop - start))
                if not block:
                    raise CorruptObjectError(f"{key}: the file ends at {start}, before {stop}")
                start += len(block)
                yield block

    def head(self, key: str) -> Head | None:
        """As `Objects.head` says."""
        path = self._path(key)
        try:
            with _reading(key):
                return None if path.is_dir() else _head(key, path.stat())
        except ObjectMissingError:
            return None

    def delete(self, key: str) -> None:
        """As `Objects.delete` says; folders left empty stay."""
        path = self._path(key)
        with contextlib.suppress(ObjectMissingError), _reading(key):
            path.unlink()

    def list(self, prefix: str = "") -> Iterator[Head]:
        """As `Objects.list` says."""
        folder, _, _ = check_prefix(prefix).rpartition("/")
        return self._walk(folder, prefix)

    def _walk(self, folder: str, prefix: str) -> Iterator[Head]:
        try:
            with os.scandir(self._root / folder) as entries:
                # Files as their name, folders as their name and a slash: the order S3 has for whole keys.
                named = sorted(
                    (f"{entry.name}/" if entry.is_dir() else entry.name, entry) for entry in entries
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unavailable(error) from error
        for name, entry in named:
            key = f"{folder}/{name}" if folder else name
            if name.startswith(".") or not (key.startswith(prefix) or prefix.startswith(key)):
                continue
            if name.endswith("/"):
                yield from self._walk(key.rstrip("/"), prefix)
            elif key.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):  # deleted since
                    yield _head(key, entry.stat())

    def sign(self, key: str, *, seconds: int, filename: str, media_type: str) -> None:  # noqa: ARG002 - one shape
        """None: a folder has no addresses."""
        self._path(key)

    def check(self) -> None:
        """As `Objects.check` says."""
        prove(self)

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """As `Objects.sweep` says."""
        n_removed = 0
        for draft in self._unfinished.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > older_than_seconds:
                    draft.unlink()
                    n_removed += 1
        return n_removed

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if not path.resolve().is_relative_to(self._root):
            raise ObjectKeyError(f"{key!r} leads out of the folder of objects")
        return path

    def _make_folder(self, folder: Path) -> None:
        absent = []
        while not folder.is_dir():
            absent.append(folder)
            folder = folder.parent
        for each in reversed(absent):
            each.mkdir(exist_ok=True)
            _sync_folder(each.parent)


@contextlib.contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if isinstance(error, ObjectsError):
            raise
        raise ObjectMissingError(f"no object {key!r}") from error
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> ObjectsUnavailableError:
    return ObjectsUnavailableError(f"the folder of objects: {error.strerror or error}")


def _head(key: str, stat: os.stat_result) -> Head:
    return Head(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
