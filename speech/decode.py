"""The decode loop: utterances become semantic tokens, many lanes at once.

Admit, prefill, draw, tick, retire. A lane that ends is refilled from the requests while the others run on, so
no lane waits for the longest of its batch. What a lane draws depends on its request alone: attention is
masked, noise is keyed by the request, and every lane counts its own ticks.

State is a value, `Lanes`, with its schema at its head. Logits, noise and sampling are float32 whatever the
model's weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor

from speech.errors import SpeechError
from speech.lanes import Lanes
from speech.networks.config import SemanticConfig
from speech.networks.semantic import Prefix, SemanticModel
from speech.noise import seed_of
from speech.sampling import TokenSampling
from speech.ticks import KeptTicks, Ticks


@dataclass(frozen=True, slots=True)
class SemanticRequest:
    """One utterance to be decoded."""

    key: str
    """The digest of the take: returned with its tokens, and the seed of its noise."""
    phonemes: Tensor
    """`int64[P]`, the prompt's transcript and then the utterance."""
    linguistic: Tensor
    """`float[P, W]`, a row for each phoneme; zeros where the language has no linguistic backbone."""
    prompt: Tensor
    """`int64[S]`, the prompt's semantic tokens; empty without a prompt."""
    sampling: TokenSampling = field(default_factory=TokenSampling)
    take: int = 0
    """Another number draws other noise."""

    @property
    def n_prefix(self) -> int:
        """Slots its prefix fills."""
        return self.phonemes.shape[0] + self.prompt.shape[0]


@dataclass(frozen=True, slots=True)
class SemanticTake:
    """The tokens of one utterance."""

    key: str
    tokens: Tensor
    """`int64[S]` on the CPU, 25 per second, without the end token."""
    is_ended: bool
    """Whether the model ended it; otherwise it ran into `max_tokens` or out of slots."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the loop shares its work out. No field changes what any lane draws."""

    n_lanes: int
    n_slots: int = 2048
    """Phonemes, prompt and new tokens that a lane can hold."""
    n_prefill: int = 1
    """Newcomers that share a prefill."""
    look_every: int = 1
    """Ticks between two looks at which lanes have ended. A look waits for the device."""
    in_buckets: bool = False
    """Whether lanes and slots go in few sizes, each captured by a GPU."""

    @classmethod
    def for_device(cls, device: torch.device, n_lanes: int) -> Pace:
        """A CPU prefills one by one, which pads nothing, and looks whenever it likes; a GPU waits to look."""
        if device.type == "cpu":
            return cls(n_lanes)
        return cls(n_lanes, n_prefill=n_lanes, look_every=8)


@dataclass(frozen=True, slots=True)
class Beat:
    """What happened between two looks."""

    n_busy: int
    """Lanes that were decoded."""
    n_ticks: int
    n_drawn: int
    """Tokens that belong to a take: at most `n_busy` times `n_ticks`."""
    prefill_seconds: float
    tick_seconds: float


@torch.inference_mode()
def decode(
    model: SemanticModel,
    requests: Iterator[SemanticRequest],
    pace: Pace,
    *,
    watch: Callable[[Beat], None] | None = None,
    on_look: Callable[[], None] | None = None,
    kept: KeptTicks | None = None,
    poison: bool = False,
) -> Iterator[SemanticTake]:
    """Takes, each as soon as it is done, exactly one for each request pulled; free lanes pull.

    Args:
        model: in whatever dtype; its cache has the same.
        requests: pulled from whenever lanes are free.
        pace: how the work is shared out.
        watch: told of every beat; for measuring.
        on_look: called at every look at which lanes have ended: the work gets further.
        kept: the lanes and captured graphs of earlier calls, which this call uses and leaves for the next;
            None for lanes of this call alone.
        poison: for tests, see `Lanes.empty`.

    Raises:
        SpeechError: a request is empty or does not fit the model or the slots; the message names its key.
    """
    shape = (pace.n_lanes, pace.n_slots, pace.look_every)
    keeping = (kept or KeptTicks()).take(model, *shape, in_buckets=pace.in_buckets, poison=poison)
    with keeping as ticks:
        yield from _decode(model, requests, pace, ticks, watch, on_look)


