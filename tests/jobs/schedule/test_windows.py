from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import SettingsError
from jobs.schedule.windows import Window

NIGHT = "22:00-06:00 Europe/Berlin"
TEXTS = (
    NIGHT,
    "01:00-02:30 Europe/Berlin",
    "02:15-02:45 Europe/Berlin",
    "mon-fri 22:00-06:00, sat sun 00:00-24:00 America/New_York",
    "fri-mon 23:30-00:30 Australia/Lord_Howe",  # its summer time is half an hour
    "00:00-05:00 Asia/Kolkata",
    "00:00-24:00 UTC",
    "sun 01:00-03:00 America/Sao_Paulo",
)
"""Zones with and without daylight saving, on both sides of the equator and of midnight."""

instants = st.integers(0, 3 * 365 * 86_400).map(
    lambda second: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        ("2026-11-21T21:59:59+01:00", False),
        ("2026-11-21T22:00:00+01:00", True),
        ("2026-11-22T05:59:59+01:00", True),
        ("2026-11-22T06:00:00+01:00", False),
        ("2026-07-01T22:00:00+02:00", True),
        ("2026-07-01T22:00:00+01:00", True),
        ("2026-07-01T21:30:00+02:00", False),
    ],
)
def test_a_window_is_open_when_the_clock_on_the_wall_says_so(instant: str, *, is_open: bool) -> None:
    assert Window.parse(NIGHT).is_open(at(instant)) is is_open


@pytest.mark.parametrize(
    ("evening", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-21", 8)]
)  # the night that loses an hour, the one that gains one, any other
def test_a_night_of_daylight_saving_is_as_long_as_it_is(evening: str, hours: int) -> None:
    found = Window.parse(NIGHT).opening(at(f"{evening}T12:00:00+01:00"))
    assert found is not None
    assert found.seconds == hours * 3600


def test_an_hour_shown_twice_is_open_twice() -> None:
    zone = ZoneInfo("Europe/Berlin")
    day = (at("2026-10-24T22:00+00:00"), at("2026-10-25T12:00+00:00"))
    found = [
        (each.start.astimezone(zone).isoformat(), each.end.astimezone(zone).isoformat())
        for each in Window.parse("02:15-02:45 Europe/Berlin").openings(*day)
    ]
    assert found == [
        ("2026-10-25T02:15:00+02:00", "2026-10-25T02:45:00+02:00"),
        ("2026-10-25T02:15:00+01:00", "2026-10-25T02:45:00+01:00"),
    ]


def test_an_hour_never_shown_is_never_open() -> None:
    day = (at("2026-03-29T00:00+00:00"), at("2026-03-29T12:00+00:00"))
    assert list(Window.parse("02:15-02:45 Europe/Berlin").openings(*day)) == []


def test_a_window_goes_on_where_the_clocks_jump_into_it() -> None:
    (found,) = Window.parse("02:30-04:00 Europe/Berlin").openings(
        at("2026-03-29T00:00+00:00"), at("2026-03-29T12:00+00:00")
    )
    assert (found.start, found.end) == (at("2026-03-29T01:00+00:00"), at("2026-03-29T02:00+00:00"))


def test_weekdays_are_those_on_which_a_night_begins() -> None:
    window = Window.parse("fri 22:00-06:00 Europe/Berlin")
    assert window.is_open(at("2026-11-21T05:00+01:00"))  # Saturday morning
    assert not window.is_open(at("2026-11-21T23:00+01:00"))
    assert not window.is_open(at("2026-11-20T05:00+01:00"))


@given(st.sampled_from(TEXTS), instants)
def test_an_opening_is_open_to_its_end_and_nothing_before_it_is(text: str, after: datetime) -> None:
    window = Window.parse(text)
    found = window.opening(after)
    assert found is not None
    assert after <= found.start < found.end
    second = timedelta(seconds=1)
    assert window.is_open(found.start)
    assert window.is_open(found.end - second)
    if found.end < after + timedelta(days=9):
        assert not window.is_open(found.end)
    n_quarters = -(-int((found.end - after) / second) // 900)
    quarters = [after + n * timedelta(minutes=15) for n in range(n_quarters)]
    assert all(window.is_open(each) == (found.start <= each < found.end) for each in quarters)


@settings(max_examples=40)
@given(st.sampled_from(TEXTS), instants)
def test_openings_add_up_to_what_the_clock_says_minute_by_minute(text: str, after: datetime) -> None:
    window = Window.parse(text)
    after = after.replace(second=0, microsecond=0)
    n_minutes = 36 * 60
    minutes = sum(window.is_open(after + timedelta(minutes=n)) for n in range(n_minutes))
    until = after + timedelta(minutes=n_minutes)
    assert sum(each.seconds for each in window.openings(after, until)) == minutes * 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("22:00-06:00", "'22:00-06:00' in '22:00-06:00' is no time zone"),
        ("22:00-06:00 Europe/Berlim", "'Europe/Berlim' in .* is no time zone"),
        ("22-06 Europe/Berlin", "'22-06' in .* is not like 'mon-fri 22:00-06:00'"),
        ("25:00-06:00 UTC", "'25:00' in .* is no time of the day"),
        ("22:00-06:75 UTC", "'06:75' in .* is no time of the day"),
        ("06:00-06:00 UTC", "is empty; all day is 00:00-24:00"),
        ("mon-fry 22:00-06:00 UTC", "'mon-fry' in .* names no weekday"),
        ("", "is no time zone"),
    ],
)
def test_what_is_no_window_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refusal:
        Window.parse(text)
    assert "\n" not in str(refusal.value)
