"""The key-value cache of the semantic model: a value that is passed, never a mood of the module.

    keys    L of float[B, H, T, K]    one row of T slots for each lane, a tensor for each layer
    values  L of float[B, H, T, K]

A lane fills its slots from the left: phonemes, prompt tokens, then one new token at each tick. Slots past a
lane's last are hidden by the mask of attention; what they hold must be finite (0 x NaN is NaN), no more.

On a CPU a cache takes memory only where it is written: its pages come from the system untouched, and go back
when a lane is released. So lanes may be as long as the longest utterance wants, at no cost for the others.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from speech.networks.config import SemanticConfig

_UNSHARED: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_POISON: Final = 1e4
"""What tests fill a new cache with: finite, and so large that a slot let in by mistake drowns all others."""


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of every lane, at fixed addresses."""

    keys: list[Tensor]
    values: list[Tensor]
    pages: mmap.mmap | None = None
    """What a CPU's keys lie in, and then its values; layers one after another, lanes within them."""

    @classmethod
    def empty(
        cls, config: SemanticConfig, n_lanes: int, n_slots: int, like: Tensor, *, poison: bool = False
    ) -> KVCache:
        """A cache of `n_lanes` rows of `n_slots` slots, of the dtype and on the device of `like`."""
        shape = (2, config.n_layers, n_lanes, config.n_heads, n_slots, config.width // config.n_heads)
        pages = None
        if poison:
            both = like.new_full(shape, _POISON)
        elif like.device.type == "cpu":
            pages = mmap.mmap(-1, math.prod(shape) * like.element_size(), flags=_UNSHARED)
            both = torch.frombuffer(pages, dtype=like.dtype).view(shape)
        else:
            both = like.new_zeros(shape)
        keys, values = both
        return cls(list(keys), list(values), pages)

    @property
    def n_slots(self) -> int:
        """Slots of each lane."""
        return self.keys[0].shape[2]

    def first(self, n_lanes: int) -> KVCache:
        """A view of the first `n_lanes` lanes."""
        keys, values = ([layer[:n_lanes] for layer in layers] for layers in (self.keys, self.values))
        return KVCache(keys, values)  # who has a part of the lanes releases none

    def fill(self, layer: int, lanes: Tensor, keys: Tensor, values: Tensor) -> None:
        """Writes `[b, H, T, K]` to the first T slots of the `b` lanes named, `int64[b]`."""
        n = keys.shape[2]
        self.keys[layer][:, :, :n][lanes] = keys
        self.values[layer][:, :, :n][lanes] = values

    def append(
        self, layer: int, slots: Tensor, keys: Tensor, values: Tensor, n: int
    ) -> tuple[Tensor, Tensor]:
        """Writes `[B, H, 1, K]` to slot `slots[b]` of each lane; views of the first `n`, `[B, H, n, K]`."""
        # Not scatter_: on a CPU that copies the whole cache where its dtype is bfloat16.
        lanes = torch.arange(slots.shape[0], device=slots.device)
        self.keys[layer].transpose(1, 2)[lanes, slots] = keys[:, :, 0]  # of [B, T, H, K]
        self.values[layer].transpose(1, 2)[lanes, slots] = values[:, :, 0]
        return self.keys[layer][:, :, :n], self.values[layer][:, :, :n]

    def move(self, source: int, target: int, n: int) -> None:
        """Copies the first `n` slots of lane `source` over those of lane `target`."""
        for layer in (*self.keys, *self.values):
            layer[target, :, :n] = layer[source, :, :n]

    def release(self, lane: int) -> None:
        """Gives the pages of `lane` back to the system; zeros stand there when it is used again."""
        if self.pages is None:
            return
        n_bytes = self.keys[0][lane].nbytes
        n_lanes = self.keys[0].shape[0]
        for layer in range(2 * len(self.keys)):
            start = (layer * n_lanes + lane) * n_bytes
            first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE  # its neighbours keep the pages they share
            end = (start + n_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
            if first < end:
                self.pages.madvise(mmap.MADV_DONTNEED, first, end - first)


def slot_bound(longest: int, n_slots: int, step: int = 64) -> int:
    """The fewest slots, a multiple of `step` or all, that hold `longest`: few shapes, little waste."""
    return min(-(-longest // step) * step, n_slots)
