"""Simulated GPU workers: what they claim is real, and so is the ledger; only their device is arithmetic."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import event

from jobs.ledger import Ledger
from jobs.ledger.values import Claim
from jobs.states import StepKind

UTTERANCE_SECONDS: Final = 5.4
CLAIM_CHUNKS: Final = 4
LEASE_SECONDS: Final = 600.0
CHUNKS: Final = (StepKind.SYNTHESIZE,)


def do_not_sync(ledger: Ledger) -> None:
    """For a ledger on SQLite with a simulated clock: what the disk takes is not counted there.

    Call it before the first use.
    """

    @event.listens_for(ledger.database.engine, "connect")
    def _off(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")


class Policy(StrEnum):
    """What a worker tells the ledger, and does with the answer."""

    LAST = "last"
    """Only the weights it spoke with last."""
    RESIDENT = "resident"
    """All it holds."""
    AHEAD = "ahead"
    """As well, and it loads what it will probably be given next while it speaks."""


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU with its memory, in figures."""

    audio_seconds_a_second: float = 70.0
    n_resident: int = 64
    """Weights it can hold."""
    load_seconds: float = 0.25
    """From the shelf until the first tick."""


@dataclass(slots=True)
class Tally:
    """What workers did; seconds of the ledger's answers are those of the real clock."""

    claim_seconds: list[float] = field(default_factory=list)
    look_seconds: list[float] = field(default_factory=list)
    finish_seconds: list[float] = field(default_factory=list)
    n_chunks: int = 0
    n_swaps: int = 0
    """Loads, early ones too."""
    n_waits: int = 0
    """Claims whose weights were not there yet."""
    waited_seconds: float = 0.0
    """Device time lost to them."""
    n_unused: int = 0
    """Loaded early, and gone again before anybody spoke with them."""

    def add(self, other: Tally) -> None:
        """These figures and those of others together."""
        self.claim_seconds += other.claim_seconds
        self.look_seconds += other.look_seconds
        self.finish_seconds += other.finish_seconds
        self.n_chunks += other.n_chunks
        self.n_swaps += other.n_swaps
        self.n_waits += other.n_waits
        self.waited_seconds += other.waited_seconds
        self.n_unused += other.n_unused


class SimulatedWorker:
    """Claims, lets its device's clock run for as long as the sound would take, finishes, claims again."""

    def __init__(
        self,
        ledger: Ledger,
        owner: str,
        device: Device,
        policy: Policy,
        tally: Tally,
        now: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._owner = owner
        self._device = device
        self._policy = policy
        self._tally = tally
        self._now = now
        self._weights: str | None = None
        self._held: OrderedDict[str, float] = OrderedDict()
        """Digest -> when it is, or was, there; the one used last at the end."""
        self._unused: set[str] = set()
        self._claims: list[Claim] = []

    def turn(self) -> float | None:
        """Finishes what is spoken and claims anew: seconds until that is spoken; None if nothing is due."""
        self._finish()
        began = time.perf_counter()
        self._claims = self._ledger.steps.claim(
            CHUNKS,
            owner=self._owner,
            lease_seconds=LEASE_SECONDS,
            most=CLAIM_CHUNKS,
            weights=self._weights,
            resident=self._resident(),
        )
        self._tally.claim_seconds.append(time.perf_counter() - began)
        if not self._claims:
            return None
        ready_at = self._load(self._claims[0].weights_digest or "")
        waits = max(0.0, ready_at - self._now())
        self._tally.n_waits += waits > 0
        self._tally.waited_seconds += waits
        if self._policy is Policy.AHEAD:
            self._look_ahead()
        n_utterances = sum(claim.n_utterances or 0 for claim in self._claims)
        return waits + n_utterances * UTTERANCE_SECONDS / self._device.audio_seconds_a_second

    def give_back(self) -> None:
        """What is not spoken at the end goes back."""
        for claim in self._claims:
            self._ledger.steps.release(claim, reason="the bench is over")
        self._claims = []

    def _finish(self) -> None:
        for claim in self._claims:
            began = time.perf_counter()
            self._ledger.steps.finish(claim, audio_seconds=(claim.n_utterances or 0) * UTTERANCE_SECONDS)
            self._tally.finish_seconds.append(time.perf_counter() - began)
        self._tally.n_chunks += len(self._claims)
        self._claims = []

    def _resident(self) -> list[str]:
        return [] if self._policy is Policy.LAST else list(reversed(self._held))

    def _load(self, weights: str) -> float:
        """When these weights are there; they are in use from now on."""
        self._fetch(weights)
        self._unused.discard(weights)
        self._weights = weights
        return self._held[weights]

    def _look_ahead(self) -> None:
        began = time.perf_counter()
        ahead = self._ledger.steps.look_ahead(
            CHUNKS, owner=self._owner, weights=self._weights, resident=self._resident()
        )
        self._tally.look_seconds.append(time.perf_counter() - began)
        if ahead is not None and ahead.weights_digest not in self._held:
            self._fetch(ahead.weights_digest)
            self._unused.add(ahead.weights_digest)
            self._held.move_to_end(self._weights or "")

    def _fetch(self, weights: str) -> None:
        if weights not in self._held:
            self._tally.n_swaps += 1
            self._held[weights] = self._now() + self._device.load_seconds
        self._held.move_to_end(weights)
        while len(self._held) > self._device.n_resident:
            gone, _ = self._held.popitem(last=False)
            self._tally.n_unused += gone in self._unused
            self._unused.discard(gone)
