from __future__ import annotations

import pytest

from api.limits import MOST_BUCKETS, Buckets, Seats


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    watch = Watch()
    buckets = Buckets(60, watch)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    watch.seconds += 0.25
    assert buckets.take("a") == pytest.approx(0.75)
    watch.seconds += 0.75
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0


def test_buckets_of_different_names_are_apart() -> None:
    buckets = Buckets(1, Watch())
    assert buckets.take("a") == 0
    assert buckets.take("b") == 0
    assert buckets.take("a") > 0


def test_a_bucket_holds_no_more_than_its_size() -> None:
    watch = Watch()
    buckets = Buckets(2, watch)
    buckets.take("a")
    watch.seconds += 1e6
    assert [buckets.take("a") == 0 for _ in range(3)] == [True, True, False]


def test_full_buckets_are_forgotten_before_they_fill_the_memory() -> None:
    watch = Watch()
    buckets = Buckets(60, watch)
    for n in range(3 * MOST_BUCKETS):
        watch.seconds += 0.01
        buckets.take(str(n))
    assert len(buckets._buckets) <= MOST_BUCKETS + 1


def test_seats_are_counted_for_each_and_together() -> None:
    seats = Seats(2, 3)
    assert [seats.take("a") for _ in range(3)] == [True, True, False]
    assert [seats.take("b") for _ in range(2)] == [True, False]
    seats.give_back("a")
    assert seats.take("b")
    assert not seats.take("a")
