from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.schedule.timetable import Timetable, union_opening
from jobs.schedule.windows import Opening, Window
from tests.jobs.schedule.test_windows import TEXTS, at, instants

NIGHT = Window.parse("22:00-06:00 Europe/Berlin")
NOON = at("2026-11-21T12:00+01:00")


def hours(start: str, end: str) -> Opening:
    return Opening(at(f"2026-11-{start}+01:00"), at(f"2026-11-{end}+01:00"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), instants, st.integers(0, 30))
def test_a_union_is_open_when_one_of_its_windows_is(texts: list[str], after: datetime, hour: int) -> None:
    windows = tuple(map(Window.parse, texts))
    found = union_opening(windows, after)
    assert found is not None

    def is_open(moment: datetime) -> bool:
        return any(window.is_open(moment) for window in windows)

    assert is_open(found.start)
    before = after + (found.start - after) * (hour / 31)
    assert found.start == after or not is_open(before)
    assert is_open(found.start + (found.end - found.start) * (hour / 31))
    assert not is_open(found.end) or found.end - after >= timedelta(days=9)


def test_windows_that_touch_are_one_opening_and_those_that_never_open_none() -> None:
    evening, morning = Window.parse("20:00-22:00 Europe/Berlin"), Window.parse("05:00-09:00 Europe/Berlin")
    assert union_opening((evening, NIGHT, morning), NOON) == hours("21T20:00", "22T09:00")
    assert union_opening((Window((), NIGHT.zone),), NOON) is None


def test_chosen_hours_go_first_then_whatever_is_open() -> None:
    timetable = Timetable((NIGHT,), (hours("21T23:00", "22T01:00"), hours("22T03:00", "22T04:00")))
    assert list(timetable.openings(NOON, NOON + timedelta(days=1))) == [
        hours("21T23:00", "22T01:00"),
        hours("22T03:00", "22T04:00"),
        hours("22T04:00", "22T06:00"),
    ]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (hours("21T21:00", "21T23:00"), hours("21T22:00", "21T23:00")),  # begins before the window
        (hours("22T05:00", "22T08:00"), hours("22T05:00", "22T06:00")),  # ends after it
        (hours("21T13:00", "21T14:00"), hours("21T22:00", "22T06:00")),  # lies outside
    ],
)
def test_chosen_hours_open_no_window(chosen: Opening, expected: Opening) -> None:
    assert Timetable((NIGHT,), (chosen,)).opening(NOON) == expected


def test_openings_are_cut_where_the_line_changes_and_a_rest_too_short_is_none() -> None:
    always = Timetable(None, turns=NIGHT, least=timedelta(seconds=30))
    assert always.opening(NOON) == hours("21T12:00", "21T22:00")
    evening = at("2026-11-21T22:00+01:00")
    assert always.opening(evening) == Opening(evening, at("2026-11-22T06:00+01:00"))
    late = evening - timedelta(seconds=10)
    assert always.opening(late) == hours("21T22:00", "22T06:00")
    assert Timetable((NIGHT,), least=timedelta(seconds=30)).opening(
        datetime(2026, 11, 22, 4, 59, 45, tzinfo=UTC)
    ) == hours("22T22:00", "23T06:00")
