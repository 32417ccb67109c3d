"""The generator: latents become sound (HiFi-GAN, Kong et al. 2020).

On a CPU its channels lie side by side in memory, which oneDNN's convolutions want (a fifth faster in float32,
half as fast again in bfloat16), and every sum is made in place. It runs in the dtype of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.config import GeneratorConfig
from speech.networks.conv import Conv, Upsampler, side_by_side
from speech.networks.layers import Layers
from speech.networks.masks import blank, valid_of
from speech.networks.tiles import in_tiles
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("dec.conv_pre.", "generator.latents_in."),
    ("dec.cond.", "generator.style_in."),
    ("dec.ups.#.", "generator.upsamplers.#."),
    ("dec.resblocks.#.convs1.#.", "generator.blocks.#.dilated.#."),
    ("dec.resblocks.#.convs2.#.", "generator.blocks.#.plain.#."),
    ("dec.conv_post.", "generator.sound_out."),
)

SLOPE = 0.1
LAST_SLOPE = 0.01  # footgun: before the last convolution alone, torch's default slipped into upstream
_KERNEL = 7  # of the first and the last convolution


class Generator(nn.Module):
    """Upsamples in stages; after each, blocks of several kernels run side by side and are averaged."""

    def __init__(self, config: GeneratorConfig, latent_width: int, style_width: int) -> None:
        super().__init__()
        self.rates = config.rates
        self.n_side = len(config.block_kernels)
        widths = [config.width >> stage for stage in range(len(config.rates) + 1)]
        self.latents_in = Conv(latent_width, config.width, _KERNEL)
        self.style_in = nn.Conv1d(style_width, config.width, 1)
        self.upsamplers = Layers(
            Upsampler(wide, narrow, kernel, rate)
            for (wide, narrow), kernel, rate in zip(
                pairwise(widths), config.kernels, config.rates, strict=True
            )
        )
        self.blocks = Layers(
            Block(width, kernel, dilations)
            for width in widths[1:]
            for kernel, dilations in zip(config.block_kernels, config.block_dilations, strict=True)
        )
        self.sound_out = Conv(widths[-1], 1, _KERNEL, bias=False)

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return math.prod(self.rates)

    @property
    def reach(self) -> int:
        """Frames to either side that a sample hears; what lies farther cannot change it."""
        frames, hop, blocks = float(_KERNEL // 2), 1, iter(self.blocks)
        for upsampler, rate in zip(self.upsamplers, self.rates, strict=True):
            frames += upsampler.reach / hop
            hop *= rate
            frames += max(block.reach for block in islice(blocks, self.n_side)) / hop
        return math.ceil(frames + _KERNEL // 2 / hop)

    def in_tiles(self, latents: Tensor, style: Tensor, n_frames: int) -> Tensor:
        """The sound of one full lane `[1, C, F]`, made `n_frames` at a time; the joints are exact."""
        return in_tiles(self, latents, style, n_frames)

    def forward(self, latents: Tensor, style: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Sound within -1...1, `float32[B, N]` with `hop` samples a frame, zeros past each lane's length.

        Args:
            latents: `[B, C, F]`.
            style: `[B, G, 1]`.
            n_frames: `int64[B]`; None where every lane is full, which spares the masking.
        """

        def valid_at(x: Tensor, samples_per_frame: int) -> Tensor | None:
            return None if n_frames is None else valid_of(n_frames * samples_per_frame, x.shape[2])[:, None]

        hop, blocks, dtype = 1, iter(self.blocks), self.style_in.weight.dtype
        x = blank(latents.to(dtype), valid_at(latents, hop))
        if x.device.type == "cpu":
            x = side_by_side(x)
        x = self.latents_in(x) + self.style_in(style.to(dtype))  # [B, C, F]
        for upsample, rate in zip(self.upsamplers, self.rates, strict=True):
            x = upsample(blank(F.leaky_relu_(x, SLOPE), valid_at(x, hop)))
            hop *= rate
            valid = valid_at(x, hop)
            x = sum_of([block(x, valid) for block in islice(blocks, self.n_side)]).div_(self.n_side)
        x = self.sound_out(blank(F.leaky_relu_(x, LAST_SLOPE), valid_at(x, hop))).float()
        return blank(torch.tanh(x), valid_at(x, hop))[:, 0]  # [B, N]


class Block(nn.Module):
    """Pairs of convolutions, a dilated and a plain one, each pair added to its input."""

    def __init__(self, width: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = Layers(Conv(width, width, kernel, dilation=dilation) for dilation in dilations)
        self.plain = Layers(Conv(width, width, kernel) for _ in dilations)

    @property
    def reach(self) -> int:
        """Places to either side that it hears."""
        return sum(conv.reach for conv in (*self.dilated, *self.plain))

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """`[B, C, T]` becomes another `[B, C, T]`."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            y = dilated(blank(F.leaky_relu(x, SLOPE), valid))
            x = plain(blank(F.leaky_relu_(y, SLOPE), valid)).add_(x)
        return x


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """The sum, in the order given, in the place of the first."""
    total = terms[0]
    for term in terms[1:]:
        total = total.add_(term)
    return total
