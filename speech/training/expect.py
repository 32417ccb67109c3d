"""How long a training will take, before it begins: exact in updates, foretold in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from speech.training.options import DecoderOptions, Options, SemanticOptions
from speech.training.order import Order
from speech.units import FRAME_RATE

if TYPE_CHECKING:
    import torch

_CPU_DECODER_SECONDS: Final = 15.0
"""Of one core for each lane of an update: no run of the real size has come to its end yet, one was not done
after 27 s a lane on a busy machine. An assumption."""
_CPU_SEMANTIC_SECONDS: Final = 1.25
"""Of one core for each second of speech in an update: the faster of two runs (docs/log.md)."""
START_SECONDS: Final = 30.0
"""Loading, and putting down what was learnt. An assumption."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast each network learns on some machine."""

    decoder_seconds: float
    """For each lane of an update."""
    semantic_seconds: float
    """For each second of speech in an update."""
    measured: frozenset[str] = frozenset()
    """Of which of the two, "decoder" and "semantic", that was measured; the others are assumed."""

    @classmethod
    def assumed(cls, gpu_speedup: float = 1.0) -> Self:
        """Of networks of the published sizes.

        Args:
            gpu_speedup: how many times as fast as one core a GPU is taken to be; 1 for a CPU.
        """
        return cls(_CPU_DECODER_SECONDS / gpu_speedup, _CPU_SEMANTIC_SECONDS / gpu_speedup)

    def but(self, decoder_seconds: float | None, semantic_seconds: float | None) -> Pace:
        """The same but for what was measured; None was not."""
        given = {"decoder": decoder_seconds, "semantic": semantic_seconds}
        return Pace(
            self.decoder_seconds if decoder_seconds is None else decoder_seconds,
            self.semantic_seconds if semantic_seconds is None else semantic_seconds,
            self.measured | {name for name, seconds in given.items() if seconds is not None},
        )

    def update_seconds(
        self, seconds: Sequence[float], decoder: DecoderOptions | None, semantic: SemanticOptions
    ) -> dict[str, float]:
        """What an update of each network that learns takes, by name; the arguments are those of `expect`."""
        found = {"semantic": speech_seconds_of(seconds, semantic) * self.semantic_seconds}
        if decoder:
            found["decoder"] = lanes_of(decoder) * self.decoder_seconds
        return found


@dataclass(frozen=True, slots=True)
class Expected:
    """What a training is going to take."""

    n_decoder_updates: int
    n_semantic_updates: int
    """At most: an early stop makes them fewer."""
    seconds: float
    """An estimate; right to a factor of some where the pace is assumed."""
    is_measured: bool
    """Whether the pace of all that learns was measured."""

    @property
    def n_updates(self) -> int:
        """Of both networks."""
        return self.n_decoder_updates + self.n_semantic_updates


def expect(
    seconds: Sequence[float], decoder: DecoderOptions | None, semantic: SemanticOptions, pace: Pace
) -> Expected:
    """What a training of recordings of so many seconds takes.

    Args:
        seconds: of each recording that is learnt from, at least one.
        decoder: how the decoder learns; None if it does not.
        semantic: how the semantic model learns.
        pace: how fast, on the machine where it will run.
    """
    n_decoder = _n_updates(seconds, decoder) if decoder else 0
    n_semantic = _n_updates(seconds, semantic)
    update = pace.update_seconds(seconds, decoder, semantic)
    work = n_decoder * update.get("decoder", 0.0) + n_semantic * update["semantic"]
    return Expected(n_decoder, n_semantic, round(work + START_SECONDS, 1), update.keys() <= pace.measured)


def lanes_of(options: Options) -> int:
    """Lanes of an update."""
    return options.n_lanes * options.n_passes


def speech_seconds_of(seconds: Sequence[float], options: Options) -> float:
    """Speech in an update, where recordings are so long."""
    return lanes_of(options) * sum(seconds) / len(seconds)


def device_name(device: torch.device) -> str:
    """What a pace holds for: "cpu", or the GPU's own name."""
    if device.type != "cuda":
        return device.type
    import torch

    return str(torch.cuda.get_device_name(device))


def _n_updates(seconds: Sequence[float], options: Options) -> int:
    return Order(
        tuple(round(each * FRAME_RATE) for each in seconds),
        options.n_lanes,
        options.n_passes,
        options.epochs,
        options.seed,
        options.least_per_epoch,
    ).n_updates
