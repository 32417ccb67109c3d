"""ConvNeXt blocks along one dimension (Liu et al. 2022, as in Vocos, Siuzdak 2023): cheap on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.masks import blank

_FIRST_SCALE = 0.1  # of what a fresh block adds


class ConvNeXt(nn.Module):
    """Each channel looks to either side by itself; then all channels of a place are mixed."""

    def __init__(self, width: int, expansion: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.reach = dilation * (kernel // 2)
        """Places to either side that it hears."""
        self.look = nn.Conv1d(width, width, kernel, padding=self.reach, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), _FIRST_SCALE))

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """`[B, C, T]` becomes another `[B, C, T]`; what stands past a lane's length is of no consequence."""
        y = self.norm(self.look(blank(x, valid)).transpose(1, 2))  # [B, T, C]
        y = self.contract(F.gelu(self.expand(y))) * self.scale
        added: Tensor = x + y.transpose(1, 2)
        return added
