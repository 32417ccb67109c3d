"""The object store as this server asks it: the same verbs, each counted by how it ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from jobs.objects import (
    CorruptObjectError,
    Head,
    ObjectMissingError,
    Objects,
    ObjectsUnavailableError,
    Source,
    Stored,
)

T = TypeVar("T")

CODES: Final = (
    (ObjectMissingError, "missing"),
    (ObjectsUnavailableError, "unavailable"),
    (CorruptObjectError, "corrupt"),
)
"""How a verb may end besides "ok". All else is not the store's doing and "invalid": a bad key or range."""


class CountedObjects:
    """A store that counts its requests.

    A verb is one request, however often the store below tries it again. A reading is counted at its end.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()

    def requests(self) -> dict[tuple[str, str], int]:
        """(verb, code) -> requests so far."""
        with self._lock:
            return dict(self._requests)

    def _count(self, verb: str, code: str) -> None:
        with self._lock:
            self._requests[verb, code] += 1

    @contextmanager
    def _failures_counted(self, verb: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._count(verb, next((code for kind, code in CODES if isinstance(error, kind)), "invalid"))
            raise

    @contextmanager
    def _counted(self, verb: str) -> Iterator[None]:
        with self._failures_counted(verb):
            yield
        self._count(verb, "ok")

    def put(self, key: str, source: Source, *, media_type: str) -> Stored:
        """As `Objects.put` says."""
        with self._counted("put"):
            return self._objects.put(key, source, media_type=media_type)

    def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """As `Objects.get` says."""
        with self._counted("get"):
            return self._objects.get(key, sha256=sha256)

    def fetch(self, key: str, path: Path, *, sha256: str | None = None) -> Stored:
        """As `Objects.fetch` says."""
        with self._counted("fetch"):
            return self._objects.fetch(key, path, sha256=sha256)

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """As `Objects.open_range` says."""
        with self._failures_counted("open_range"):
            blocks = self._objects.open_range(key, start, end)
        return self._read("open_range", blocks)

    def head(self, key: str) -> Head | None:
        """As `Objects.head` says."""
        with self._failures_counted("head"):
            found = self._objects.head(key)
        self._count("head", "ok" if found else "missing")
        return found

    def delete(self, key: str) -> None:
        """As `Objects.delete` says."""
        with self._counted("delete"):
            self._objects.delete(key)

    def list(self, prefix: str = "") -> Iterator[Head]:
        """As `Objects.list` says."""
        with self._failures_counted("list"):
            heads = self._objects.list(prefix)
        return self._read("list", heads)

    def sign(self, key: str, *, seconds: int, filename: str, media_type: str) -> str | None:
        """As `Objects.sign` says. Not counted: it asks no server."""
        return self._objects.sign(key, seconds=seconds, filename=filename, media_type=media_type)

    def check(self) -> None:
        """As `Objects.check` says."""
        with self._counted("check"):
            self._objects.check()

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """As `Objects.sweep` says."""
        with self._counted("sweep"):
            return self._objects.sweep(older_than_seconds=older_than_seconds)

    def _read(self, verb: str, parts: Iterator[T]) -> Iterator[T]:
        try:
            with self._counted(verb):
                yield from parts
        except GeneratorExit:  # the client hung up: the store did what it was asked
            self._count(verb, "ok")
            raise
