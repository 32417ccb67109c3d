"""The generator for a CPU that only speaks: the same sound, every convolution in tiles of one length.

oneDNN makes machine code for each convolution at each length: for a generator a fifth of a second and 100 MB
whenever an utterance is of a length that is new, and hardly two are of one. Here it runs in tiles of `_TILE`
frames, whatever the utterance, so the code of one length is all there ever is. Each layer is tiled by itself,
with what it hears to either side at hand, so nothing is computed twice save where the last tile reaches back
over the one before; and what a step leaves is still in the processor's cache when the next one wants it.
Weights are laid out once, and slopes and sums ride along with the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.conv import Conv, Upsampler
from speech.networks.decoder import Decoder
from speech.networks.generator import LAST_SLOPE, SLOPE, Block, Generator
from speech.networks.layers import Layers
from speech.networks.packed import can_pack
from speech.networks.tiles import in_tiles
from speech.units import FRAME_RATE

_TILE: Final = 16
"""Frames. Longer ones are a few in a hundred faster, and their last one reaches back farther."""

_LEAST: Final = 10 * FRAME_RATE
"""Frames between joints. A frame takes 0.2 MB in float32: what lies between two layers, and little else."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A stretch of frames that is convolved at once."""

    first: int
    n: int

    def at(self, rate: int) -> Tile:
        """The same where a frame has `rate` places."""
        return Tile(self.first * rate, self.n * rate)


@dataclass(frozen=True, slots=True)
class Strip:
    """One lane `[1, C, 1, margin + T + margin]`, channels side by side, silence in both margins."""

    whole: Tensor
    margin: int

    @classmethod
    def silent(cls, width: int, n: int, margin: int, like: Tensor) -> Strip:
        """A strip of `n` places, of the dtype of `like`."""
        return cls(like.new_zeros(1, 1, margin + n + margin, width).permute(0, 3, 1, 2), margin)

    @property
    def n(self) -> int:
        """T: its places without the margins."""
        return self.whole.shape[3] - 2 * self.margin

    @property
    def sound(self) -> Tensor:
        """A view of it without the margins, `[1, C, 1, T]`."""
        return self.around(Tile(0, self.n))

    def around(self, tile: Tile, reach: int = 0) -> Tensor:
        """A view of a tile, and of `reach` places more to either side."""
        first = self.margin + tile.first - reach
        return self.whole[:, :, :, first : first + tile.n + 2 * reach]


