from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.schedule.choice import choose
from jobs.schedule.signals import Stretch
from jobs.schedule.windows import Opening

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def forecast(*values: float) -> list[Stretch]:
    return [Stretch(NOON + n * HOUR, NOON + (n + 1) * HOUR, value) for n, value in enumerate(values)]


def opening(start: float, end: float) -> Opening:
    return Opening(NOON + start * HOUR, NOON + end * HOUR)


def test_the_cheapest_hours_are_chosen_and_joined() -> None:
    found = choose([opening(0, 6)], forecast(9, 2, 1, 8, 3, 7), now=NOON, needed=2.5 * HOUR)
    assert found.openings == (opening(1, 3), opening(4, 4.5))
    assert found.is_enough
    assert found.value == pytest.approx((2 + 1 + 1.5) / 2.5)
    assert found.value_at_once == pytest.approx((9 + 2 + 0.5) / 2.5)
    assert found.saving == pytest.approx(1 - 4.5 / 11.5)


def test_nothing_outside_the_window_is_chosen() -> None:
    found = choose([opening(3, 4), opening(5, 6)], forecast(0, 0, 0, 8, 0, 7), now=NOON, needed=2 * HOUR)
    assert found.openings == (opening(3, 4), opening(5, 6))


def test_of_equal_hours_the_earliest_are_chosen() -> None:
    found = choose([opening(0, 6)], forecast(*[5] * 6), now=NOON, needed=2 * HOUR)
    assert found.openings == (opening(0, 2),)
    assert found.saving == 0


def test_work_too_long_takes_all_there_is_and_says_so() -> None:
    found = choose([opening(1, 2)], forecast(1, 1), now=NOON, needed=2 * HOUR)
    assert (found.openings, found.is_enough) == ((opening(1, 2),), False)


def test_time_without_a_forecast_is_taken_last_and_not_guessed_at() -> None:
    found = choose([opening(0, 4)], forecast(9, 9), now=NOON, needed=3 * HOUR)
    assert found.openings == (opening(0, 3),)
    assert (found.value, found.saving) == (None, None)
    found = choose([opening(1, 4)], forecast(5, 6), now=NOON, needed=HOUR)
    assert found.openings == (opening(1, 2),)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=48),
    st.integers(1, 48),
    st.lists(st.tuples(st.integers(0, 47), st.integers(1, 5)), max_size=6),
)
def test_no_other_choice_of_hours_is_cheaper(
    values: list[int], needed: int, stretches: list[tuple[int, int]]
) -> None:
    hours = sorted({hour for start, length in stretches for hour in range(start, start + length)})
    openings = [opening(hour, hour + 1) for hour in hours]
    found = choose(openings, forecast(*values), now=NOON, needed=needed * HOUR)
    chosen = sum(each.seconds for each in found.openings) / 3600
    assert chosen == min(needed, len(hours))
    assert found.is_enough == (needed <= len(hours))
    known = sorted(values[hour] for hour in hours if hour < len(values))
    if needed <= len(known):
        assert found.value == pytest.approx(sum(known[:needed]) / needed)
