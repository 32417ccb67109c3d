"""Linear layers for a CPU that only speaks: weights laid out once, the way oneDNN multiplies them.

`nn.Linear` sends float32 to MKL, which is slow on processors of another maker, and in bfloat16 it lays its
weights out anew in every call. A tick is mostly such products of few rows: on a Zen 4 core this halves them
(docs/log.md). It is what `torch.compile` makes of a frozen linear layer, without the compiler; the operators
have no public name, so a test holds them to what `nn.Linear` computes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.networks.semantic import SemanticModel

_LAYERS = ("qkv", "out", "expand", "contract")  # of a block
_ROWS = 16  # for which they are laid out; other numbers of rows go through the same layout


class PackedLinear(nn.Module):
    """A linear layer that can no longer be trained, saved or moved."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        # An attribute and no buffer: an opaque layout has no bytes to count, copy or save.
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(  # noqa: SLF001 - no public one
            linear.weight.detach(), _ROWS
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[..., D]` becomes `[..., D']`."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001 - no public one
            x, self._weight, self.bias, "none", [], ""
        )
        return y


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this machine's torch has oneDNN for numbers of this kind."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - no public one
    return dtype == torch.float32


def pack(model: SemanticModel) -> None:
    """Packs the blocks of a model on a CPU, whose own weights are let go; elsewhere leaves it as it is."""
    weight = model.head.weight
    if weight.device.type != "cpu" or not can_pack(weight.dtype):
        return
    for block in model.blocks:
        for name in _LAYERS:
            setattr(block, name, PackedLinear(getattr(block, name)))
