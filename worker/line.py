"""What waits for a lane: utterances of the chunks in hand, in the order in which the schedule lets them in.

What is in lanes reserves the slots it will probably fill, prompt and phonemes included, until its take is
there; all together reserve no more than the budget. It is what the voice's lanes have room for, or less where
the operator says so (`LECTORIUM_LANE_SLOTS`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from speech.schedule import Schedule, Waiting
from speech.text.script import expect_seconds
from speech.units import TOKEN_RATE
from speech.voice import Bounded, Voice
from worker.chunks import Chunk

PATIENCE_SECONDS: Final = 300.0
"""An utterance that has waited for a lane so long goes before longer ones."""
TOKENS_A_PHONEME: Final = 2.2
"""As people speak: how many phonemes an utterance of so many tokens has."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """An utterance of a chunk that is to be spoken, and by whom."""

    chunk: Chunk
    index: int
    voice: Voice

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for its sound."""
        return self.chunk.claim.is_urgent

    @property
    def key(self) -> str:
        """Names it among all that wait."""
        claim = self.chunk.claim
        return f"{claim.step_id}/{claim.epoch}/{self.index}"


class Line:
    """The line before one voice's lanes."""

    def __init__(
        self, voice: Voice, most_slots: int | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """An empty line.

        Args:
            voice: whose lanes they are.
            most_slots: the operator's bound of what is reserved at once; None: what the lanes have room for.
            now: the clock, in seconds.
        """
        bounds = [most_slots, voice.n_slots if isinstance(voice, Bounded) else None]
        self._budget = min((bound for bound in bounds if bound is not None), default=None)
        self._now = now
        # Twice as many as there are lanes are enough for the lanes to end together, and few enough for chunks
        # to be done about one after another. A voice of one lane speaks them in order.
        self._has_lanes = voice.n_lanes > 1
        n_compared = 2 * voice.n_lanes if self._has_lanes else 1
        self._schedule = Schedule(self._budget, PATIENCE_SECONDS, n_compared=n_compared)
        self._waiting: dict[str, Waiter] = {}
        """In the order in which they came."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def n_reserved_slots(self) -> int:
        """What those in lanes will probably fill."""
        return self._schedule.n_reserved_slots

    @property
    def has_urgent(self) -> bool:
        """Whether somebody waits for the sound of one that waits."""
        return any(waiter.is_urgent for waiter in self._waiting.values())

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks of which something waits, as they came."""
        return list({waiter.chunk.claim.step_id: waiter.chunk for waiter in self._waiting.values()}.values())

    def add(self, waiters: Iterable[Waiter]) -> None:
        """Has utterances wait for a lane. Those of a speech keep their order: somebody listens already."""
        now = self._now()
        for waiter in waiters:
            claim = waiter.chunk.claim
            job = waiter.key if claim.is_urgent else claim.job_id if self._has_lanes else ""
            n_prefix, n_expected = self._slots_of(waiter)
            self._waiting[waiter.key] = waiter
            self._schedule.add([Waiting(waiter.key, job, n_prefix, n_expected, claim.priority, now)])

    def next(self) -> Waiter | None:
        """Who is to be spoken next, its slots reserved; None if nobody waits or the budget is spent."""
        waiting = self._schedule.admit(self._now())
        return None if waiting is None else self._waiting.pop(waiting.key)

    def leave(self, waiter: Waiter) -> None:
        """Gives back what was reserved: it is spoken, or is not to be."""
        self._schedule.retire(waiter.key)

    def _slots_of(self, waiter: Waiter) -> tuple[int, int]:
        """What its prefix and its tokens will probably fill; one larger than the budget is spoken alone."""
        text = waiter.chunk.script.utterances[waiter.index].text
        n_expected = max(1, round(expect_seconds(text) * TOKEN_RATE))
        voice = waiter.voice
        n_prefix = round(n_expected / TOKENS_A_PHONEME)
        if isinstance(voice, Bounded):
            n_prefix += voice.n_prompt_slots
        if self._budget is not None and n_prefix + n_expected > self._budget:
            n_expected = min(n_expected, self._budget)
            n_prefix = self._budget - n_expected
        return n_prefix, n_expected
