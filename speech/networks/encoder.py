"""The encoder of VITS (Kim et al. 2021): attention that knows how far frames are apart, convolutions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.layers import Layers
from speech.networks.masks import blank
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("attn_layers.#.emb_rel_k", "layers.#.attention.relative_keys"),
    ("attn_layers.#.emb_rel_v", "layers.#.attention.relative_values"),
    ("attn_layers.#.", "layers.#.attention."),
    ("norm_layers_1.#.", "layers.#.norm_1."),
    ("norm_layers_2.#.", "layers.#.norm_2."),
    ("ffn_layers.#.conv_1.", "layers.#.feed_forward.expand."),
    ("ffn_layers.#.conv_2.", "layers.#.feed_forward.contract."),
    ("conv_q.", "query."),
    ("conv_k.", "key."),
    ("conv_v.", "value."),
    ("conv_o.", "out."),
    (".gamma", ".weight"),
    (".beta", ".bias"),
)

REACH = 4
"""Frames to either side whose distance attention can tell; farther ones all look alike."""


class Encoder(nn.Module):
    """Layers of relative attention and convolutional feed-forward networks."""

    def __init__(self, width: int, filter_width: int, n_heads: int, n_layers: int, kernel: int) -> None:
        super().__init__()
        self.layers = Layers(Layer(width, filter_width, n_heads, kernel) for _ in range(n_layers))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C, T]`, zeros past each lane's length; `valid` is `bool[B, 1, T]`."""
        for layer in self.layers:
            x = layer(x, valid)
        return blank(x, valid)


class Layer(nn.Module):
    """Attention and a feed-forward network, each added to its input and followed by a norm."""

    def __init__(self, width: int, filter_width: int, n_heads: int, kernel: int) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, n_heads)
        self.norm_1 = ChannelNorm(width)
        self.feed_forward = FeedForward(width, filter_width, kernel)
        self.norm_2 = ChannelNorm(width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C, T]`."""
        x = self.norm_1(x + self.attention(x, valid))
        y: Tensor = self.norm_2(x + self.feed_forward(x, valid))
        return y


class RelativeAttention(nn.Module):
    """Self-attention with learnt keys and values of the distance (Shaw et al. 2018), within `REACH`."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Conv1d(width, width, 1)
        self.key = nn.Conv1d(width, width, 1)
        self.value = nn.Conv1d(width, width, 1)
        self.out = nn.Conv1d(width, width, 1)
        self.relative_keys = nn.Parameter(torch.randn(1, 2 * REACH + 1, width // n_heads))
        self.relative_values = nn.Parameter(torch.randn(1, 2 * REACH + 1, width // n_heads))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C, T]`; frames past a lane's length are not attended to."""
        q = split_heads(self.query(x), self.n_heads)  # [B, H, T, K]
        k = split_heads(self.key(x), self.n_heads)
        v = split_heads(self.value(x), self.n_heads)
        q = q / math.sqrt(q.shape[3])
        scores = q @ k.transpose(2, 3)  # [B, H, T, T]
        add_band(scores, q @ self.relative_keys.transpose(1, 2))
        weights = scores.masked_fill(~valid[:, None], -math.inf).softmax(dim=3)
        attended = weights @ v + band_of(weights) @ self.relative_values  # [B, H, T, K]
        y: Tensor = self.out(join_heads(attended))
        return y


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between them."""

    def __init__(self, width: int, filter_width: int, kernel: int) -> None:
        super().__init__()
        self.expand = nn.Conv1d(width, filter_width, kernel, padding="same")
        self.contract = nn.Conv1d(filter_width, width, kernel, padding="same")

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C, T]`."""
        x = F.relu(self.expand(blank(x, valid)))
        y: Tensor = self.contract(blank(x, valid))
        return y


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of `[B, C, T]`."""

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T]` becomes `[B, C, T]`."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """`[B, C, T]` as `[B, H, T, K]`."""
    return torch.unflatten(x, 1, (n_heads, -1)).transpose(2, 3)


def join_heads(x: Tensor) -> Tensor:
    """`[B, H, T, K]` as `[B, C, T]`."""
    return x.transpose(2, 3).flatten(1, 2)


def add_band(scores: Tensor, band: Tensor) -> None:
    """Adds `band[..., i, r + REACH]` to `scores[..., i, i + r]`, in place, for every r within `REACH`.

    `scores` is `[B, H, T, T]`, `band` is `[B, H, T, 2 REACH + 1]`: nine diagonals, not a gather over T x T.
    """
    for column in range(2 * REACH + 1):
        diagonal = scores.diagonal(column - REACH, dim1=2, dim2=3)  # [B, H, T - |r|]
        first = max(REACH - column, 0)
        diagonal += band[:, :, first : first + diagonal.shape[2], column]


def band_of(weights: Tensor) -> Tensor:
    """`weights[..., i, i + r]` for r within `REACH`, `[B, H, T, 2 REACH + 1]`; zeros beyond either end."""
    n = weights.shape[3]
    padded = F.pad(weights, (REACH, REACH))  # [B, H, T, T + 2 REACH]: column j stands for frame j - REACH
    return torch.stack(
        [padded.diagonal(column, dim1=2, dim2=3)[..., :n] for column in range(2 * REACH + 1)], dim=3
    )
