"""Voices that learnt adapters alone: they share the semantic model of their base and add a little to it.

LoRA (Hu et al. 2021): a linear layer `W x` becomes `W x + up(down x)`. The base's layers, packed or not, are
called as they are, so that every voice on a base takes the memory of its adapters and no more.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from speech.errors import VoiceError
from speech.gpt_sovits.files import ADAPTERS
from speech.networks.layers import Layers
from speech.networks.semantic import SemanticModel

Module = TypeVar("Module", bound=nn.Module)

ADAPTED: Final = ("qkv", "out", "expand", "contract")
"""The linear layers of every block that have an adapter."""


class Adapted(nn.Module):
    """A layer of the base with an adapter beside it."""

    def __init__(self, base: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.base = base
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("up", up, persistent=False)

    down: Tensor
    up: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` becomes `[..., out]`."""
        y: Tensor = self.base(x)
        return y + F.linear(F.linear(x, self.down), self.up)


def read_adapters(folder: Path | None) -> dict[str, Tensor]:
    """The adapters in a voice's folder, `blocks.0.qkv.down` and so on; empty where it has none.

    Raises:
        VoiceError: the file is broken.
    """
    path = folder / ADAPTERS if folder else None
    if path is None or not path.is_file():
        return {}
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise VoiceError(f"{path}: {' '.join(str(error).split())}") from error
    return tensors


def wear(model: SemanticModel, tensors: Mapping[str, Tensor]) -> SemanticModel:
    """A model that says what `model` says with these adapters; all else is shared, and `model` as it was.

    Raises:
        VoiceError: they are not the adapters of a model of this shape; the message names the weight.
    """
    config, kind = model.config, model.head.weight
    shapes = {
        "qkv": (config.width, 3 * config.width),
        "out": (config.width, config.width),
        "expand": (config.width, 4 * config.width),
        "contract": (4 * config.width, config.width),
    }
    left = dict(tensors)
    blocks = []
    for number, block in enumerate(model.blocks):
        twin = _twin(block)
        for name in ADAPTED:
            n_in, n_out = shapes[name]
            down = _take(left, f"blocks.{number}.{name}.down", (None, n_in))
            up = _take(left, f"blocks.{number}.{name}.up", (n_out, down.shape[0]))
            adapted = Adapted(getattr(block, name), down.to(kind), up.to(kind))
            twin.register_module(name, adapted)
        blocks.append(twin)
    if left:
        raise VoiceError(f"the adapters have no place for {next(iter(left))}")
    worn = _twin(model)
    worn.register_module("blocks", Layers(blocks))
    return worn


def n_bytes_of(tensors: Mapping[str, Tensor], kind: torch.dtype) -> int:
    """The memory that adapters take once they are worn, in numbers of this kind."""
    return sum(tensor.numel() for tensor in tensors.values()) * kind.itemsize


def _twin(module: Module) -> Module:
    """The same module once more: its parts can be replaced, its tensors are those of the first."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)  # noqa: SLF001 - torch has no public shallow copy
    return twin


def _take(left: dict[str, Tensor], name: str, shape: tuple[int | None, int]) -> Tensor:
    tensor = left.pop(name, None)
    if tensor is None:
        raise VoiceError(f"the adapters lack {name}")
    wanted = [tensor.shape[0] if size is None else size for size in shape]
    if list(tensor.shape) != wanted:
        raise VoiceError(f"weight {name} has shape {list(tensor.shape)}, not {wanted}")
    if not torch.isfinite(tensor).all():
        raise VoiceError(f"weight {name} is not finite")
    return tensor
