from __future__ import annotations

import dataclasses
import random
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.decode import Beat, Pace, SemanticRequest, SemanticTake, decode
from speech.errors import SpeechError
from speech.lanes import Lanes
from speech.networks import semantic
from speech.networks.config import SemanticConfig
from speech.networks.semantic import Prefix, SemanticModel
from speech.networks.weights import load
from speech.noise import seed_of, token_noise
from speech.sampling import Knobs, TokenSampling, draw
from speech.ticks import KeptTicks, Ticks
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import SEMANTIC, semantic_model, semantic_requests

N_SLOTS = 80


def takes_of(requests: list[SemanticRequest], pace: Pace, *, poison: bool = True) -> dict[str, SemanticTake]:
    takes = list(decode(semantic_model(), iter(requests), pace, poison=poison))
    assert len(takes) == len(requests)
    return {take.key: take for take in takes}


def same(first: dict[str, SemanticTake], second: dict[str, SemanticTake]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(take.tokens, second[key].tokens) and take.is_ended == second[key].is_ended
        for key, take in first.items()
    )


@cache
def takes_alone() -> dict[str, SemanticTake]:
    requests = semantic_requests(9)
    return {
        request.key: takes_of([request], Pace(1, N_SLOTS), poison=False)[request.key] for request in requests
    }


@torch.inference_mode()
def decode_without_cache(model: SemanticModel, request: SemanticRequest) -> SemanticTake:
    """The whole row through the model again for every token: slow, plain, and nothing to get wrong."""
    tokens, drawn = request.prompt, 0
    knobs = Knobs.of([request.sampling], torch.device("cpu"))
    while drawn < request.sampling.max_tokens:
        prefix = Prefix.of([request.phonemes], [request.linguistic], [tokens])
        logits = model.head(model(prefix)[:, -1])
        seen = torch.zeros(1, logits.shape[1], dtype=torch.bool)
        seen[0, tokens] = True
        noise = token_noise(
            torch.tensor([seed_of(request.key, request.take)]), torch.tensor([[drawn]]), logits.shape[1]
        )
        token, is_end = draw(logits, seen, torch.tensor([drawn]), knobs, noise[:, 0])
        if is_end:
            return SemanticTake(request.key, tokens[len(request.prompt) :], is_ended=True)
        tokens, drawn = torch.cat([tokens, token]), drawn + 1
    return SemanticTake(request.key, tokens[len(request.prompt) :], is_ended=False)


def test_tokens_equal_those_drawn_without_a_cache() -> None:
    requests = semantic_requests(9)
    plain = {request.key: decode_without_cache(semantic_model(), request) for request in requests}
    assert same(takes_of(requests, Pace(4, N_SLOTS)), plain)
    assert {take.is_ended for take in plain.values()} == {True, False}, "both ways to stop are tried"
    assert len({len(take.tokens) for take in plain.values()}) > 3


@pytest.mark.parametrize("n_lanes", [1, 4])
def test_greedy_tokens_equal_upstreams(n_lanes: int) -> None:
    expected = golden("semantic")
    config = SemanticConfig.of_upstream(expected.config)
    model = SemanticModel(config)
    load(model, expected.weights, semantic.UPSTREAM_NAMES)
    greedy = TokenSampling(top_k=1, max_tokens=70)
    requests = [
        SemanticRequest(
            str(i), expected[f"phonemes{i}"], expected[f"linguistic{i}"].float(), expected["prompt"], greedy
        )
        for i in range(4)
    ]
    unprompted = dataclasses.replace(requests[0], key="_unprompted", prompt=torch.zeros(0, dtype=torch.int64))
    takes = list(decode(model.eval(), iter([*requests, unprompted]), Pace(n_lanes, 128), poison=True))
    for take in takes:
        assert torch.equal(take.tokens, expected[f"tokens{take.key}"][:70]), take.key
    assert {take.key: take.is_ended for take in takes} == {
        "0": True, "1": True, "2": False, "3": True, "_unprompted": True,
    }  # fmt: skip


@given(
    n_lanes=st.integers(1, 7),
    n_prefill=st.integers(1, 4),
    look_every=st.integers(1, 9),
    in_buckets=st.booleans(),
    order=st.randoms(use_true_random=False),
    chosen=st.sets(st.integers(0, 8), min_size=1),
)
@settings(max_examples=25, deadline=None)
def test_take_depends_on_its_request_alone(
    n_lanes: int,
    n_prefill: int,
    look_every: int,
    in_buckets: bool,
    order: random.Random,
    chosen: set[int],
) -> None:
    """Neighbours, order, lanes, slots, pace and buckets may be what they like."""
    requests, alone = semantic_requests(9), takes_alone()
    some = [requests[i] for i in chosen]
    order.shuffle(some)
    n_slots = N_SLOTS + n_lanes
    takes = takes_of(some, Pace(n_lanes, n_slots, n_prefill, look_every, in_buckets))
    assert same(takes, {request.key: alone[request.key] for request in some})


