"""Lengths become masks. A mask is true where valid, and `None` where every lane is full."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def valid_of(lengths: Tensor, n: int) -> Tensor:
    """True in the first `lengths[b]` of `n` places of each lane, `bool[B, n]`."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def blank(x: Tensor, valid: Tensor | None) -> Tensor:
    """`x` with zeros past each lane's length.

    Convolutions pad a lone utterance with zeros; so must its neighbours' lanes be padded, before every
    convolution, or the last frames of the shorter lanes would hear the filling.
    """
    return x if valid is None else x * valid


def pad_lanes(lanes: Sequence[Tensor], *, dim: int = 0) -> tuple[Tensor, Tensor]:
    """Lanes of different length along `dim` as one tensor `[B, ...]`, zeros past each; their lengths."""
    lengths = torch.tensor([lane.shape[dim] for lane in lanes])
    shape = list(lanes[0].shape)
    shape[dim] = max(lane.shape[dim] for lane in lanes)
    stacked = lanes[0].new_zeros([len(lanes), *shape])
    for row, lane in zip(stacked, lanes, strict=True):
        row.narrow(dim, 0, lane.shape[dim]).copy_(lane)
    return stacked, lengths.to(stacked.device)
