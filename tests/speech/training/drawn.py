"""Weights and sounds that follow from their names: two programs that share nothing else draw the same."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor


def normal(name: str, *shape: int) -> Tensor:
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    noise = np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(noise)


def integers(name: str, high: int, n: int) -> Tensor:
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return torch.from_numpy(np.random.Generator(np.random.Philox(key=key)).integers(0, high, n))


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """Of upstream's name: values that keep signals alive; lengths of directions are told apart."""
    drawn = normal(name, *shape)
    if name.endswith(("gamma", "norm1.weight", "norm2.weight")):
        return 1 + 0.1 * drawn
    if name.endswith("weight_g"):
        return 1.3 + 0.2 * drawn.abs()
    if name.endswith(("bias", "beta")):
        return 0.05 * drawn
    if name.endswith(("alpha", "prelu.weight")):
        return 0.3 + 0.1 * drawn.abs()
    if name in {"enc_p.proj.weight", "enc_q.proj.weight"} or name.endswith("post.weight"):
        drawn = drawn * 0.2  # log deviations near zero
    if name.endswith("_codebook.embed"):
        return drawn * 4 / drawn.shape[1] ** 0.5
    fan_in = max(drawn[0].numel(), 1) if drawn.dim() > 1 else 25
    return drawn / fan_in**0.5


def sound(name: str, n: int) -> Tensor:
    """`[N]`: noise whose loudness sways, peak about 0.4."""
    sway = 0.55 + 0.45 * torch.sin(torch.arange(n, dtype=torch.float64) * (2 * torch.pi * 3 / 32_000))
    smooth = torch.nn.functional.avg_pool1d(normal(name, n)[None], 5, stride=1, padding=2)[0]
    return (0.25 * smooth * sway).float()
