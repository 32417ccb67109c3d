"""Logits become tokens, in upstream's order: penalty, top-p, temperature, top-k, draw.

The order matters and is unusual: top-p sees the distribution before temperature, and the token that crosses
it is dropped too (most programs keep it), so a small top-p is stricter here than its name says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from speech.errors import SpeechError

_COLDEST = 1e-5  # upstream's floor under the temperature


@dataclass(frozen=True, slots=True)
class TokenSampling:
    """How tokens are drawn. The defaults are upstream's."""

    top_k: int = 15
    """Tokens kept, the most likely first, ties with the last of them included; 1 is greedy."""
    top_p: float = 1.0
    """Probability within which tokens are kept; 1 keeps all."""
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    """Divides positive and multiplies negative logits of tokens that have occurred, in the prompt too."""
    min_tokens: int = 11
    """The end token cannot be drawn before this many others."""
    max_tokens: int = 1500
    """A run-away is stopped here: 60 seconds."""

    def __post_init__(self) -> None:
        """Refuses what no distribution could be made of; the message names the field."""
        for name, low, high in (
            ("top_k", 1, 2**31),
            ("top_p", 0.0, 1.0),
            ("temperature", 0.0, 100.0),
            ("repetition_penalty", 0.01, 100.0),
            ("min_tokens", 0, 2**31),
            ("max_tokens", 1, 2**31),
        ):
            if not low <= getattr(self, name) <= high:
                raise SpeechError(f"{name} is {getattr(self, name)}, not within {low} to {high}")


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of every lane: columns `[B, 1]` on the device, and two bounds that spare the host work."""

    top_k: Tensor
    top_p: Tensor
    temperature: Tensor
    repetition_penalty: Tensor
    min_tokens: Tensor
    max_tokens: Tensor
    widest_k: int
    """The largest `top_k`: so many tokens need ranking."""
    any_top_p: bool
    """Whether some `top_p` is below 1; if none is, nothing need be sorted."""

    @classmethod
    def of(cls, lanes: Sequence[TokenSampling], device: torch.device) -> Knobs:
        """The settings of lanes, one row each."""

        def column(name: str) -> Tensor:
            return torch.tensor([[getattr(lane, name)] for lane in lanes], device=device)

        return cls(
            **{field.name: column(field.name) for field in fields(TokenSampling)},
            widest_k=max(lane.top_k for lane in lanes),
            any_top_p=any(lane.top_p < 1 for lane in lanes),
        )


def draw(logits: Tensor, seen: Tensor, n_drawn: Tensor, knobs: Knobs, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each lane, and whether the lane ends with it; nothing waits for the device.

    A lane ends when the end token (the last of V) is drawn, or when it is the likeliest after the penalty,
    whatever was drawn.

    Args:
        logits: `[B, V]`.
        seen: `bool[B, V]`, tokens that have occurred in the lane.
        n_drawn: `int64[B]`, tokens the lane has drawn so far.
        knobs: of the B lanes.
        noise: `[B, V]`, exponential with mean 1: the largest p/noise wins, token i with probability p_i.

    Returns:
        `int64[B]` and `bool[B]`.
    """
    penalised = penalise(logits, seen, n_drawn, knobs)
    token = (probabilities(penalised, knobs) / noise).argmax(dim=1)  # [B]
    end = logits.shape[1] - 1
    return token, (token == end) | (penalised.argmax(dim=1) == end)


def penalise(logits: Tensor, seen: Tensor, n_drawn: Tensor, knobs: Knobs) -> Tensor:
    """`logits`, less for tokens that have occurred, -inf for the end token of a lane still too short."""
    is_early = n_drawn[:, None] < knobs.min_tokens  # [B, 1]
    logits = torch.cat([logits[:, :-1], logits[:, -1:].masked_fill(is_early, -math.inf)], dim=1)
    lessened = torch.where(logits < 0, logits * knobs.repetition_penalty, logits / knobs.repetition_penalty)
    return torch.where(seen, lessened, logits)


def probabilities(penalised: Tensor, knobs: Knobs) -> Tensor:
    """What tokens are drawn from, `[B, V]`: top-p, then temperature, then top-k."""
    kept = _keep_top_p(penalised, knobs.top_p) if knobs.any_top_p else penalised
    kept = _keep_top_k(kept / knobs.temperature.clamp_min(_COLDEST), knobs.top_k, knobs.widest_k)
    return kept.softmax(dim=1)


def _keep_top_p(logits: Tensor, top_p: Tensor) -> Tensor:
    """`logits` with -inf where the likelier tokens and the token itself have more than `top_p` together."""
    ranked, order = logits.sort(dim=1, descending=True)
    beyond = (ranked.softmax(dim=1).cumsum(dim=1) > top_p) & (top_p < 1)
    beyond[:, 0] = False  # the likeliest always stays
    return logits.masked_fill(beyond.scatter(1, order, beyond), -math.inf)


def _keep_top_k(logits: Tensor, top_k: Tensor, widest_k: int) -> Tensor:
    """`logits` with -inf below the `top_k`-th largest of each lane."""
    n_ranked = min(widest_k, logits.shape[1])
    pivot = logits.topk(n_ranked, dim=1).values.gather(1, top_k.clamp_max(n_ranked) - 1)  # [B, 1]
    return logits.masked_fill(logits < pivot, -math.inf)
