"""One process speaks its share of the corpus, and watches itself."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from speech.bench.corpus import Sentence
from speech.bench.weights import N_PROMPT_PHONEMES, N_PROMPT_TOKENS, Networks
from speech.decode import Beat, Pace, SemanticRequest, decode
from speech.schedule import LengthBuckets, Schedule, Waiting
from speech.ticks import KeptTicks
from speech.units import FRAMES_PER_TOKEN, SAMPLE_RATE

_N_SLOTS = 1024  # more than the prompt, the longest sentence and its tokens
_BUCKET_TOKENS = 10
_SOUNDED_TOGETHER = 8  # on a GPU


@dataclass(slots=True)
class Measured:
    """What one process did on one path."""

    n_sentences: int = 0
    audio_seconds: float = 0.0
    began: float = 0.0
    """Of the machine's clock, so that processes can be laid side by side."""
    ended: float = 0.0
    cpu_seconds: float = 0.0
    text_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    decoder_seconds: float = 0.0
    idle_lane_seconds: float = 0.0
    """Decoding time times the share of lanes that drew nothing of use."""
    padded_seconds: float = 0.0
    """The decoder's time times the share of its frames that were padding."""
    sentence_seconds: list[float] = field(default_factory=list)
    """From admission to sound, of each sentence."""
    lanes: list[tuple[float, int]] = field(default_factory=list)
    """Busy lanes from each moment on, in seconds since `began`."""
    peak_rss_bytes: int = 0
    device_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """One sentence's outcome, kept to be compared."""

    tokens: torch.Tensor
    sound: torch.Tensor


def speak(
    networks: Networks,
    share: Sequence[tuple[int, Sentence]],
    n_lanes: int,
    kept: dict[int, Kept] | None = None,
    read: Callable[[str], object] | None = None,
    *,
    graphs: KeptTicks | None = None,
) -> Measured:
    """Speaks the sentences, each under its number in the corpus, longest first.

    Args:
        networks: in the precision to be measured.
        share: numbers and sentences.
        n_lanes: 1 is the plain path, one sentence at a time.
        kept: outcomes of those numbers that it already has as keys are put here; None keeps none.
        read: the front end. Its time counts; what it returns does not matter, the lengths are the corpus's.
        graphs: what a GPU has captured of beats, from call to call; None for beats as they are.
    """
    device = networks.semantic.head.weight.device
    pace = replace(Pace.for_device(device, n_lanes), n_slots=_N_SLOTS)
    if graphs is not None:
        pace = replace(pace, in_buckets=True)
    measured, admitted, sentences = Measured(n_sentences=len(share)), {}, dict(share)
    schedule = Schedule(budget_slots=n_lanes * _N_SLOTS)
    n_prompt = N_PROMPT_PHONEMES + N_PROMPT_TOKENS
    schedule.add(
        Waiting(str(index), "corpus", n_prompt + sentence.n_phonemes, sentence.n_tokens)
        for index, sentence in share
    )
    buckets = LengthBuckets(_BUCKET_TOKENS, 1 if device.type == "cpu" else _SOUNDED_TOGETHER)
    tokens_of: dict[str, torch.Tensor] = {}
    measured.began = time.time()
    cpu_began, clock_began = time.process_time(), time.perf_counter()

    def requests() -> Iterator[SemanticRequest]:
        while (waiting := schedule.admit(0.0)) is not None:
            admitted[waiting.key] = start = time.perf_counter()
            sentence = sentences[int(waiting.key)]
            if read is not None:
                read(sentence.text)
                measured.text_seconds += time.perf_counter() - start
            yield networks.semantic_request(int(waiting.key), sentence)

    def watch(beat: Beat) -> None:
        measured.prefill_seconds += beat.prefill_seconds
        measured.decode_seconds += beat.tick_seconds
        measured.idle_lane_seconds += beat.tick_seconds * (1 - beat.n_drawn / (n_lanes * beat.n_ticks))
        if not measured.lanes or measured.lanes[-1][1] != beat.n_busy:
            measured.lanes.append((time.perf_counter() - clock_began - beat.tick_seconds, beat.n_busy))

    def sound(keys: list[str]) -> None:
        if not keys:
            return
        start = time.perf_counter()
        asked = [networks.sound_request(int(key), sentences[int(key)], tokens_of[key]) for key in keys]
        sounds = [one.cpu() for one in networks.decoder.speak(asked)]
        end = time.perf_counter()
        lengths = [len(request.tokens) for request in asked]
        measured.decoder_seconds += end - start
        measured.padded_seconds += (end - start) * (1 - sum(lengths) / (len(keys) * max(lengths)))
        for key, one in zip(keys, sounds, strict=True):
            measured.audio_seconds += one.shape[0] / SAMPLE_RATE
            measured.sentence_seconds.append(end - admitted[key])
            if kept is not None and int(key) in kept:
                kept[int(key)] = Kept(tokens_of[key], one)
            del tokens_of[key]

    for take in decode(networks.semantic, requests(), pace, watch=watch, kept=graphs):
        schedule.retire(take.key)
        tokens_of[take.key] = take.tokens
        sound(buckets.add(take.key, len(take.tokens) * FRAMES_PER_TOKEN))
    for keys in buckets.flush():
        sound(keys)
    measured.ended = time.time()
    measured.cpu_seconds = time.process_time() - cpu_began
    measured.peak_rss_bytes = peak_rss_bytes()
    if device.type == "cuda":
        measured.device_bytes = torch.cuda.max_memory_allocated(device)
    return measured


def peak_rss_bytes() -> int:
    """The most memory this process has had so far; what it shares with others (libraries) is in it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
