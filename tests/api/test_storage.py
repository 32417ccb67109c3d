"""A counted store does what the store does, and says how each verb ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.storage import CountedObjects
from jobs.objects import (
    CorruptObjectError,
    ObjectKeyError,
    ObjectMissingError,
    ObjectRangeError,
    ObjectsUnavailableError,
)
from jobs.objects.folder import FolderObjects
from jobs.objects.store import BLOCK_BYTES

LONG = bytes(BLOCK_BYTES * 2)


@pytest.fixture
def store(tmp_path: Path) -> CountedObjects:
    """A store that holds one object, `a`, and forgot that it was asked for it."""
    folder = FolderObjects(tmp_path / "objects")
    folder.put("a", LONG, media_type="text/plain")
    return CountedObjects(folder)


def test_every_verb_does_its_work_and_is_counted(store: CountedObjects, tmp_path: Path) -> None:
    assert store.put("b", b"bee", media_type="text/plain").n_bytes == 3
    assert store.get("b") == b"bee"
    assert store.fetch("b", tmp_path / "b").n_bytes == 3
    assert b"".join(store.open_range("b", 1, 2)) == b"e"
    head = store.head("b")
    assert head is not None
    assert head.n_bytes == 3
    assert [found.key for found in store.list()] == ["a", "b"]
    assert store.sign("b", seconds=1, filename="b", media_type="text/plain") is None
    store.delete("b")
    store.check()
    assert store.sweep() == 0
    verbs = ("put", "get", "fetch", "open_range", "head", "list", "delete", "check", "sweep")
    assert store.requests() == {(verb, "ok"): 1 for verb in verbs}


def _read_shrunk(store: CountedObjects, root: Path) -> None:
    blocks = store.open_range("a")
    next(blocks)
    (root / "a").write_bytes(b"")
    list(blocks)


@pytest.mark.parametrize(
    ("ask", "error", "counted"),
    [
        (lambda store, _: store.get("b"), ObjectMissingError, ("get", "missing")),
        (lambda store, _: store.open_range("b"), ObjectMissingError, ("open_range", "missing")),
        (lambda store, _: store.get("a", sha256="0" * 64), CorruptObjectError, ("get", "corrupt")),
        (_read_shrunk, CorruptObjectError, ("open_range", "corrupt")),
        (lambda store, _: store.get("../a"), ObjectKeyError, ("get", "invalid")),
        (lambda store, _: store.open_range("a", len(LONG) + 1), ObjectRangeError, ("open_range", "invalid")),
    ],
)
def test_a_failure_is_raised_and_counted_once(
    store: CountedObjects,
    tmp_path: Path,
    ask: Callable[[CountedObjects, Path], object],
    error: type[Exception],
    counted: tuple[str, str],
) -> None:
    with pytest.raises(error):
        ask(store, tmp_path / "objects")
    assert store.requests() == {counted: 1}


def test_a_store_that_does_not_answer_is_unavailable(store: CountedObjects, tmp_path: Path) -> None:
    unfinished = tmp_path / "objects" / ".unfinished"
    unfinished.rmdir()
    with pytest.raises(ObjectsUnavailableError):
        store.put("b", b"bee", media_type="text/plain")
    assert store.requests() == {("put", "unavailable"): 1}


def test_a_head_of_nothing_is_missing(store: CountedObjects) -> None:
    assert store.head("b") is None
    assert store.requests() == {("head", "missing"): 1}


def test_a_client_that_hangs_up_is_no_failure_of_the_store(store: CountedObjects) -> None:
    blocks = store.open_range("a")
    assert len(next(blocks)) == BLOCK_BYTES
    blocks.close()  # type: ignore[attr-defined]  # a generator's, as the server calls it
    assert store.requests() == {("open_range", "ok"): 1}
