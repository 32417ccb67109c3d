"""The key-value cache of the semantic model: a value that is passed, never a mood of the module.

    keys    L of float[B, H, T, K]    one row of T slots for each lane, a tensor for each layer
    values  L of float[B, H, T, K]

A lane fills its slots from the left: phonemes, prompt tokens, then one new token at each tick. Slots past a
lane's last are hidden by the mask of attention; what they hold must be finite (0 x NaN is NaN), no more.

It holds as many slots as it was made with and grows when asked, one layer after another: so there is never
more than one layer twice in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speech.networks.config import SemanticConfig

_POISON = 1e4
"""What tests fill a new cache with: finite, and so large that a slot let in by mistake drowns all others."""


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of every lane, at fixed addresses until it grows."""

    keys: list[Tensor]
    values: list[Tensor]
    fill_value: float = 0.0
    """What slots hold that nobody has written."""

    @classmethod
    def empty(
        cls, config: SemanticConfig, n_lanes: int, n_slots: int, like: Tensor, *, poison: bool = False
    ) -> KVCache:
        """A cache of `n_lanes` rows of `n_slots` slots, of the dtype and on the device of `like`."""
        shape = (n_lanes, config.n_heads, n_slots, config.width // config.n_heads)
        fill_value = _POISON if poison else 0.0
        keys, values = (
            [like.new_full(shape, fill_value) for _ in range(config.n_layers)] for _ in ("keys", "values")
        )
        return cls(keys, values, fill_value)

    @property
    def n_slots(self) -> int:
        """Slots of each lane."""
        return self.keys[0].shape[2]

    def grow(self, n_slots: int) -> None:
        """Makes room for more slots behind those it has. Views taken before see nothing of it."""
        assert n_slots > self.n_slots, f"{n_slots} slots are no more than {self.n_slots}"
        for layers in (self.keys, self.values):
            for layer, old in enumerate(layers):
                new = old.new_empty((*old.shape[:2], n_slots, old.shape[3]))
                new[:, :, : old.shape[2]] = old
                new[:, :, old.shape[2] :] = self.fill_value
                layers[layer] = new

    def first(self, n_lanes: int) -> KVCache:
        """A view of the first `n_lanes` lanes."""
        keys, values = ([layer[:n_lanes] for layer in layers] for layers in (self.keys, self.values))
        return KVCache(keys, values, self.fill_value)

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


def slot_bound(longest: int, n_slots: int, step: int = 64) -> int:
    """The fewest slots, a multiple of `step` or all, that hold `longest`: few shapes, little waste."""
    return min(-(-longest // step) * step, n_slots)
