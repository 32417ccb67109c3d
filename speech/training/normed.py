"""Weight norm, unfolded: training moves length and direction of a weight apart (Salimans & Kingma 2016).

Speech needs only their product, so the networks hold that. For training the layers that upstream normalises
get both back, and with upstream's own values: the direction's length changes nothing in the product, but Adam
moves a long direction less far in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from speech.networks.decoder import Decoder
from speech.networks.discriminators import Discriminators
from speech.networks.generator import Generator
from speech.networks.posterior import Posterior
from speech.networks.weights import Names, rename

PAIR_NAMES: Final[Names] = (
    (".weight_g", ".parametrizations.weight.original0"),
    (".weight_v", ".parametrizations.weight.original1"),
)
"""The length and the direction, as upstream's files and as torch name them."""

_CONVS: Final = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d)


def unfold(network: nn.Module) -> None:
    """Gives the layers of `network` that upstream normalises their length and direction."""
    for part in list(_normalised_parts(network)):
        for layer in part.modules():
            if isinstance(layer, _CONVS):
                weight_norm(layer, dim=0)


def restore_pairs(network: nn.Module, tensors: Mapping[str, Tensor], names: Names) -> None:
    """Puts the lengths and directions among `tensors` (upstream's names) into an unfolded network.

    Those of a file whose weights were folded are missing, and stay as `unfold` made them.
    """
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            ours = rename(rename(name, names), PAIR_NAMES)
            if ".parametrizations." in ours and ours in own:
                own[ours].copy_(tensor)


def _normalised_parts(network: nn.Module) -> Iterator[nn.Module]:
    match network:
        case Decoder():
            if isinstance(network.generator, Generator):  # an iSTFT head has none
                yield from (network.generator.upsamplers, network.generator.blocks)
            yield from (coupling.wavenet for coupling in network.flow.couplings)
        case Posterior():
            yield network.wavenet
        case Discriminators():
            yield network
        case _:
            raise TypeError(f"{type(network).__name__} has no layers with weight norm")
