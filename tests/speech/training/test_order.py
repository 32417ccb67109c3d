from __future__ import annotations

from collections import Counter

import pytest

from speech.training.order import Order, hold_out

LENGTHS = tuple(100 + 37 * i % 400 for i in range(30))


def order(lengths: tuple[int, ...] = LENGTHS, **changes: int) -> Order:
    plain = {"n_lanes": 4, "n_passes": 2, "epochs": 3, "seed": 1, "least_per_epoch": 1} | changes
    return Order(lengths, **plain)


def heard(of: Order, epoch: int) -> Counter[int]:
    turns = [of.turn(number) for number in range(of.n_updates)]
    return Counter(i for turn in turns if turn.epoch == epoch for lanes in turn.passes for i in lanes)


def test_every_epoch_goes_through_every_recording() -> None:
    for epoch in range(3):
        counts = heard(order(), epoch)
        assert counts.keys() == set(range(30))
        assert max(counts.values()) <= 2


def test_turns_follow_from_seed_and_number_alone() -> None:
    assert [order().turn(n) for n in range(12)] == [order().turn(n) for n in range(12)]
    assert order().turn(5) != order(seed=2).turn(5)
    first, second = ([order().turn(n).passes for n in range(4 * e, 4 * e + 4)] for e in (0, 1))
    assert first != second


def test_every_turn_is_full() -> None:
    of = order()
    assert of.n_updates == 12
    for number in range(of.n_updates):
        turn = of.turn(number)
        assert (turn.number, turn.epoch) == (number, number // 4)
        assert [len(lanes) for lanes in turn.passes] == [4, 4]


def test_recordings_of_like_length_share_a_pass() -> None:
    lengths = tuple(100 * (1 + i % 5) for i in range(60))
    passes = [
        lanes for number in range(order(lengths).n_updates) for lanes in order(lengths).turn(number).passes
    ]
    waste = [1 - sum(lengths[i] for i in lanes) / (4 * max(lengths[i] for i in lanes)) for lanes in passes]
    assert sum(waste) / len(waste) < 0.08  # at random it is 0.4


def test_few_recordings_are_heard_often_and_not_twice_in_a_pass() -> None:
    of = order(LENGTHS[:12], least_per_epoch=100)
    assert of.n_rounds == 8
    counts = heard(of, 0)
    assert set(counts.values()) == {8}
    for number in range(of.n_updates):
        assert all(len(set(lanes)) == 4 for lanes in of.turn(number).passes)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_recordings_than_lanes_still_fill_them(n: int) -> None:
    of = order(LENGTHS[:n], n_passes=3)
    assert [len(lanes) for lanes in of.turn(0).passes] == [4, 4, 4]


def test_who_is_held_out_does_not_depend_on_the_order_of_the_list() -> None:
    names = [f"recording {i}" for i in range(20)]
    learnt, held_out = hold_out(names, 3, seed=1)
    assert sorted([*learnt, *held_out]) == list(range(20))
    backwards = names[::-1]
    assert {backwards[i] for i in hold_out(backwards, 3, seed=1)[1]} == {names[i] for i in held_out}
