"""The quantiser: content features become semantic tokens, and tokens become what they stand for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.networks.config import DecoderConfig
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("ssl_proj.", "quantiser.content_in."),
    ("quantizer.vq.layers.0._codebook.embed", "quantiser.codebook"),
)

UPSTREAM_UNUSED = tuple(
    f"quantizer.vq.layers.0._codebook.{name}" for name in ("inited", "cluster_size", "embed_avg")
)
"""What upstream's codebook was learnt with. It is frozen, there and here."""


class Quantiser(nn.Module):
    """One codebook; the nearest entry wins."""

    codebook: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        stride = config.content_stride
        self.content_in = nn.Conv1d(config.content_width, config.content_width, stride, stride=stride)
        self.register_buffer("codebook", torch.zeros(config.codebook_size, config.content_width))

    def forward(self, content: Tensor) -> Tensor:
        """Semantic tokens of content features `[B, C, F]`, `int64[B, S]` with `S = F // stride`."""
        x = self.content_in(content).transpose(1, 2)  # [B, S, C]
        # |x - e|^2 less |x|^2, which every entry shares: a matrix product, not S x V x C differences
        distance: Tensor = self.codebook.square().sum(dim=1) - 2 * x @ self.codebook.T  # [B, S, V]
        return distance.argmin(dim=2)

    def stand_for(self, tokens: Tensor) -> Tensor:
        """What tokens `[B, S]` stand for, `[B, C, S]`."""
        return self.codebook[tokens].transpose(1, 2)
