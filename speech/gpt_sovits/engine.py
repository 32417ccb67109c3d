"""The networks of one weights digest, at work: requests with their prompts become takes.

Prompts come with the requests, so voices that share weights can share the lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from speech.allocator import give_back_freed_memory, keep_few_kernels, keep_freed_memory
from speech.decode import Pace, decode
from speech.errors import VoiceError
from speech.gpt_sovits.adapters import n_bytes_of as adapter_bytes
from speech.gpt_sovits.adapters import wear
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.orders import Asked, Order, Orders
from speech.gpt_sovits.weights import load_decoder, load_semantic, version_of
from speech.networks.decoder import Decoder
from speech.networks.packed import pack
from speech.networks.packed_generator import pack_generator
from speech.networks.semantic import SemanticModel
from speech.precision import Precision
from speech.text.symbols import SymbolsVersion
from speech.ticks import KeptTicks
from speech.voice import Take

CPU_LANES: Final = 8
"""A tick of 8 lanes takes less than twice as long as one of 1 lane; more cost memory and gain little."""
MOST_LANES: Final = 64
_SHARE_OF_FREE: Final = 0.4
"""Of a GPU's free memory, for lanes."""
_SOUNDED_TOGETHER: Final = 8
"""Utterances the decoder takes at once on a GPU; on a CPU one, because batches are slower there."""


class Engine:
    """A semantic model and a decoder that belong together."""

    def __init__(
        self, semantic: SemanticModel, decoder: Decoder, front: Front, pace: Pace, *, n_together: int = 1
    ) -> None:
        """An engine of networks that are ready to speak; `n_together` utterances are sounded at once.

        On a CPU both are packed: they are of no other use afterwards.
        """
        self.decoder = decoder
        self.front = front
        self._semantic = semantic
        self._pace = pace
        self._kept = KeptTicks() if pace.in_buckets else None  # without graphs there is nothing to keep
        self._n_together = n_together
        self.n_bytes = n_bytes_of(semantic) + n_bytes_of(decoder)
        """The memory of its networks."""
        pack(semantic)
        pack_generator(decoder)
        give_back_freed_memory()

    @classmethod
    def open(
        cls,
        weights: Path,
        backbones: Backbones,
        device: torch.device,
        n_lanes: int = 0,
        precision: Precision = Precision.FP32,
    ) -> Engine:
        """The engine of the weights in this folder; 0 lanes leave their number to the device.

        Raises:
            VoiceError: the weights are not what this program reads, or do not fit each other.
        """
        keep_freed_memory()
        keep_few_kernels()
        if device.type == "cuda":
            # Ten bits of mantissa in every convolution are heard, and no golden file holds with them.
            torch.backends.cudnn.allow_tf32 = False
        semantic, decoder = load_semantic(weights, device), load_decoder(weights, device)
        check_pair(semantic, decoder)
        precision.apply(semantic, decoder)
        symbols: SymbolsVersion = "v1" if version_of(weights) == "v1" else "v2"
        front = Front(symbols, semantic.config.linguistic_width, backbones)
        n_lanes = n_lanes or lanes_for(device, semantic)
        n_together = 1 if device.type == "cpu" else _SOUNDED_TOGETHER
        return cls(semantic, decoder, front, Pace.for_device(device, n_lanes), n_together=n_together)

    def wearing(self, adapters: Mapping[str, Tensor]) -> Engine:
        """The same engine for a voice with these adapters: `n_bytes` are theirs alone, all else is shared.

        Raises:
            VoiceError: they do not fit the semantic model.
        """
        twin = copy(self)
        twin._semantic = wear(self._semantic, adapters)  # noqa: SLF001 - it is one of us
        # What was captured here speaks with these weights alone.
        twin._kept = None if self._kept is None else KeptTicks()  # noqa: SLF001
        twin.n_bytes = adapter_bytes(adapters, self._semantic.head.weight.dtype)
        return twin

    @property
    def n_lanes(self) -> int:
        """How many requests it has in hand at once: in the lanes, and waiting to be sounded together."""
        return self._pace.n_lanes + self._n_together - 1

    @property
    def n_slots(self) -> int:
        """What its lanes together have room for: phonemes, prompts and tokens."""
        return self._pace.n_lanes * self._pace.n_slots

    def speak(self, asked: Iterator[Asked], on_beat: Callable[[], None] | None = None) -> Iterator[Take]:
        """Takes, each as soon as it is done, exactly one for each request pulled; free lanes pull.

        They pull at every look, whether there was something before or not: newcomers need not wait for the
        lanes to run empty. `on_beat` is called every few ticks and after each sound.

        A doubtful take goes back into the lanes for another, up to `RETAKES` times. A request that cannot be
        spoken raises after all others in hand were; its key is in the error's notes.

        Raises:
            SpeechError: a request cannot be read, or no attempt at it gave a sound.
        """
        orders = Orders(asked, self.front, n=self.n_lanes, n_slots=self._pace.n_slots)
        heard: list[Order] = []  # whose tokens are worth sounding
        is_busy = True
        while is_busy:
            for tokens in decode(self._semantic, orders, self._pace, on_look=on_beat, kept=self._kept):
                order = orders.find(tokens.key)
                order.hear_tokens(tokens)
                yield from self._move_on(order, orders, heard)
                if len(heard) >= self._n_together:
                    yield from self._sound(orders, heard, on_beat)
            yield from self._sound(orders, heard, on_beat)
            is_busy = orders.may_have_more
        if orders.error is not None:
            raise orders.error

    def _sound(
        self, orders: Orders, heard: list[Order], on_beat: Callable[[], None] | None
    ) -> Iterator[Take]:
        """Makes the best attempts of these orders sound, and moves them on."""
        while heard:
            together = heard[: self._n_together]
            del heard[: self._n_together]
            sounds = self.decoder.speak([order.sound_request() for order in together])
            for order, sound in zip(together, sounds, strict=True):
                order.hear_sound(sound)
                if on_beat:
                    on_beat()
                yield from self._move_on(order, orders, heard)

    def _move_on(self, order: Order, orders: Orders, heard: list[Order]) -> Iterator[Take]:
        """Sends an order where its best attempt belongs: to the lanes again, to the decoder, or out."""
        if order.wants_retake:
            orders.put_back(order)
        elif order.best.samples is None:
            heard.append(order)
        else:
            yield from orders.settle(order)


def n_bytes_of(network: nn.Module) -> int:
    """The memory of a network's tensors."""
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def check_pair(semantic: SemanticModel, decoder: Decoder) -> None:
    """Raises VoiceError where the two are not of one voice."""
    for what, known, wanted in (
        ("tokens", semantic.config.end_token, decoder.config.codebook_size),
        ("phonemes", semantic.config.n_phonemes, decoder.config.n_phonemes),
    ):
        if known < wanted or (what == "tokens" and known != wanted):  # v1's semantic model has spare phonemes
            raise VoiceError(
                f"the semantic model knows {known} {what}, the decoder {wanted}: they are not of one version"
            )


def lanes_for(device: torch.device, semantic: SemanticModel) -> int:
    """How many lanes a device has room for."""
    if device.type == "cpu":
        return CPU_LANES
    config = semantic.config
    lane_bytes = 2 * config.n_layers * Pace(1).n_slots * config.width * semantic.head.weight.element_size()
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_LANES, int(free_bytes * _SHARE_OF_FREE) // lane_bytes))
