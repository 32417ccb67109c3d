"""Files on their way from the hub to a folder: several at once, each resumed where it broke off.

A file on its way is called `NAME.part`. It keeps what has arrived through every end of the process; it gets
its name once it is whole, its digest is right and it is on disk for good. One process at a time writes into
the folder: whoever calls holds a lock.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from models_store.hub.digest import Digest
from models_store.hub.errors import HubError, StoppedError, TransientError
from models_store.hub.patience import Patience
from models_store.hub.protocol import Hub

FILES_AT_ONCE: Final = 4
"""Enough to fill a line, few enough not to be taken for an attack."""


class Progress(Protocol):
    """Somebody who watches. Called from several threads."""

    def expect(self, n_bytes: int) -> None:
        """So many bytes will have to arrive in all."""
        ...

    def found(self, n_bytes: int) -> None:
        """So many of them were here before."""
        ...

    def advance(self, n_bytes: int) -> None:
        """So many have arrived since; fewer than none when a file begins anew."""
        ...

    def line(self, text: str) -> None:
        """Something worth a line."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a commit, and what it must be."""

    path: str
    n_bytes: int | None
    """None where nobody knows before it has arrived: then it cannot be resumed."""
    digest: Digest


@dataclass(frozen=True, slots=True)
class Downloads:
    """A folder that takes up the files of one commit."""

    hub: Hub
    repository: str
    commit: str
    folder: Path
    patience: Patience
    progress: Progress
    halted: threading.Event

    def run(self, wanted: Sequence[Wanted]) -> None:
        """Brings them all, each at its path below the folder. What is there already is checked and kept.

        Raises:
            HubError: a file is not what it must be, or cannot be had or stored; nothing else is begun then.
            StoppedError: somebody asked to stop.
        """
        self._check_room(wanted)
        self.progress.expect(sum(each.n_bytes or 0 for each in wanted))
        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="pull") as threads:
            running = [threads.submit(self._bring, each) for each in wanted]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:  # also when Ctrl-C strikes in `wait`
                broke = any(each.done() and each.exception() for each in running)
                if broke or not all(each.done() for each in running):
                    self.halted.set()
                    threads.shutdown(cancel_futures=True)
        faults = [fault for each in done if (fault := each.exception())]
        for fault in sorted(faults, key=lambda fault: isinstance(fault, StoppedError)):
            raise fault

    def _check_room(self, wanted: Sequence[Wanted]) -> None:
        """Twice what is to come must fit: the files, and what they are converted to."""
        missing = sum(max(0, (each.n_bytes or 0) - self._arrived(each)) for each in wanted)
        whole = sum(each.n_bytes or 0 for each in wanted)
        place = self.folder
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if missing + whole > free:
            raise HubError(
                f"{place}: {(missing + whole) / 1e9:.2f} GB are needed there, {free / 1e9:.2f} GB are free"
            )

    def _arrived(self, wanted: Wanted) -> int:
        path = self.folder / wanted.path
        return next((each.stat().st_size for each in (path, _part_of(path)) if each.is_file()), 0)

    def _bring(self, wanted: Wanted) -> None:
        path = self.folder / wanted.path
        part = _part_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                if wanted.digest.fits(path):
                    self.progress.found(path.stat().st_size)
                    return
                path.unlink()  # it changed after it had arrived: not ours to judge, only to bring again
            was_resumed = self._fill(part, wanted)
            if was_resumed and not wanted.digest.fits(part):
                self._restart(part)  # what lay there was perhaps not of this file
                self._fill(part, wanted)
            self._keep(part, path, wanted)
        except OSError as error:
            raise HubError(f"{error.filename or part}: {error.strerror or error}") from error

    def _fill(self, part: Path, wanted: Wanted) -> bool:
        """Writes until all is there; true if some of it had been there before."""
        was_there = part.stat().st_size if part.is_file() else 0
        self.progress.found(was_there)
        if was_there and (wanted.n_bytes is None or was_there > wanted.n_bytes):
            self._restart(part)
            was_there = 0
        failures = 0
        while True:
            size_before = part.stat().st_size if part.is_file() else 0
            try:
                if size_before != wanted.n_bytes:
                    self._append(part, wanted, size_before)
            except TransientError as error:
                grew = part.is_file() and part.stat().st_size > size_before
                failures = 1 if grew else failures + 1
                if wanted.n_bytes is None:
                    self._restart(part)
                self.patience.pause(failures, error, self.halted)
            else:
                return was_there > 0

    def _append(self, part: Path, wanted: Wanted, start: int) -> None:
        with self.hub.opened(self.repository, self.commit, wanted.path, start) as (begins_at, blocks):
            if begins_at != start:
                self._restart(part)  # a server without ranges sends all of it again
            with part.open("ab") as file:
                for block in blocks:
                    if self.halted.is_set():
                        raise StoppedError("stopped")
                    file.write(block)
                    self.progress.advance(len(block))
                file.flush()
                os.fsync(file.fileno())
                if file.tell() < (wanted.n_bytes or 0):
                    raise TransientError(f"{wanted.path}: the connection ended early")

    def _restart(self, part: Path) -> None:
        if part.is_file():
            self.progress.advance(-part.stat().st_size)
            part.unlink()

    def _keep(self, part: Path, path: Path, wanted: Wanted) -> None:
        if not wanted.digest.fits(part):
            self._restart(part)
            raise HubError(
                f"{wanted.path}: what arrived is not the file it should be: its digest is not "
                f"{wanted.digest.hexadecimal[:12]}…; nothing of it was kept"
            )
        part.replace(path)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
