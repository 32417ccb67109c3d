"""The semantic model: phonemes and a prompt's tokens become the tokens that follow.

A transformer of post-norm blocks over phonemes and tokens in one row. Phonemes attend to all phonemes; tokens
attend to all phonemes and to the tokens up to themselves. Positions count from 0 in each of the two runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.cache import KVCache, slot_bound
from speech.networks.config import SemanticConfig
from speech.networks.layers import Layers
from speech.networks.masks import pad_lanes, valid_of
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("model.", ""),
    ("bert_proj.", "linguistic_in."),
    ("ar_text_embedding.word_embeddings.", "phoneme_embedding."),
    ("ar_text_position.", "phoneme_position."),
    ("ar_audio_embedding.word_embeddings.", "token_embedding."),
    ("ar_audio_position.", "token_position."),
    ("ar_predict_layer.", "head."),
    ("h.layers.#.", "blocks.#."),
    ("self_attn.in_proj_", "qkv."),
    ("self_attn.out_proj.", "out."),
    ("linear1.", "expand."),
    ("linear2.", "contract."),
    ("norm1.", "norm_1."),
    ("norm2.", "norm_2."),
    (".alpha", ".scale"),
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stands before the tokens to be drawn, for each lane; zeros past each lane's length."""

    phonemes: Tensor
    """`int64[B, P]`, the prompt's transcript and then the utterance."""
    linguistic: Tensor
    """`float[B, P, W]`, a row for each phoneme; zeros where the language has no linguistic backbone."""
    n_phonemes: Tensor
    """`int64[B]`"""
    tokens: Tensor
    """`int64[B, S]`, the prompt's."""
    n_tokens: Tensor
    """`int64[B]`; 0 without a prompt."""

    @classmethod
    def of(cls, phonemes: Sequence[Tensor], linguistic: Sequence[Tensor], tokens: Sequence[Tensor]) -> Prefix:
        """Lanes `[P]`, `[P, W]` and `[S]` of different length, in one prefix."""
        padded_phonemes, n_phonemes = pad_lanes(phonemes)
        padded_tokens, n_tokens = pad_lanes(tokens)
        return cls(padded_phonemes, pad_lanes(linguistic)[0], n_phonemes, padded_tokens, n_tokens)

    @property
    def lengths(self) -> Tensor:
        """Slots that each lane fills, `int64[B]`."""
        return self.n_phonemes + self.n_tokens


