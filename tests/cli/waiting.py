"""Waiting for what another process does, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def until(what: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Returns once `what` is true; fails the test if that takes too long."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"it took longer than {seconds} s"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether no such process runs any more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pids_in(path: Path, count: int = 1) -> list[int]:
    """The process numbers that at least so many children have written."""
    until(lambda: path.exists() and len(path.read_text(encoding="utf-8").split()) >= count)
    return [int(pid) for pid in path.read_text(encoding="utf-8").split()]
