"""How long a training will take, before it begins: exact in updates, foretold in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from speech.training.options import DecoderOptions, Options, SemanticOptions
from speech.training.order import Order
from speech.units import FRAME_RATE

Device = Literal["cpu", "cuda"]

_CPU_DECODER_SECONDS: Final = 15.0
"""Of one core for each lane of an update: no run of the real size has come to its end yet, one was not done
after 27 s a lane on a busy machine. An assumption."""
_CPU_SEMANTIC_SECONDS: Final = 1.25
"""Of one core for each second of speech in an update: the faster of two runs (docs/log.md)."""
_GPU_SPEEDUP: Final = 100.0
"""An assumption: nothing has been measured on a GPU."""
_START_SECONDS: Final = {"cpu": 30.0, "cuda": 30.0}
"""Loading, and putting down what was learnt."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a training is going to take."""

    n_decoder_updates: int
    n_semantic_updates: int
    """At most: an early stop makes them fewer."""
    seconds: float
    """An estimate, right to a factor of some."""

    @property
    def n_updates(self) -> int:
        """Of both networks."""
        return self.n_decoder_updates + self.n_semantic_updates


def expect(
    seconds: Sequence[float], decoder: DecoderOptions | None, semantic: SemanticOptions, device: Device
) -> Expected:
    """What a training of recordings of so many seconds takes.

    Args:
        seconds: of each recording that is learnt from, at least one.
        decoder: how the decoder learns; None if it does not.
        semantic: how the semantic model learns.
        device: where.
    """
    n_decoder = _n_updates(seconds, decoder) if decoder else 0
    n_semantic = _n_updates(seconds, semantic)
    mean = sum(seconds) / len(seconds)
    lanes = n_decoder * decoder.n_lanes * decoder.n_passes if decoder else 0
    work = lanes * _CPU_DECODER_SECONDS
    work += n_semantic * semantic.n_lanes * semantic.n_passes * mean * _CPU_SEMANTIC_SECONDS
    work /= _GPU_SPEEDUP if device == "cuda" else 1.0
    return Expected(n_decoder, n_semantic, round(work + _START_SECONDS[device], 1))


def _n_updates(seconds: Sequence[float], options: Options) -> int:
    return Order(
        tuple(round(each * FRAME_RATE) for each in seconds),
        options.n_lanes,
        options.n_passes,
        options.epochs,
        options.seed,
        options.least_per_epoch,
    ).n_updates
