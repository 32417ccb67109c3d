"""Which jobs some `lectorium read` of this machine is at, and which it left behind when it was killed.

Each `read` holds a lock on a file named after its job. The kernel drops the lock however the process ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class Desk:
    """The locks of one home folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "reading"

    @contextmanager
    def hold(self, job_id: str) -> Iterator[Seat]:
        """Reads the job until the end of the block. Others may read it too."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / job_id).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield Seat(file)

    def forget(self, job_id: str) -> None:
        """The job has ended: nobody need look for it again."""
        (self._folder / job_id).unlink(missing_ok=True)

    def left_behind(self) -> list[str]:
        """The jobs whose readers are all gone without having ended them."""
        orphans = []
        for path in sorted(self._folder.glob("*")):
            try:
                with path.open("ab") as file:
                    if Seat(file).is_alone():
                        orphans.append(path.name)
            except FileNotFoundError:
                continue  # its reader has just ended it
        return orphans


class Seat:
    """One process's place at a job."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def is_alone(self) -> bool:
        """Whether no other process reads the job. Asked at the end: the answer may cost the seat."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
