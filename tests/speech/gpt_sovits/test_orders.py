"""What becomes of a request in hand, whatever the networks make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speech.decode import SemanticTake
from speech.errors import BadTakeError, SpeechError, UnreadableTextError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.orders import RETAKES, Order, Orders
from speech.gpt_sovits.prompt import Prompt
from speech.voice import Request
from tests.speech.gpt_sovits.toys import request
from tests.speech.networks.networks import seeded

PROMPT = Prompt(torch.arange(5), torch.zeros(5, 1024), torch.arange(7), torch.zeros(12))


def orders_of(requests: list[Request], *, n: int = 4, n_slots: int = 512) -> Orders:
    front = Front("v2", 1024, Backbones(Path("nowhere"), torch.device("cpu")))
    return Orders(((one, PROMPT) for one in requests), front, n=n, n_slots=n_slots)


def one_order() -> tuple[Orders, Order]:
    orders = orders_of([request("Good morning.", key="key")])
    return orders, orders.find(next(orders).key)


def tokens(n: int, *, is_ended: bool = True) -> SemanticTake:
    return SemanticTake("key", torch.randint(0, 1024, (n,), generator=seeded(n)), is_ended)


def loud(n: int) -> torch.Tensor:
    return torch.randn(n, generator=seeded(n)) * 0.1


def test_good_take_goes_straight_through() -> None:
    orders, order = one_order()
    order.hear_tokens(tokens(25))
    assert not order.wants_retake
    order.hear_sound(loud(32_000))
    [take] = orders.settle(order)
    assert (take.key, take.samples.shape, take.doubts) == ("key", (32_000,), ())


def test_doubtful_take_is_taken_again_three_times_with_the_next_numbers() -> None:
    orders, order = one_order()
    numbers = []
    while True:
        numbers.append(order.semantic_request().take)
        order.hear_tokens(tokens(500, is_ended=False))
        if not order.wants_retake:
            break
        orders.put_back(order)
        assert next(orders).key == "key"
    assert numbers == list(range(1 + RETAKES)) == [0, 1, 2, 3]


def test_greedy_take_is_not_taken_again_for_it_would_be_the_same() -> None:
    orders = orders_of([request("Good morning.", key="key", top_k=1.0)])
    order = orders.find(next(orders).key)
    order.hear_tokens(tokens(500))
    assert order.best.doubts
    assert not order.wants_retake


def test_attempt_with_the_fewest_doubts_is_kept() -> None:
    orders, order = one_order()
    for n, is_ended in ((500, False), (400, True), (500, False), (450, True)):
        order.hear_tokens(tokens(n, is_ended=is_ended))
    assert order.sound_request().take == 1
    assert len(order.sound_request().tokens) == 400
    order.hear_sound(loud(32_000))
    [take] = orders.settle(order)
    assert take.doubts == ("runs away: 16.0 s for 10 phonemes",)


def test_take_of_a_request_counts_on_from_its_number() -> None:
    [one] = [request("Good morning.", key="key")]
    orders = orders_of([Request(one.key, one.utterance, take=5)])
    order = orders.find(next(orders).key)
    order.hear_tokens(tokens(500))
    assert order.semantic_request().take == 6
    assert order.sound_request().take == 5


def test_doubts_about_the_sound_call_for_another_attempt_too() -> None:
    orders, order = one_order()
    order.hear_tokens(tokens(25))
    order.hear_sound(torch.zeros(32_000))
    assert order.best.doubts == ("silent",)
    assert order.wants_retake
    order.hear_tokens(tokens(26))
    assert order.best.take == 1
    assert order.best.samples is None
    order.hear_sound(loud(32_000))
    assert orders.settle(order)[0].doubts == ()


def test_sound_that_is_not_finite_is_never_delivered() -> None:
    orders, order = one_order()
    for n in (25, 26, 27, 28):
        order.hear_tokens(tokens(n))
        order.hear_sound(torch.full((32_000,), torch.nan))
    assert not order.wants_retake
    assert orders.settle(order) == []
    assert isinstance(orders.error, BadTakeError)
    assert "key" in orders.error.__notes__


def test_no_more_are_in_hand_than_there_are_lanes() -> None:
    orders = orders_of([request(f"This is number {n}.", key=str(n)) for n in range(6)], n=4)
    assert [one.key for one in orders] == ["0", "1", "2", "3"]
    order = orders.find("2")
    order.hear_tokens(tokens(30))
    order.hear_sound(loud(32_000))
    orders.settle(order)
    assert [one.key for one in orders] == ["4"]


def test_equal_requests_in_hand_are_spoken_once() -> None:
    orders = orders_of([request("Good morning.", key="key")] * 3)
    assert [one.key for one in orders] == ["key"]
    order = orders.find("key")
    order.hear_tokens(tokens(25))
    order.hear_sound(loud(32_000))
    takes = orders.settle(order)
    assert [take.key for take in takes] == ["key"] * 3
    assert all(np.array_equal(take.samples, takes[0].samples) for take in takes)


def test_different_requests_with_one_key_are_refused() -> None:
    orders = orders_of([request("Good morning.", key="key"), request("Good evening.", key="key")])
    assert len(list(orders)) == 1
    assert isinstance(orders.error, SpeechError)
    assert "same key" in str(orders.error)


def test_unreadable_request_ends_the_pulling_and_spares_the_others() -> None:
    texts = ("Good morning.", "Say \u0e01 now.", "Good evening.", "Good night.", "Good bye.")
    orders = orders_of([request(text, key=text) for text in texts], n=4)
    assert [one.key for one in orders] == ["Good morning.", "Good evening.", "Good night."]
    assert isinstance(orders.error, UnreadableTextError)
    assert "Say \u0e01 now." in orders.error.__notes__
    with pytest.raises(StopIteration):
        next(orders)


def test_text_longer_than_a_lane_is_refused_before_it_is_begun() -> None:
    short, long = request("Yes.", key="short"), request("Nobody knew who had built it.", key="long")
    orders = orders_of([short, long], n_slots=60)
    assert [one.key for one in orders] == ["short"]
    assert isinstance(orders.error, UnreadableTextError)
    assert orders.error.__notes__ == ["long"]
    assert "too many to be spoken in one pass" in str(orders.error)
