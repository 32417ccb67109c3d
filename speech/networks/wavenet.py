"""Gated convolutions with a condition (van den Oord et al. 2016), inside the flow and the posterior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.networks.layers import Layers
from speech.networks.masks import blank
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("enc.in_layers.#.", "wavenet.gates.#."),
    ("enc.res_skip_layers.#.", "wavenet.outs.#."),
    ("enc.cond_layer.", "wavenet.style_in."),
)

_KERNEL = 5


class WaveNet(nn.Module):
    """Layers whose outputs are half carried on, half collected; the last is all collected."""

    def __init__(self, width: int, n_layers: int, style_width: int) -> None:
        super().__init__()
        self.style_in = nn.Conv1d(style_width, 2 * width * n_layers, 1)
        self.gates = Layers(nn.Conv1d(width, 2 * width, _KERNEL, padding="same") for _ in range(n_layers))
        outs = [2 * width] * (n_layers - 1) + [width]
        self.outs = Layers(nn.Conv1d(width, out, 1) for out in outs)

    def forward(self, x: Tensor, valid: Tensor, style: Tensor) -> Tensor:
        """`[B, C, F]` becomes `[B, C, F]`, zeros past each lane's length; `style` is `[B, G, 1]`."""
        styles = self.style_in(style).chunk(len(self.gates), dim=1)  # L of [B, 2 C, 1]
        collected = torch.zeros_like(x)
        for gate, out, layer_style in zip(self.gates, self.outs, styles, strict=True):
            signal, openness = (gate(x) + layer_style).chunk(2, dim=1)  # 2 of [B, C, F]
            y = out(torch.tanh(signal) * torch.sigmoid(openness))
            carried, skipped = y.chunk(2, dim=1) if y.shape[1] > x.shape[1] else (0, y)
            x = blank(x + carried, valid)
            collected = collected + skipped
        return blank(collected, valid)
