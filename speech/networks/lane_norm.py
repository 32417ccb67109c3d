"""Group norm of one channel a group, over what each lane really holds: no lane hears its filling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.networks.masks import valid_of


class LaneNorm(nn.Module):
    """Stands in for a `GroupNorm` whose groups are channels, with its weights, in a network that is run only.

    Its mean and variance are taken over time, so places past a lane's end would change the lane. Whoever runs
    the network on lanes of different length says first how long they are (`n_valid`).
    """

    n_valid: Tensor | None
    """Places of each lane, `int64[B]`; None where every lane is full."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        assert norm.num_groups == norm.num_channels, "a group is more than a channel"
        self.norm = norm
        self.n_valid = None

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, F]`, likewise; what stands past a lane's end counts for nothing."""
        if self.n_valid is None:
            full: Tensor = self.norm(x)
            return full
        valid = valid_of(self.n_valid, x.shape[2])[:, None]  # [B, 1, F]
        n = self.n_valid[:, None, None]
        mean = (x * valid).sum(dim=2, keepdim=True) / n  # [B, C, 1]
        centred = (x - mean) * valid
        variance = centred.square().sum(dim=2, keepdim=True) / n
        scale = self.norm.weight[:, None] * torch.rsqrt(variance + self.norm.eps)
        return centred * scale + self.norm.bias[:, None] * valid
