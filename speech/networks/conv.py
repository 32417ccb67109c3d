"""Convolutions along one dimension that leave the memory layout of their input as it is.

torch's own one-dimensional convolutions bring every input into the layout `[B, C, T]`; two-dimensional ones
of height 1 take channels side by side as well, and that is the layout in which oneDNN is fast. The weights
are those of `nn.Conv1d` and `nn.ConvTranspose1d`, in name and shape.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Conv1d):
    """A convolution of odd kernel, padded so that the length stays."""

    def __init__(
        self, width_in: int, width: int, kernel: int, *, dilation: int = 1, bias: bool = True
    ) -> None:
        assert kernel % 2, f"a kernel of {kernel} has no middle"
        self.reach = dilation * (kernel // 2)
        super().__init__(width_in, width, kernel, dilation=dilation, padding=self.reach, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C', T]`."""
        return F.conv2d(
            x[:, :, None],
            self.weight[:, :, None],
            self.bias,
            padding=(0, self.reach),
            dilation=(1, *self.dilation),
        )[:, :, 0]


class Upsampler(nn.ConvTranspose1d):
    """A transposed convolution that makes `rate` places of one."""

    def __init__(self, width_in: int, width: int, kernel: int, rate: int) -> None:
        padding = (kernel - rate) // 2
        super().__init__(width_in, width, kernel, rate, padding=padding)
        self.reach = max((rate - 1 + padding) // rate, (kernel - 1 - padding) // rate)
        """Places of the input to either side that one of the output hears, at most."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """`[B, C, T]` becomes `[B, C', rate T]`."""
        assert output_size is None, "the output's length follows from the input's"
        return F.conv_transpose2d(
            x[:, :, None],
            self.weight[:, :, None],
            self.bias,
            stride=(1, *self.stride),
            padding=(0, *self.padding),
        )[:, :, 0]


def side_by_side(x: Tensor) -> Tensor:
    """`[B, C, T]` with the channels of each place next to one another in memory."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)
