"""Which utterance comes next: lists and integers, no torch, no clock of its own.

Lanes run free one by one; each asks for the next utterance. Jobs of a higher priority go first, jobs of one
priority share the tokens evenly, and within a job the longest goes first, so that the short ones fill the
end: the longest of all, or of so many as came first. Whatever has waited longer than the patience goes before
all of that, oldest first: nothing starves. (So add what has been claimed, not a whole book: waiting begins
here.) What is being decoded never reserves more slots of the cache than the budget.

Times are seconds of whichever clock the caller has; tests simulate one.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from speech.errors import SpeechError


@dataclass(frozen=True, slots=True)
class Waiting:
    """An utterance that wants a lane."""

    key: str
    """Names it; unique among those that wait or are being decoded."""
    job: str
    n_prefix: int
    """Slots its prefix fills."""
    n_expected: int
    """Tokens it will probably have."""
    priority: int = 0
    """The higher goes first."""
    since_seconds: float = 0.0
    """When it was added."""

    @property
    def n_slots(self) -> int:
        """Slots it reserves."""
        return self.n_prefix + self.n_expected


@dataclass(slots=True)
class _Job:
    """The utterances of one job, in two orders; those admitted are skipped when they come up.

    Those that are `later` are not among the longest yet, however long they are.
    """

    priority: int
    n_served: int
    """Tokens admitted so far, or as good as: a newcomer starts level with those who are here."""
    longest: list[tuple[int, int, Waiting]] = field(default_factory=list)
    oldest: deque[Waiting] = field(default_factory=deque)
    later: deque[Waiting] = field(default_factory=deque)
    n_compared: int = 0
    """How many of those that wait are among the longest."""


class Schedule:
    """Who waits and who is being decoded."""

    def __init__(
        self,
        budget_slots: int | None = None,
        patience_seconds: float = 60.0,
        *,
        n_compared: int | None = None,
    ) -> None:
        """A schedule for whom nobody waits yet.

        Args:
            budget_slots: the most that may be reserved at once; None is no limit.
            patience_seconds: who has waited longer goes first.
            n_compared: of so many of a job, those that came first, the longest goes first; None: of all. With
                few, what was added together is about done together; twice the lanes fill the end as well.
        """
        self._budget_slots = math.inf if budget_slots is None else budget_slots
        self._patience_seconds = patience_seconds
        self._n_compared = math.inf if n_compared is None else n_compared
        self._jobs: dict[tuple[str, int], _Job] = {}
        self._waiting: set[str] = set()
        self._decoding: dict[str, int] = {}
        self._n_lined_up = 0
        self._n_reserved = 0

    def __len__(self) -> int:
        """Utterances that wait."""
        return len(self._waiting)

    @property
    def n_reserved_slots(self) -> int:
        """Slots of the utterances being decoded."""
        return self._n_reserved

    def add(self, utterances: Iterable[Waiting]) -> None:
        """Lets `utterances` wait.

        Raises:
            SpeechError: one alone exceeds the budget, or waits already; the message names its key.
        """
        for utterance in utterances:
            if utterance.n_slots > self._budget_slots:
                raise SpeechError(
                    f"{utterance.key}: {utterance.n_slots} slots are more than the budget of "
                    f"{self._budget_slots}"
                )
            if utterance.key in self._waiting or utterance.key in self._decoding:
                raise SpeechError(f"{utterance.key}: waits already")
            job = self._job_of(utterance)
            job.oldest.append(utterance)
            job.later.append(utterance)
            self._waiting.add(utterance.key)

    def admit(self, now_seconds: float) -> Waiting | None:
        """The next utterance to decode; None where nothing waits, or the budget must first recover."""
        for utterance in self._candidates(now_seconds):
            if self._n_reserved + utterance.n_slots <= self._budget_slots:
                self._take(utterance)
                return utterance
            if now_seconds - utterance.since_seconds > self._patience_seconds:
                return None  # it has waited long enough: no other may slip past it
        return None

    def retire(self, key: str) -> None:
        """Gives back the slots of an utterance that has been decoded."""
        self._n_reserved -= self._decoding.pop(key)

    def _job_of(self, utterance: Waiting) -> _Job:
        name = (utterance.job, utterance.priority)
        job = self._jobs.get(name)
        if job is None:
            peers = [other.n_served for other in self._jobs.values() if other.priority == utterance.priority]
            job = self._jobs[name] = _Job(utterance.priority, min(peers, default=0))
        return job

    def _candidates(self, now_seconds: float) -> Iterator[Waiting]:
        """At most two of each job: its oldest if overdue, its longest."""
        for name in [name for name, job in self._jobs.items() if not self._prune(job)]:
            del self._jobs[name]
        jobs = list(self._jobs.values())
        overdue = [
            job.oldest[0]
            for job in jobs
            if now_seconds - job.oldest[0].since_seconds > self._patience_seconds
        ]
        yield from sorted(overdue, key=lambda utterance: utterance.since_seconds)
        for job in sorted(jobs, key=lambda job: (-job.priority, job.n_served)):
            yield job.longest[0][2]

    def _prune(self, job: _Job) -> bool:
        """Forgets those admitted that have come up in the job's orders, and has later ones compared in their
        place; whether anybody is left."""
        while job.oldest and job.oldest[0].key not in self._waiting:
            job.oldest.popleft()
        while job.longest and job.longest[0][2].key not in self._waiting:
            heapq.heappop(job.longest)
        while job.later and job.n_compared < self._n_compared:
            utterance = job.later.popleft()
            heapq.heappush(job.longest, (-utterance.n_expected, self._n_lined_up, utterance))
            self._n_lined_up += 1
            job.n_compared += 1
        return bool(job.oldest)

    def _take(self, utterance: Waiting) -> None:
        self._waiting.remove(utterance.key)
        self._decoding[utterance.key] = utterance.n_slots
        self._n_reserved += utterance.n_slots
        job = self._jobs[utterance.job, utterance.priority]
        job.n_served += utterance.n_expected
        job.n_compared -= 1


class LengthBuckets:
    """Takes gathered until enough of about one length are there to be made sound together (on a GPU)."""

    def __init__(self, step: int, most: int) -> None:
        self._step = step
        self._most = most
        self._buckets: dict[int, list[str]] = {}

    def add(self, key: str, n: int) -> list[str]:
        """The keys of a batch that `key`, of length `n`, has made full; else none."""
        bucket = self._buckets.setdefault(-(-n // self._step), [])
        bucket.append(key)
        return self._buckets.pop(-(-n // self._step)) if len(bucket) == self._most else []

    def flush(self) -> Iterator[list[str]]:
        """What is left, longest first; neighbouring buckets share a batch where both fit."""
        batch: list[str] = []
        for length in sorted(self._buckets, reverse=True):
            for key in self._buckets[length]:
                batch.append(key)
                if len(batch) == self._most:
                    yield batch
                    batch = []
        self._buckets.clear()
        if batch:
            yield batch
