"""What the device knows of lanes, and their tick: a token is drawn and fed, the next logits are there.

Busy lanes are always the first ones, so that a tail of few lanes costs what few lanes cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from speech.networks.cache import KVCache
from speech.networks.config import SemanticConfig
from speech.networks.semantic import SemanticModel
from speech.noise import SEED_WORDS, token_noise
from speech.sampling import Knobs, draw


@dataclass(slots=True)
class Lanes:
    """What the device knows of B lanes. They hold at most S tokens, of a vocabulary of V."""

    logits: Tensor  # float32[B, V] of the token to be drawn next
    drawn: Tensor  # int64[B, S]    tokens drawn, the first n_drawn of them valid
    n_drawn: Tensor  # int64[B]
    limit: Tensor  # int64[B]       n_drawn at which the lane is stopped
    slot: Tensor  # int64[B]        where the cache takes the next token
    position: Tensor  # int64[B]    the next token's place in the run of tokens, prompt included
    seen: Tensor  # bool[B, V]      tokens that have occurred, prompt included
    seed: Tensor  # int64[B, 3]
    is_ended: Tensor  # bool[B]     the model ended it
    is_done: Tensor  # bool[B]      ended, or stopped at its limit, or idle
    cache: KVCache

    @classmethod
    def empty(
        cls,
        config: SemanticConfig,
        n: int,
        n_slots: int,
        like: Tensor,
        *,
        poison: bool = False,
    ) -> Lanes:
        """`n` lanes that nobody uses yet.

        Args:
            config: of the model.
            n: how many.
            n_slots: that each may come to hold.
            like: a tensor whose device and dtype the cache has.
            poison: for tests: fills the cache with what no lane may ever read.
        """
        vocabulary = config.n_tokens

        def numbers(*shape: int) -> Tensor:
            return torch.zeros(n, *shape, dtype=torch.int64, device=like.device)

        def flags(*shape: int) -> Tensor:
            return torch.zeros(n, *shape, dtype=torch.bool, device=like.device)

        return cls(
            logits=torch.zeros(n, vocabulary, device=like.device),
            drawn=numbers(n_slots),
            n_drawn=numbers(),
            limit=numbers(),
            slot=numbers(),
            position=numbers(),
            seen=flags(vocabulary),
            seed=numbers(SEED_WORDS),
            is_ended=flags(),
            is_done=~flags(),
            cache=KVCache.empty(config, n, n_slots, like, poison=poison),
        )

    @property
    def n_slots(self) -> int:
        """Slots that a lane may come to hold."""
        return self.drawn.shape[1]

    def __len__(self) -> int:
        """B."""
        return self.is_done.shape[0]

    def first(self, n: int) -> Lanes:
        """Views of the first `n` lanes; what is written to them is written here."""
        rows = {name: getattr(self, name)[:n] for name in _ROWS}
        return Lanes(**rows, cache=self.cache.first(n))

    def move(self, source: int, target: int, n_slots: int) -> None:
        """Copies lane `source`, of which `n_slots` slots matter, over lane `target`."""
        for name in _ROWS:
            tensor: Tensor = getattr(self, name)
            tensor[target] = tensor[source]
        self.cache.move(source, target, n_slots)


_ROWS = tuple(field.name for field in fields(Lanes) if field.name != "cache")


def draw_tokens(lanes: Lanes, knobs: Knobs) -> None:
    """Draws a token in every lane from its logits, and notes which lanes end. The host does not wait."""
    noise = token_noise(lanes.seed, lanes.n_drawn[:, None], lanes.logits.shape[1])[:, 0]  # [B, V]
    token, is_end = draw(lanes.logits, lanes.seen, lanes.n_drawn, knobs, noise)
    lanes.is_ended |= is_end & ~lanes.is_done
    lanes.is_done |= is_end
    place = lanes.n_drawn.clamp_max(lanes.drawn.shape[1] - 1)[
        :, None
    ]  # a done lane overwrites what nobody reads
    lanes.drawn.scatter_(1, place, token[:, None])
    lanes.seen.scatter_(1, token[:, None], True)
    lanes.n_drawn += ~lanes.is_done
    lanes.is_done |= lanes.n_drawn >= lanes.limit


def tick(model: SemanticModel, lanes: Lanes, n_slots: Sequence[int]) -> None:
    """Feeds every lane the token it has drawn, and leaves the logits of the next; done lanes stand still."""
    newest = (lanes.n_drawn - 1).clamp_min(0)[:, None]
    token = lanes.drawn.gather(1, newest)[:, 0]  # [B]
    lanes.logits.copy_(model.tick(token, lanes.position, lanes.slot, lanes.cache, n_slots))
    lanes.slot += ~lanes.is_done
    lanes.position += ~lanes.is_done
