"""Adapters: a small change of a large weight, learnt in its place (LoRA, Hu et al. 2021).

A linear layer `W x` becomes `W x + up(down x)`; `W` stays as it is. At rank 32 the adapters of a semantic
model take 12.6 MB in half precision, the model itself 155 MB, so many voices can share one base in memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.errors import VoiceError
from speech.gpt_sovits.adapters import ADAPTED
from speech.networks.semantic import SemanticModel
from speech.networks.weights import load
from speech.training.published import halve


class AdaptedLinear(nn.Linear):
    """A linear layer whose own weights are frozen, with an adapter beside them."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__(base.in_features, base.out_features, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.requires_grad_(False)
        self.down = nn.Parameter(base.weight.new_zeros(rank, base.in_features))
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` becomes `[..., out]`."""
        return super().forward(x) + F.linear(F.linear(x, self.down), self.up)

    def merged(self) -> nn.Linear:
        """The plain layer that says the same; its weight is a new tensor."""
        plain = nn.Linear(self.in_features, self.out_features, device="meta")
        plain.weight = nn.Parameter(self.weight.detach() + self.up.detach() @ self.down.detach())
        plain.bias = self.bias
        return plain


def adapt(model: SemanticModel, rank: int, seed: int = 0) -> None:
    """Gives every block adapters of `rank`, which change nothing yet, and freezes all else."""
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for block in model.blocks:
        for name in ADAPTED:
            adapted = AdaptedLinear(getattr(block, name), rank)
            with torch.no_grad():  # up stays zero: what the layer says is what it said
                noise = torch.randn(adapted.down.shape, generator=generator)
                adapted.down.copy_(noise / adapted.in_features**0.5)
            setattr(block, name, adapted)


def merge(model: SemanticModel) -> None:
    """Makes the adapters part of the weights: a plain model again."""
    for block in model.blocks:
        for name in ADAPTED:
            layer = getattr(block, name)
            if isinstance(layer, AdaptedLinear):
                setattr(block, name, layer.merged())


def adapter_tensors(model: SemanticModel) -> dict[str, Tensor]:
    """The adapters alone, in half precision: `blocks.0.qkv.down` and so on.

    Raises:
        VoiceError: the model has none, or a weight does not fit half precision.
    """
    tensors = {
        f"{name}.{side}": halve(f"{name}.{side}", getattr(layer, side))
        for name, layer in model.named_modules()
        if isinstance(layer, AdaptedLinear)
        for side in ("down", "up")
    }
    if not tensors:
        raise VoiceError("the model has no adapters")
    return tensors


def put_on(model: SemanticModel, tensors: Mapping[str, Tensor]) -> None:
    """Puts adapters on a model that has none: the voice they were learnt for, on its base.

    Raises:
        VoiceError: they are not the adapters of a model of this shape; the message names the weight.
    """
    ranks = {tensor.shape[0] for name, tensor in tensors.items() if name.endswith(".down")}
    if len(ranks) != 1:
        raise VoiceError(f"the adapters have {len(ranks)} ranks, not one")
    adapt(model, ranks.pop())
    load(model, {**model.state_dict(), **tensors})
