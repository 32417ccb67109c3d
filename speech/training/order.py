"""Which recordings go into which update: a function of seed, epoch and position, with no state of its own.

Recordings of like length share a pass, so that little of it is filling. Lengths are blurred a little in each
epoch and the passes are shuffled, so that no two epochs look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from speech.noise import seed_of

_BLUR = 0.1  # of a length, at most


@dataclass(frozen=True, slots=True)
class Turn:
    """What one update takes."""

    number: int
    """Of the update, from 0."""
    epoch: int
    """From 0."""
    passes: tuple[tuple[int, ...], ...]
    """The recordings of each pass, by index."""


@dataclass(frozen=True, slots=True)
class Order:
    """All turns of a training."""

    lengths: tuple[int, ...]
    """Of each recording, in any unit."""
    n_lanes: int
    """Recordings in a pass."""
    n_passes: int
    """Passes in an update."""
    epochs: int
    seed: int
    least_per_epoch: int = 1

    @property
    def n_rounds(self) -> int:
        """How often an epoch goes through the recordings; as upstream, at least twice where they are few."""
        n = len(self.lengths)
        return 1 if n >= self.least_per_epoch else max(2, self.least_per_epoch // n)

    @property
    def n_in_epoch(self) -> int:
        """Updates in an epoch."""
        passes = self.n_rounds * -(-len(self.lengths) // self.n_lanes)
        return -(-passes // self.n_passes)

    @property
    def n_updates(self) -> int:
        """Updates in all."""
        return self.n_in_epoch * self.epochs

    def turn(self, number: int) -> Turn:
        """What update `number` takes."""
        epoch, position = divmod(number, self.n_in_epoch)
        passes = _passes_of(self, epoch)
        first = position * self.n_passes
        return Turn(number, epoch, tuple(passes[first : first + self.n_passes]))

    def passes(self, epoch: int) -> list[tuple[int, ...]]:
        """All passes of an epoch, in their order."""
        passes = [lanes for number in range(self.n_rounds) for lanes in self._round(f"{epoch}:{number}")]
        order = sorted(range(len(passes)), key=lambda index: self._drawn(f"{epoch}:order", index))
        return [passes[order[i % len(order)]] for i in range(self.n_in_epoch * self.n_passes)]

    def _round(self, key: str) -> list[tuple[int, ...]]:
        """Every recording once, in passes of like length; the last pass is filled up with some of them."""
        n = len(self.lengths)
        shuffled = sorted(range(n), key=lambda index: self._drawn(f"{key}:filling", index))
        lanes = [*range(n), *(shuffled[i % n] for i in range(-n % self.n_lanes))]
        blurred = [
            length * (1 + _BLUR * self._drawn(f"{key}:blur", index) / 2**32)
            for index, length in enumerate(self.lengths)
        ]
        lanes.sort(key=lambda index: (blurred[index], index))
        return [tuple(lanes[i : i + self.n_lanes]) for i in range(0, len(lanes), self.n_lanes)]

    def _drawn(self, key: str, index: int) -> int:
        return seed_of(f"{self.seed}:{key}:{index}")[0]


@lru_cache(maxsize=2)
def _passes_of(order: Order, epoch: int) -> list[tuple[int, ...]]:
    """Kept, because every update asks: of a corpus of thousands they take as long as half an update."""
    return order.passes(epoch)


def hold_out(names: Sequence[str], n: int, seed: int) -> tuple[list[int], list[int]]:
    """Indices to learn from and `n` to look at only, both in order; drawn by name, not by place."""
    drawn = sorted(range(len(names)), key=lambda index: seed_of(f"{seed}:held out:{names[index]}"))
    held_out = sorted(drawn[:n])
    return [index for index in range(len(names)) if index not in held_out], held_out
