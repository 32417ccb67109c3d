"""Sound of one lane made a stretch at a time, by whichever vocoder."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Vocoder(Protocol):
    """What latents become sound by: HiFi-GAN's generator, or an iSTFT head."""

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        ...

    @property
    def reach(self) -> int:
        """Frames to either side that a sample hears; what lies farther cannot change it."""
        ...

    def __call__(self, latents: Tensor, style: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Sound `[B, N]` of latents `[B, C, F]` and a style `[B, G, 1]`."""
        ...


def in_tiles(vocoder: Vocoder, latents: Tensor, style: Tensor, n_frames: int) -> Tensor:
    """The sound of one full lane `[1, C, F]`, made `n_frames` at a time: memory does not grow with it.

    Each tile is made with what it can hear to either side, so the joints are exact.
    """
    n, reach = latents.shape[2], vocoder.reach
    tiles = []
    for start in range(0, n, n_frames):
        first, last = max(start - reach, 0), min(start + n_frames + reach, n)
        sound = vocoder(latents[:, :, first:last], style)  # [1, N]
        tiles.append(sound[:, (start - first) * vocoder.hop :][:, : n_frames * vocoder.hop])
    return torch.cat(tiles, dim=1)
