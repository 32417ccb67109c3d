"""Bounds on how often and how much at once: token buckets for requests, seats for event streams.

Both live in the memory of this one process, which is all there is of a server (see `api.__main__`). What
costs real money, jobs and characters and bytes, is bounded by the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

MOST_BUCKETS: Final = 10_000


class Buckets:
    """A token bucket for each name, full at first, refilled evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> tokens, at that moment

    def take(self, name: str) -> float:
        """0 when there was a token to take; else the seconds until there will be one."""
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.get(name, (self._size, now))
            tokens = min(self._size, tokens + (now - since) * self._per_second)
            if tokens < 1:
                return (1 - tokens) / self._per_second
            if name not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
                self._forget_full(now)
            self._buckets[name] = (tokens - 1, now)
            return 0.0

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            name: (tokens, since)
            for name, (tokens, since) in self._buckets.items()
            if tokens + (now - since) * self._per_second < self._size
        }


class Seats:
    """How many may sit at once, for each name and together."""

    def __init__(self, for_each: int, together: int) -> None:
        self._for_each = for_each
        self._together = together
        self._lock = threading.Lock()
        self._taken: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Whether there was a seat; if so it must be given back."""
        with self._lock:
            mine = self._taken.get(name, 0)
            if mine >= self._for_each or sum(self._taken.values()) >= self._together:
                return False
            self._taken[name] = mine + 1
            return True

    def give_back(self, name: str) -> None:
        """The seat is free again."""
        with self._lock:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
