"""Several processes share an update: each takes its passes, and their gradients are averaged.

`torchrun` starts the processes and `torch.distributed` joins them (gloo on CPUs, NCCL on GPUs). Gradients are
averaged here and not by DistributedDataParallel: an update has two networks that learn by turns, several
passes, and parts without a gradient, and its result must not depend on how many processes there are. So
every process averages once for each network and update, in one transfer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def place() -> tuple[int, int]:
    """The number of this process, from 0, and how many there are; (0, 1) alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def average(tensors: Sequence[Tensor]) -> None:
    """Averages tensors of one dtype over all processes, in place."""
    _, n = place()
    if n == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= n
    for tensor, share in zip(
        tensors, flat.split_with_sizes([tensor.numel() for tensor in tensors]), strict=True
    ):
        tensor.copy_(share.view_as(tensor))


def agree(wish: bool) -> bool:
    """Whether any process wishes it; all of them get the same answer at the same place."""
    _, n = place()
    if n == 1:
        return wish
    votes = torch.tensor([float(wish)], device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(votes)
    return bool(votes)


def mean(number: Tensor) -> Tensor:
    """The mean of numbers over all processes, each for itself."""
    number = number.detach().clone()
    average([number])
    return number