def test_settings_of_one_lane_are_not_its_neighbours_in_buckets_either() -> None:
    """Greedy, cold, wide and narrow side by side, and more of them than there are lanes."""
    settings = [
        TokenSampling(top_k=1, max_tokens=20),
        TokenSampling(top_p=0.6, max_tokens=25),
        TokenSampling(temperature=0.3, repetition_penalty=1.0, max_tokens=30),
    ]
    requests = [
        dataclasses.replace(request, sampling=settings[i % 3])
        for i, request in enumerate(semantic_requests(9))
    ]
    alone = {request.key: takes_of([request], Pace(1, N_SLOTS))[request.key] for request in requests}
    pace = Pace(5, N_SLOTS, n_prefill=2, look_every=3, in_buckets=True)
    assert same(takes_of(requests, pace), alone)


def test_beats_go_in_few_buckets() -> None:
    model = semantic_model()
    lanes = Lanes.empty(model.config, 6, 600, model.head.weight)
    ticks, buckets = Ticks(model, lanes, 2, in_buckets=True), set()
    for n_lanes in range(1, 7):
        ticks.settle([TokenSampling()] * n_lanes)
        for n_slots in (10, 253, 254, 255, 300, 598, 599):
            with torch.inference_mode():
                assert ticks.run([n_slots] * n_lanes) == [min(n_slots + 2, 600)] * n_lanes
            buckets |= ticks.buckets
    assert {(bucket.n_lanes, bucket.n_slots) for bucket in buckets} == {
        (n_lanes, n_slots) for n_lanes in (1, 2, 4, 6) for n_slots in (256, 512, 600)
    }


def ticks_of(kept: KeptTicks, model: SemanticModel, pace: Pace) -> Ticks:
    """What the next call would decode with."""
    with kept.take(model, pace.n_lanes, pace.n_slots, pace.look_every, in_buckets=pace.in_buckets) as ticks:
        return ticks


def test_second_call_draws_the_same_in_the_buckets_and_lanes_of_the_first() -> None:
    model, kept, pace = semantic_model(), KeptTicks(), Pace(3, N_SLOTS, look_every=2, in_buckets=True)
    requests = semantic_requests(9)

    def takes(some: list[SemanticRequest]) -> dict[str, SemanticTake]:
        return {take.key: take for take in decode(model, iter(some), pace, kept=kept, poison=True)}

    assert takes(requests[4:]).keys() == {request.key for request in requests[4:]}
    first = ticks_of(kept, model, pace)
    buckets, address = first.buckets, first.lanes.logits.data_ptr()
    assert buckets
    assert same(takes(requests), takes_alone()), "what earlier lanes left behind changes nothing"
    second = ticks_of(kept, model, pace)
    assert second is first
    assert second.buckets == buckets, "no bucket came anew"
    assert second.lanes.logits.data_ptr() == address


@pytest.mark.parametrize("other", [Pace(2, N_SLOTS), Pace(3, N_SLOTS + 1), Pace(3, N_SLOTS, look_every=2)])
def test_kept_lanes_serve_their_own_model_and_shape_alone(other: Pace) -> None:
    model, pace = semantic_model(), Pace(3, N_SLOTS)
    for another_model, another_pace in ((model, other), (semantic_model(), pace)):
        kept, [request] = KeptTicks(), semantic_requests(1)
        list(decode(model, iter([request]), pace, kept=kept))
        first = ticks_of(kept, model, pace)
        [take] = decode(another_model, iter([request]), another_pace, kept=kept)
        assert torch.equal(take.tokens, takes_alone()[request.key].tokens)
        assert ticks_of(kept, model, pace) is not first


def test_lanes_left_in_the_middle_are_not_kept() -> None:
    model, kept, pace = semantic_model(), KeptTicks(), Pace(3, N_SLOTS, in_buckets=True)
    requests = semantic_requests(9)
    left = decode(model, iter(requests), pace, kept=kept)
    next(left)
    left.close()  # type: ignore[attr-defined]  # a generator
    assert not ticks_of(kept, model, pace).buckets
    takes = {take.key: take for take in decode(model, iter(requests), pace, kept=kept)}
    assert same(takes, takes_alone())