class PackedGenerator(nn.Module):
    """A generator that can no longer be trained, saved or moved; one full lane at a time."""

    def __init__(self, generator: Generator) -> None:
        """Takes over what `generator` knows; its weights are laid out anew."""
        super().__init__()
        self.hop, self.reach, self.rates = generator.hop, generator.reach, generator.rates
        self.n_side = generator.n_side
        self.latents_in = PackedConv(generator.latents_in)
        self.style_in = generator.style_in
        self.upsamplers = Layers(PackedUpsampler(upsampler) for upsampler in generator.upsamplers)
        self.blocks = Layers(PackedBlock(block) for block in generator.blocks)
        self.sound_out = PackedConv(generator.sound_out)

    def in_tiles(self, latents: Tensor, style: Tensor, n_frames: int) -> Tensor:
        """As the generator's own, but never less than ten seconds at a time, which it has memory for."""
        return in_tiles(self, latents, style, max(n_frames, _LEAST))

    def forward(self, latents: Tensor, style: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Sound within -1...1, `float32[1, N]`.

        Args:
            latents: `[1, C, F]`.
            style: `[1, G, 1]`.
            n_frames: None, or F: there is no lane that this one would have to be padded for.
        """
        n = latents.shape[2]
        assert latents.shape[0] == 1, "one lane at a time"
        assert n_frames is None or n_frames.tolist() == [n], "the lane is full"
        weight = self.style_in.weight
        margins = [upsampler.reach for upsampler in self.upsamplers]
        given = Strip.silent(latents.shape[1], n, self.latents_in.reach, weight)
        given.sound.copy_(latents[:, :, None])
        x = Strip.silent(weight.shape[0], n, margins[0], weight)
        manner = self.style_in(style.to(weight.dtype))[:, :, None]  # [1, C, 1, 1]
        tiles = tiles_of(n)
        for tile in tiles:
            x.around(tile).copy_(self.latents_in(given.around(tile, self.latents_in.reach)) + manner)
        blocks, hop = iter(self.blocks), 1
        for upsampler, rate, margin in zip(
            self.upsamplers, self.rates, [*margins[1:], self.sound_out.reach], strict=True
        ):
            side = list(islice(blocks, self.n_side))
            upsampled = Strip.silent(upsampler.width, x.n * rate, max(block.reach for block in side), weight)
            for tile in tiles:
                heard = F.leaky_relu(x.around(tile.at(hop), upsampler.reach), SLOPE)
                upsampled.around(tile.at(hop * rate)).copy_(upsampler(heard))
            hop *= rate
            x = Strip.silent(upsampler.width, upsampled.n, margin, weight)
            self._side_by_side(side, upsampled, x, [tile.at(hop) for tile in tiles])
        sound = torch.empty(1, x.n)
        for tile in (tile.at(hop) for tile in tiles):
            heard = F.leaky_relu(x.around(tile, self.sound_out.reach), LAST_SLOPE)
            sound[:, tile.first : tile.first + tile.n] = self.sound_out(heard)[:, 0, 0]
        return sound.tanh_()

    def _side_by_side(self, blocks: Sequence[PackedBlock], x: Strip, mean: Strip, tiles: list[Tile]) -> None:
        """Leaves in `mean` what blocks that run side by side make of `x`, on average."""
        for block in blocks:
            mean.sound.add_(block(x, tiles).sound)
        mean.sound.div_(len(blocks))


class PackedBlock(nn.Module):
    """A block, tile by tile."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.dilated = Layers(PackedConv(conv) for conv in block.dilated)
        self.plain = Layers(PackedConv(conv) for conv in block.plain)
        self.reach = max(a.reach + b.reach for a, b in zip(self.dilated, self.plain, strict=True))
        """Places to either side that a pair of its convolutions hears."""

    def forward(self, x: Strip, tiles: list[Tile]) -> Strip:
        """A strip becomes another of its shape, and stays as it is."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            y = Strip.silent(x.whole.shape[1], x.n, x.margin, x.whole)
            for tile in tiles:
                wide = F.leaky_relu(x.around(tile, dilated.reach + plain.reach), SLOPE)
                between = dilated(wide, SLOPE)  # the tile, and what `plain` hears to either side
                if plain.reach and tile.first == 0:
                    between[:, :, :, : plain.reach] = 0  # there is nothing before the lane
                if plain.reach and tile.first + tile.n == x.n:
                    between[:, :, :, -plain.reach :] = 0
                y.around(tile).copy_(plain.added(between, x.around(tile)))
            x = y
        return x


class PackedConv(nn.Module):
    """A convolution of which the ends are the caller's: T + 2 reach places become T."""

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.reach = conv.reach
        self.bias = conv.bias
        self._dilation = [1, *conv.dilation]
        # An attribute and no buffer: an opaque layout has no bytes to count, copy or save.
        self._weight: Tensor = torch.ops.mkldnn._reorder_convolution_weight(  # noqa: SLF001 - no public one
            conv.weight.detach()[:, :, None].contiguous(), [0, 0], [1, 1], self._dilation, 1, None
        )

    def forward(self, x: Tensor, slope: float = 1.0) -> Tensor:
        """`[1, C, 1, T + 2 reach]` becomes `[1, C', 1, T]`, what is negative times `slope`."""
        rest = ("none", [], "") if slope == 1 else ("leaky_relu", [slope], "")
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001 - no public one
            x, self._weight, self.bias, [0, 0], [1, 1], self._dilation, 1, *rest
        )
        return y

    def added(self, x: Tensor, other: Tensor) -> Tensor:
        """The same without a slope, plus `other`, `[1, C', 1, T]`."""
        y: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(  # noqa: SLF001 - no public one
            x, other, self._weight, self.bias, [0, 0], [1, 1], self._dilation, 1, "add", 1.0, None, [], None
        )
        return y


class PackedUpsampler(nn.Module):
    """An upsampler of which the ends are the caller's: T + 2 reach places become `rate` T."""

    def __init__(self, upsampler: Upsampler) -> None:
        super().__init__()
        self.reach, self.width = upsampler.reach, upsampler.out_channels
        self.bias = upsampler.bias
        self._stride, self._padding = [1, *upsampler.stride], [0, *upsampler.padding]
        self._weight: Tensor = torch.ops.mkldnn._reorder_convolution_transpose_weight(  # noqa: SLF001
            upsampler.weight.detach()[:, :, None].contiguous(),
            self._padding, [0, 0], self._stride, [1, 1], 1, None,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """`[1, C, 1, T + 2 reach]` becomes `[1, C', 1, rate T]`."""
        y: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(  # noqa: SLF001 - no public one
            x, self._weight, self.bias, self._padding, [0, 0], self._stride, [1, 1], 1, "none", [], ""
        )
        ends = self.reach * self._stride[1]
        return y[:, :, :, ends : y.shape[3] - ends]


def tiles_of(n: int) -> list[Tile]:
    """Tiles over `n` frames, in order, all of one length; the last reaches back where it would stand out."""
    length = min(_TILE, n)
    return [Tile(min(first, n - length), length) for first in range(0, n, length)]


def pack_generator(decoder: Decoder) -> None:
    """Packs a decoder's generator on a CPU, whose own weights are let go; elsewhere leaves it as it is.

    An iSTFT head stays too: most of it are linear layers, and it is fast.
    """
    generator = decoder.generator
    if not isinstance(generator, Generator):
        return
    weight = generator.style_in.weight
    if weight.device.type == "cpu" and can_pack(weight.dtype):
        decoder.generator = PackedGenerator(generator)  # type: ignore[assignment]  # it sounds the same
