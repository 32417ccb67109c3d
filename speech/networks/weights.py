"""Tensors become weights: upstream's names to ours, weight norm folded, nothing missing or left over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from speech.errors import VoiceError

Names = tuple[tuple[str, str], ...]
"""Upstream's stretch of a name and ours; `#` stands for a number. All rules apply, in order."""

_NAMED_AT_MOST = 3  # names in an error; more would not fit a line


def load(
    network: nn.Module, tensors: Mapping[str, Tensor], names: Names = (), *, unused: Iterable[str] = ()
) -> None:
    """Puts `tensors` into `network`, every one of them, in the network's own dtype.

    Args:
        network: built for the shapes of these tensors.
        tensors: as upstream's file holds them, of any floating dtype, weight norm folded or not.
        names: how upstream's names become the network's.
        unused: patterns (`enc_q.*`) of upstream's names that this network has no use for.

    Raises:
        VoiceError: a tensor is missing, surplus, of another shape or not finite; the message names it.
    """
    patterns = tuple(unused)
    wanted = {
        name: tensor for name, tensor in tensors.items() if not any(fnmatchcase(name, p) for p in patterns)
    }
    given = {rename(name, names): (name, tensor) for name, tensor in fold_weight_norm(wanted).items()}
    own = network.state_dict()
    _refuse("the weights lack", [name for name in own if name not in given])
    _refuse("the network has no use for", [name for ours, (name, _) in given.items() if ours not in own])
    for ours, (name, tensor) in given.items():
        if tensor.shape != own[ours].shape:
            raise VoiceError(f"weight {name} has shape {list(tensor.shape)}, not {list(own[ours].shape)}")
        if not torch.isfinite(tensor).all():
            raise VoiceError(f"weight {name} is not finite")
    with torch.no_grad():
        for ours, (_, tensor) in given.items():
            own[ours].copy_(tensor)


def rename(name: str, names: Names) -> str:
    """Our name for upstream's `name`."""
    for theirs, ours in names:
        pattern = re.escape(theirs).replace(r"\#", r"(\d+)")
        for group in range(1, ours.count("#") + 1):
            ours = ours.replace("#", rf"\g<{group}>", 1)  # noqa: PLW2901 - the rule's own copy
        name = re.sub(pattern, ours, name, count=1)
    return name


def fold_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each pair `weight_g`, `weight_v` as the one `weight` it stands for, in float32; all else as it is.

    Weight norm (Salimans & Kingma 2016): `w = g v / |v|`, the norm over every dimension `g` does not keep.
    Upstream keeps the first, which for a transposed convolution is that of the input channels; HuBERT's
    positional convolution keeps the last. The shape of `g` tells, so nobody need remember.
    """
    folded: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(".weight_g"):
            stem = name.removesuffix("_g")
            direction = tensors.get(f"{stem}_v")
            if direction is None:
                raise VoiceError(f"weight {name} stands without {stem}_v")
            v, g = direction.float(), tensor.float()
            over = [dim for dim, size in enumerate(g.shape) if size == 1]
            folded[stem] = v * (g / v.square().sum(dim=over, keepdim=True).sqrt())
        elif name.endswith(".weight_v"):
            if f"{name.removesuffix('_v')}_g" not in tensors:
                raise VoiceError(f"weight {name} stands without its weight_g")
        else:
            folded[name] = tensor
    return folded


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those tensors whose names begin with `prefix`, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _refuse(complaint: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
        raise VoiceError(f"{complaint} {', '.join(names[:_NAMED_AT_MOST])}{more}")
