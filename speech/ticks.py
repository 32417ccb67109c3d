"""A beat: the ticks between two looks, run as they are or, on a GPU, as one captured graph.

Of a graph everything stands still but the numbers: the tensors, how many lanes there are, how far attention
looks. So lanes and slots go in buckets, idle lanes are ticked along (they are done, write to rows of their
own and hold finite numbers), and the settings of lanes lie in tensors that stay. On a CPU the same buckets
run without graphs, which is how they are tested: no bucket changes what a lane draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

import torch

from speech.lanes import Lanes, draw_tokens, tick
from speech.networks.cache import slot_bound
from speech.networks.semantic import SemanticModel
from speech.sampling import Knobs, TokenSampling

_SLOTS_STEP: Final = 256
_COLUMNS: Final = ("top_k", "top_p", "temperature", "repetition_penalty", "min_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a graph is captured for."""

    n_lanes: int
    n_slots: int
    """How far attention looks."""
    widest_k: int
    any_top_p: bool


class Ticks:
    """The ticks of lanes."""

    def __init__(self, model: SemanticModel, lanes: Lanes, look_every: int, *, in_buckets: bool) -> None:
        """Ticks of `lanes`, which `model` decodes.

        Args:
            model: the semantic model.
            lanes: all of them.
            look_every: ticks of a beat.
            in_buckets: whether beats go in buckets. On a GPU a bucket is captured the second time it comes.
        """
        self._model = model
        self._lanes = lanes
        self._look_every = look_every
        self._in_buckets = in_buckets
        self._device = lanes.is_done.device
        self._knobs = Knobs.of([TokenSampling()] * len(lanes), self._device)
        self._graphs: dict[Bucket, torch.cuda.CUDAGraph | None] = {}
        """None for a bucket that came once and is not captured yet."""

    @property
    def lanes(self) -> Lanes:
        """All of them."""
        return self._lanes

    @property
    def buckets(self) -> frozenset[Bucket]:
        """The buckets that have come so far."""
        return frozenset(self._graphs)

    def serves(
        self, model: SemanticModel, n_lanes: int, n_slots: int, look_every: int, *, in_buckets: bool
    ) -> bool:
        """Whether these are the ticks of this very model and such lanes."""
        mine = (len(self._lanes), self._lanes.n_slots, self._look_every, self._in_buckets)
        return self._model is model and mine == (n_lanes, n_slots, look_every, in_buckets)

    def settle(self, sampling: Sequence[TokenSampling]) -> None:
        """Says how the busy lanes draw: one setting for each."""
        new = Knobs.of(sampling, self._device)
        for name in _COLUMNS:
            getattr(self._knobs, name)[: len(sampling)] = getattr(new, name)
        self._knobs = replace(self._knobs, widest_k=new.widest_k, any_top_p=new.any_top_p)

    def run(self, filled: Sequence[int]) -> list[int]:
        """One beat of the busy lanes; the host does not wait.

        Args:
            filled: slots of each busy lane that may be filled.

        Returns:
            The same after the beat.
        """
        ahead = [[min(n + i, self._lanes.n_slots) for n in filled] for i in range(1, self._look_every + 1)]
        if self._in_buckets:
            self._run_bucket(self._bucket(len(filled), max(ahead[-1])))
        else:
            self._beat(len(filled), ahead)
        return ahead[-1]

    def _beat(self, n_lanes: int, n_slots: Sequence[Sequence[int]]) -> None:
        """A tick of the first lanes for each of `n_slots`, how far attention looks in each lane."""
        lanes = self._lanes.first(n_lanes)
        knobs = replace(self._knobs, **{name: getattr(self._knobs, name)[:n_lanes] for name in _COLUMNS})
        for each in n_slots:
            draw_tokens(lanes, knobs)
            tick(self._model, lanes, each)

    def _bucket(self, n_lanes: int, n_slots: int) -> Bucket:
        """The bucket of so many lanes and slots: lanes in powers of two."""
        return Bucket(
            min(1 << (n_lanes - 1).bit_length(), len(self._lanes)),
            slot_bound(n_slots, self._lanes.n_slots, _SLOTS_STEP),
            self._knobs.widest_k,
            self._knobs.any_top_p,
        )

    def _run_bucket(self, bucket: Bucket) -> None:
        n_slots = [[bucket.n_slots] * bucket.n_lanes] * self._look_every
        if self._device.type != "cuda" or bucket not in self._graphs:
            # The first time as it is: libraries set themselves up then, and that cannot be captured.
            self._graphs[bucket] = None
            self._beat(bucket.n_lanes, n_slots)
            return
        graph = self._graphs[bucket]
        if graph is None:
            graph = self._graphs[bucket] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):  # records, and runs nothing
                self._beat(bucket.n_lanes, n_slots)
        graph.replay()


class KeptTicks:
    """Ticks between two calls of `decode`, with their lanes and captured graphs, for the next call.

    A graph knows its tensors by their addresses, so lanes are kept with their graphs: those of one model, as
    long as this lives. On a CPU idle lanes hold next to no memory, on a GPU all of it.
    """

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._kept: list[Ticks] = []  # one at most; a list, because its pop is atomic

    @contextmanager
    def take(
        self,
        model: SemanticModel,
        n_lanes: int,
        n_slots: int,
        look_every: int,
        *,
        in_buckets: bool,
        poison: bool = False,
    ) -> Iterator[Ticks]:
        """The kept ticks if they serve, or else new ones; nobody else has them until the end of the block.

        After a block that came to its end all lanes are idle, and the ticks are kept. Lanes that were left
        in the middle, by an error or by who asked, are dropped with their graphs.

        Args:
            model: the semantic model.
            n_lanes: how many lanes.
            n_slots: that each may come to hold.
            look_every: ticks of a beat.
            in_buckets: see `Ticks`.
            poison: of new lanes, see `Lanes.empty`.
        """
        ticks = None
        with suppress(IndexError):  # the first call, or another call is decoding
            ticks = self._kept.pop()
        if ticks is None or not ticks.serves(model, n_lanes, n_slots, look_every, in_buckets=in_buckets):
            ticks = None  # the old lanes' memory goes before the new ones come
            lanes = Lanes.empty(model.config, n_lanes, n_slots, model.head.weight, poison=poison)
            ticks = Ticks(model, lanes, look_every, in_buckets=in_buckets)
        yield ticks
        self._kept[:] = [ticks]
