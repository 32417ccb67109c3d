"""What a faster precision changes: tokens, and the distance of sounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from speech.bench.measure import Kept
from speech.networks.fbank import mel_energies

_DECIBELS = 10 / math.log(10)  # of a natural logarithm of power


@dataclass(frozen=True, slots=True)
class Quality:
    """A path against float32, one sentence at a time."""

    n_sentences: int
    tokens_equal: float
    """Share of tokens that are equal, up to the first that is not in each sentence."""
    log_mel_db: float
    """Mean distance in 80 mel bands, of sounds made of the same tokens."""
    signal_to_noise_db: float | None
    """Of those sounds; None where they are equal."""


def compare(exact: list[Kept], found: list[Kept], respoken: list[Tensor]) -> Quality:
    """Compares outcomes, and sounds that the path under test has made of the exact tokens."""
    n_equal = sum(n_leading(a.tokens, b.tokens) for a, b in zip(exact, found, strict=True))
    n_tokens = sum(len(kept.tokens) for kept in exact)
    reference, sound = torch.cat([kept.sound for kept in exact]), torch.cat(respoken)
    # Kaldi's bands on sound of twice their rate: they reach to 16 kHz instead of 8.
    distance = (mel_energies(reference[None]) - mel_energies(sound[None])).abs().mean() * _DECIBELS
    noise = (reference - sound).square().sum()
    ratio = 10 * torch.log10(reference.square().sum() / noise).item() if noise > 0 else None
    return Quality(len(exact), n_equal / n_tokens, distance.item(), ratio)


def n_leading(a: Tensor, b: Tensor) -> int:
    """How many tokens are equal before the first that differs."""
    n = min(len(a), len(b))
    differs = (a[:n] != b[:n]).nonzero()
    return int(differs[0]) if len(differs) else n
