"""Noise that depends on nothing but who asks: no global state, no order of calls, no neighbours.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a key of 64 bits and a
counter of 128 become 128 random bits. They are made of the take's seed, the stream, the place (the tick of a
token, the frame of a latent) and the column. So a lane of many draws what it would draw alone, and a frame
keeps its noise however far its utterance is padded. It is integer arithmetic, the same bits on every device.
"""

from __future__ import annotations

import enum
import hashlib
import math

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10

SEED_WORDS = 3
"""Words of 32 bits in a seed: two are the key, one stands in the counter."""


class Stream(enum.IntEnum):
    """What noise is for. Streams of one seed are independent."""

    TOKENS = 0
    LATENTS = 1


def seed_of(key: str, take: int = 0) -> tuple[int, int, int]:
    """The seed of a take: 96 bits of the hash of `key` and `take`, in words of 32."""
    digest = hashlib.blake2b(f"{take}:{key}".encode(), digest_size=4 * SEED_WORDS).digest()
    a, b, c = (int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(SEED_WORDS))
    return a, b, c


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four random words for each counter of four under its key, `int64` below 2**32; shapes broadcast."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # A product of two words may overflow int64; it wraps, and both halves of its bits are still right.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (p1 >> 32 & _WORD) ^ c1 ^ k0, p1 & _WORD
        c2, c3 = (p0 >> 32 & _WORD) ^ c3 ^ k1, p0 & _WORD
        k0, k1 = k0 + _WEYL[0] & _WORD, k1 + _WEYL[1] & _WORD
    return c0, c1, c2, c3


def words(seeds: Tensor, stream: Stream, places: Tensor, n: int) -> Tensor:
    """`n` random words of 32 bits at each place, `int64[B, T, n]`.

    Args:
        seeds: `int64[B, SEED_WORDS]`.
        stream: what the noise is for.
        places: `int64[B, T]`, below 2**32.
        n: words at each place; asking for fewer gives the first of them.
    """
    columns = torch.arange(-(-n // 4), device=seeds.device)
    shape = (*places.shape, columns.shape[0])  # [B, T, n / 4]
    counter = (
        columns.expand(shape),
        places[:, :, None].expand(shape),
        torch.full_like(columns, stream).expand(shape),
        seeds[:, 2, None, None].expand(shape),
    )
    key = (seeds[:, 0, None, None], seeds[:, 1, None, None])
    return torch.stack(philox(counter, key), dim=-1).flatten(2)[:, :, :n]


def uniform(bits: Tensor) -> Tensor:
    """`float32` within 2**-33 ... 1 - 2**-24 of 32-bit words; as fine near 0 as floats are."""
    return bits.to(torch.float32).add(0.5).mul(2.0**-32).clamp_max(1 - 2.0**-24)


def exponential(bits: Tensor) -> Tensor:
    """Exponentially distributed `float32` with mean 1, above 0 and finite, of 32-bit words."""
    return -torch.log1p(-uniform(bits))


def normal(bits: Tensor) -> Tensor:
    """Normally distributed `float32` of 32-bit words, an even number in the last dimension (Box & Muller)."""
    radius = exponential(bits[..., 0::2]).mul(2).sqrt()
    angle = uniform(bits[..., 1::2]) * (2 * math.pi)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).flatten(-2)


def token_noise(seeds: Tensor, ticks: Tensor, n_tokens: int) -> Tensor:
    """Exponential noise of each lane's tick for each token of the vocabulary, `float32[B, T, V]`.

    Args:
        seeds: `int64[B, SEED_WORDS]`.
        ticks: `int64[B, T]`, counted in each lane from its own first.
        n_tokens: V.
    """
    return exponential(words(seeds, Stream.TOKENS, ticks, n_tokens))


def latent_noise(seeds: Tensor, n_channels: int, n_frames: int) -> Tensor:
    """Normal noise for each latent, `float32[B, C, F]`; `n_channels` is even."""
    frames = torch.arange(n_frames, device=seeds.device).expand(seeds.shape[0], -1)
    return normal(words(seeds, Stream.LATENTS, frames, n_channels)).transpose(1, 2)
