"""The flow: an invertible map between the posterior's latents and the prior's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.networks import wavenet
from speech.networks.config import DecoderConfig
from speech.networks.layers import Layers
from speech.networks.masks import blank
from speech.networks.wavenet import WaveNet
from speech.networks.weights import Names

_N_COUPLINGS = 4

UPSTREAM_NAMES: Names = (
    *((f"flow.flows.{2 * i}.", f"flow.couplings.{i}.") for i in range(_N_COUPLINGS)),  # odd ones are flips
    *wavenet.UPSTREAM_NAMES,
)


class Flow(nn.Module):
    """Couplings, the channels flipped after each so that both halves take their turn."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.couplings = Layers(Coupling(config) for _ in range(_N_COUPLINGS))

    def forward(self, z: Tensor, valid: Tensor, style: Tensor) -> Tensor:
        """Latents of the posterior as latents of the prior, `[B, C, F]`: the direction of training."""
        for coupling in self.couplings:
            kept, moved = z.chunk(2, dim=1)
            z = torch.cat([kept, moved + coupling(kept, valid, style)], dim=1).flip(1)
        return z

    def reverse(self, z: Tensor, valid: Tensor, style: Tensor) -> Tensor:
        """Latents of the prior as latents of the posterior, `[B, C, F]`: the direction of speech."""
        for coupling in reversed(self.couplings):
            kept, moved = z.flip(1).chunk(2, dim=1)
            z = torch.cat([kept, moved - coupling(kept, valid, style)], dim=1)
        return z


class Coupling(nn.Module):
    """By how much one half of the channels is moved, told from the other half alone."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        half = config.latent_width // 2
        self.pre = nn.Conv1d(half, config.width, 1)
        self.wavenet = WaveNet(config.width, config.flow_layers, config.style_width)
        self.post = nn.Conv1d(config.width, half, 1)

    def forward(self, kept: Tensor, valid: Tensor, style: Tensor) -> Tensor:
        """`[B, C / 2, F]` becomes `[B, C / 2, F]`, zeros past each lane's length."""
        x = blank(self.pre(kept), valid)
        return blank(self.post(self.wavenet(x, valid, style)), valid)