def test_two_calls_at_once_have_lanes_of_their_own() -> None:
    model, kept, pace = semantic_model(), KeptTicks(), Pace(3, N_SLOTS, in_buckets=True)
    requests = semantic_requests(9)
    first, second = (decode(model, iter(requests), pace, kept=kept) for _ in range(2))
    pairs = list(zip(first, second, strict=True))
    for takes in zip(*pairs, strict=True):
        assert same({take.key: take for take in takes}, takes_alone())


def test_beats_count_every_token_once() -> None:
    beats: list[Beat] = []
    requests = semantic_requests(9)
    takes = list(decode(semantic_model(), iter(requests), Pace(3, N_SLOTS, look_every=4), watch=beats.append))
    assert sum(beat.n_drawn for beat in beats) == sum(len(take.tokens) for take in takes)
    assert {beat.n_ticks for beat in beats} == {4}
    assert max(beat.n_busy for beat in beats) == 3
    assert all(beat.n_drawn <= beat.n_busy * beat.n_ticks for beat in beats)


def test_half_precision_decodes_through_the_same_loop() -> None:
    model = semantic_model().to(torch.bfloat16)
    takes = list(decode(model, iter(semantic_requests(9)), Pace(4, N_SLOTS), poison=True))
    assert len(takes) == 9
    assert len({tuple(take.tokens.tolist()) for take in takes}) > 1


def test_another_take_draws_other_tokens() -> None:
    [request] = semantic_requests(1)
    first, again, second = (
        takes_of([dataclasses.replace(request, take=take)], Pace(1, N_SLOTS))[request.key]
        for take in (0, 0, 1)
    )
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.tokens, second.tokens)


def test_lanes_with_their_own_settings_share_a_batch() -> None:
    cold, warm = semantic_requests(1, top_k=1)[0], semantic_requests(1, top_k=31, temperature=2.0)[0]
    warm = dataclasses.replace(warm, key="warm")
    together = takes_of([cold, warm], Pace(2, N_SLOTS))
    assert same(together, takes_of([cold], Pace(1, N_SLOTS)) | takes_of([warm], Pace(1, N_SLOTS)))


def test_requests_are_pulled_only_when_a_lane_is_free() -> None:
    pulled = 0

    def requests() -> list[SemanticRequest]:
        return semantic_requests(6)

    def pull() -> object:
        nonlocal pulled
        for request in requests():
            pulled += 1
            yield request

    takes = decode(semantic_model(), pull(), Pace(2, N_SLOTS))  # type: ignore[arg-type]  # a generator is an iterator
    next(takes)
    assert pulled == 2
    assert len(list(takes)) == 5
    assert pulled == 6


def test_lane_that_fills_its_slots_stops_there() -> None:
    [request] = semantic_requests(1, min_tokens=60)
    n_slots = request.n_prefix + 61
    long = dataclasses.replace(request, sampling=dataclasses.replace(request.sampling, max_tokens=200))
    take = takes_of([long], Pace(1, n_slots))[request.key]
    assert len(take.tokens) <= 61


def test_no_requests_no_takes() -> None:
    assert list(decode(semantic_model(), iter([]), Pace(3, N_SLOTS))) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"phonemes": torch.tensor([20, 1])}, "phoneme ids"),
        ({"phonemes": torch.tensor([0, -1])}, "phoneme ids"),
        ({"prompt": torch.tensor([SEMANTIC.end_token])}, "prompt token ids"),
        ({"linguistic": torch.zeros(3, SEMANTIC.linguistic_width)}, "linguistic features"),
        ({"phonemes": torch.zeros(0, dtype=torch.int64), "linguistic": torch.zeros(0, 6)}, "0 phonemes"),
        ({"prompt": torch.zeros(399, dtype=torch.int64)}, "positions"),
        ({"prompt": torch.zeros(100, dtype=torch.int64)}, "slots"),
    ],
)
def test_request_that_does_not_fit_is_refused_by_its_key(
    change: dict[str, torch.Tensor], complaint: str
) -> None:
    request = SemanticRequest(
        "digest", torch.tensor([1, 2]), torch.zeros(2, 6), torch.tensor([3]), TokenSampling(max_tokens=40)
    )
    with pytest.raises(SpeechError, match=f"digest: .*{complaint}"):
        list(decode(semantic_model(), iter([dataclasses.replace(request, **change)]), Pace(1, N_SLOTS)))