class SemanticModel(nn.Module):
    """Draws nothing itself: hidden states and logits come out, and the cache is written."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.config = config
        self.phoneme_embedding = nn.Embedding(config.n_phonemes, config.width)
        self.linguistic_in = nn.Linear(config.linguistic_width, config.width)
        self.phoneme_position = Position(config.width, config.n_positions)
        self.token_embedding = nn.Embedding(config.n_tokens, config.width)
        self.token_position = Position(config.width, config.n_positions)
        self.blocks = Layers(Block(config.width, config.n_heads) for _ in range(config.n_layers))
        self.head = nn.Linear(config.width, config.n_tokens, bias=False)

    def forward(self, prefix: Prefix, cache: KVCache | None = None, lanes: Tensor | None = None) -> Tensor:
        """Hidden states of the whole prefix, `[B, T, D]`; past a lane's length they mean nothing.

        Args:
            prefix: B lanes.
            cache: where keys and values are written, if given, from slot 0.
            lanes: `int64[B]`, the cache's lanes that the prefix's are written to.
        """
        x, order = self.embed(prefix)
        seen = self.visible(prefix, order.shape[1])
        for layer, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            if cache is not None and lanes is not None:
                cache.fill(layer, lanes, k, v)
            x = block.finish(x, F.scaled_dot_product_attention(q, k, v, attn_mask=seen))
        return x

    def prefill(self, prefix: Prefix, cache: KVCache, lanes: Tensor) -> Tensor:
        """Logits of each lane's first new token, `[B, V]`; the prefix is left in the cache's `lanes`."""
        x = self(prefix, cache, lanes)
        last = (prefix.lengths - 1)[:, None, None].expand(-1, 1, x.shape[2])  # [B, 1, D]
        logits: Tensor = self.head(x.gather(1, last)[:, 0])
        return logits

    def tick(
        self, tokens: Tensor, positions: Tensor, slots: Tensor, cache: KVCache, n_slots: Sequence[int]
    ) -> Tensor:
        """Logits of the token after `tokens`, `[B, V]`.

        Args:
            tokens: `int64[B]`, each lane's newest.
            positions: `int64[B]`, its place in the lane's run of tokens, the prompt's included.
            slots: `int64[B]`, its place in the cache.
            cache: of B lanes; written at `slots`.
            n_slots: of each lane; attention looks at no slot past them. More than the lane's of `slots`.
        """
        x = self.token_embedding(tokens) + self.token_position(positions)  # [B, D]
        x = x[:, None]  # [B, 1, D]
        longest = slot_bound(max(n_slots), cache.n_slots)
        visible = valid_of(slots + 1, longest)[:, None, None]  # [B, 1, 1, T]
        bias = torch.zeros_like(visible, dtype=x.dtype).masked_fill_(~visible, -math.inf)
        for layer, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            keys, values = cache.append(layer, slots, k, v, longest)
            x = block.finish(x, attend(q, keys, values, bias, n_slots))
        logits: Tensor = self.head(x[:, 0])
        return logits

    def embed(self, prefix: Prefix) -> tuple[Tensor, Tensor]:
        """The lanes' rows, phonemes and then tokens, `[B, T, D]`; which row each was, `int64[B, T]`."""
        phonemes = (
            self.phoneme_embedding(prefix.phonemes)
            + self.linguistic_in(prefix.linguistic)
            + self.phoneme_position(torch.arange(prefix.phonemes.shape[1], device=prefix.phonemes.device))
        )  # [B, P, D]
        tokens = self.token_embedding(prefix.tokens) + self.token_position(
            torch.arange(prefix.tokens.shape[1], device=prefix.tokens.device)
        )  # [B, S, D]
        both = torch.cat(
            [phonemes, tokens], dim=1
        )  # [B, P + S, D], with a gap after the shorter lanes' phonemes
        place = torch.arange(int(prefix.lengths.max()), device=both.device)[None]  # [1, T]
        gap = prefix.phonemes.shape[1] - prefix.n_phonemes[:, None]  # [B, 1]
        order = torch.where(place < prefix.n_phonemes[:, None], place, place + gap)  # [B, T]
        order = order.clamp_max(both.shape[1] - 1)  # past a lane's length: any row will do
        return both.gather(1, order[:, :, None].expand(-1, -1, both.shape[2])), order

    def visible(self, prefix: Prefix, n: int) -> Tensor:
        """Which row (third dimension) sees which (fourth), `bool[B, 1, T, T]`."""
        place = torch.arange(n, device=prefix.phonemes.device)
        is_phoneme = valid_of(prefix.n_phonemes, n)  # [B, T]
        earlier = place[None, :] <= place[:, None]  # [T, T]
        token_sees = valid_of(prefix.lengths, n)[:, None] & earlier & ~is_phoneme[:, :, None]  # [B, T, T]
        return (is_phoneme[:, None] | token_sees)[:, None]


def attend(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor, n_slots: Sequence[int]) -> Tensor:
    """What each lane's newest row sees, `[B, H, 1, K]`.

    On a CPU lane by lane, each no farther than it reaches: attention waits for memory there, and so it reads
    less of it. A cache in bfloat16 is widened on the way: torch's attention of one query in bfloat16 takes
    twice as long as that where the processor has no matrix unit. On a GPU all at once, as far as the
    farthest.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=bias)
    attended, wide, bias = torch.empty_like(q), q.float(), bias.float()
    for b, n in enumerate(n_slots):
        lane = slice(b, b + 1)
        attended[lane] = F.scaled_dot_product_attention(
            wide[lane],
            keys[lane, :, :n].float(),
            values[lane, :, :n].float(),
            attn_mask=bias[lane, :, :, :n],
        )
    return attended


class Position(nn.Module):
    """Sines and cosines by turns (Vaswani et al. 2017, section 3.5), times a learnt number."""

    table: Tensor

    def __init__(self, width: int, n_positions: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        place = torch.arange(n_positions, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(10_000.0) / width))
        table = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=-1)  # [T, D / 2, 2]
        self.register_buffer("table", table.flatten(1), persistent=False)  # [T, D]

    def forward(self, positions: Tensor) -> Tensor:
        """A row for each of `positions`, `[..., D]`."""
        return self.scale * self.table[positions]


class Block(nn.Module):
    """Attention and a feed-forward network, each followed by its norm; attention itself is the caller's."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_1 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.norm_2 = nn.LayerNorm(width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of `[B, T, D]`, each `[B, H, T, K]`."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # 3 of [B, H, T, K]
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The block's output `[B, T, D]` from its input and what attention brought, `[B, H, T, K]`."""
        x = self.norm_1(x + self.out(attended.transpose(1, 2).flatten(2)))  # [B, T, D]
        y: Tensor = self.norm_2(x + self.contract(F.relu_(self.expand(x))))
        return y