def _decode(
    model: SemanticModel,
    requests: Iterator[SemanticRequest],
    pace: Pace,
    ticks: Ticks,
    watch: Callable[[Beat], None] | None,
    on_look: Callable[[], None] | None,
) -> Iterator[SemanticTake]:
    """See `decode`; the lanes of `ticks` are idle, and are idle again at the end."""
    lanes = ticks.lanes
    busy: list[SemanticRequest] = []  # the requests of lanes 0, 1, ...
    filled: list[int] = []  # slots of each that may be filled: a bound the host knows without a look
    has_changed = False
    while True:
        newcomers = list(islice(requests, pace.n_lanes - len(busy)))
        began = time.perf_counter()
        for start in range(0, len(newcomers), pace.n_prefill):
            group = newcomers[start : start + pace.n_prefill]
            for request in group:
                check(request, model.config, lanes.n_slots)
            admit(model, lanes, group, first=len(busy))
            busy += group
            filled += [request.n_prefix for request in group]
        if not busy:
            return
        if newcomers or has_changed:
            ticks.settle([request.sampling for request in busy])
        view = lanes.first(len(busy))
        admitted = time.perf_counter()
        n_before = int(view.n_drawn.sum()) if watch else 0
        filled = ticks.run(filled)
        done = view.is_done.tolist()  # the look
        if watch:
            n_drawn = int(view.n_drawn.sum()) - n_before
            seconds = time.perf_counter() - admitted
            watch(Beat(len(busy), pace.look_every, n_drawn, admitted - began, seconds))
        if on_look:
            on_look()
        has_changed = any(done)
        if has_changed:
            yield from (take_of(view, lane, busy[lane]) for lane, is_done in enumerate(done) if is_done)
            close_gaps(lanes, done, busy, filled)


def admit(model: SemanticModel, lanes: Lanes, newcomers: Sequence[SemanticRequest], *, first: int) -> None:
    """Prefills `newcomers`, which have been checked and fit the cache, into the lanes from `first` on."""
    n_slots, like = lanes.n_slots, lanes.cache.keys[0]
    device = like.device
    prefix = Prefix.of(
        [request.phonemes.to(device) for request in newcomers],
        [request.linguistic.to(device, like.dtype) for request in newcomers],
        [request.prompt.to(device) for request in newcomers],
    )
    rows = torch.arange(first, first + len(newcomers), device=device)
    room = [min(request.sampling.max_tokens, n_slots - request.n_prefix) for request in newcomers]
    lanes.logits[rows] = model.prefill(prefix, lanes.cache, rows).float()
    lanes.n_drawn[rows] = 0
    lanes.limit[rows] = torch.tensor(room, device=device)
    lanes.slot[rows] = prefix.lengths
    lanes.position[rows] = prefix.n_tokens
    lanes.seed[rows] = torch.tensor(
        [seed_of(request.key, request.take) for request in newcomers], device=device
    )
    lanes.is_ended[rows] = False
    lanes.is_done[rows] = False
    lanes.seen[rows] = False
    for row, request in enumerate(newcomers, start=first):
        lanes.seen[row, request.prompt.to(device)] = True


def take_of(lanes: Lanes, lane: int, request: SemanticRequest) -> SemanticTake:
    """What a lane that is done has drawn."""
    tokens = lanes.drawn[lane, : int(lanes.n_drawn[lane])].to("cpu", copy=True)
    return SemanticTake(request.key, tokens, is_ended=bool(lanes.is_ended[lane]))


def close_gaps(lanes: Lanes, done: list[bool], busy: list[SemanticRequest], filled: list[int]) -> None:
    """Moves the last lanes into those that are done, so that the busy ones are the first again.

    The memory of those that are left over is given back.
    """
    for lane in reversed([lane for lane, is_done in enumerate(done) if is_done]):
        last = len(busy) - 1
        if lane != last:
            lanes.move(last, lane, filled[last])
            busy[lane], filled[lane] = busy[last], filled[last]
        lanes.cache.release(last)
        del busy[last], filled[last]
    lanes.is_done[len(busy) :] = True


def check(request: SemanticRequest, config: SemanticConfig, n_slots: int) -> None:
    """Refuses a request that the model or the slots cannot hold.

    Raises:
        SpeechError: in one line that names its key.
    """
    n_phonemes, n_prompt = request.phonemes.shape[0], request.prompt.shape[0]
    if request.linguistic.shape != (n_phonemes, config.linguistic_width):
        shape = list(request.linguistic.shape)
        raise SpeechError(f"{request.key}: linguistic features are {shape} for {n_phonemes} phonemes")
    for name, ids, n_rows in (
        ("phoneme", request.phonemes, config.n_phonemes),
        ("prompt token", request.prompt, config.end_token),
    ):
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_rows:
            raise SpeechError(
                f"{request.key}: {name} ids reach from {ids.min()} to {ids.max()}, not below {n_rows}"
            )
    longest = n_prompt + request.sampling.max_tokens
    if n_phonemes == 0 or n_phonemes > config.n_positions or longest > config.n_positions:
        raise SpeechError(
            f"{request.key}: {n_phonemes} phonemes and {longest} tokens, prompt included, do not fit "
            f"the model's {config.n_positions} positions"
        )
    if request.n_prefix + request.sampling.min_tokens >= n_slots:
        raise SpeechError(f"{request.key}: a prefix of {request.n_prefix} leaves no room in {n_slots} slots")
