"""Windows: the hours of the day, in a time zone, in which night work may run.

    22:00-06:00 Europe/Berlin
    mon-fri 22:00-06:00, sat sun 00:00-24:00 America/New_York

An instant is within a window if a clock on the wall there shows a time of it. That holds on the days that
daylight saving makes longer or shorter too: an hour shown twice is open twice, an hour never shown is
not open at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo, available_timezones

from jobs.errors import SettingsError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(
    r"(?P<days>(?:[a-z]{3}(?:-[a-z]{3})?\s+)*)(?P<start>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)"
)
_DAY_MINUTES: Final = 24 * 60
_LONGEST_WAIT: Final = timedelta(days=9)
"""After so long every weekday has come, and a day that daylight saving took away from a window once more."""


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of the day on some weekdays."""

    start: int
    """Minutes after midnight."""
    end: int
    """Minutes after midnight, `start` < `end`; above 1440 it lasts into the next day."""
    days: frozenset[int] = frozenset(range(7))
    """On which it starts; 0 is Monday."""

    def shows(self, wall: datetime) -> bool:
        """Whether a clock that shows this is within it."""
        minute = wall.hour * 60 + wall.minute
        today, yesterday = wall.weekday(), (wall.weekday() - 1) % 7
        return (today in self.days and self.start <= minute < self.end) or (
            yesterday in self.days and self.start <= minute + _DAY_MINUTES < self.end
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of time in which work may run without a break."""

    start: datetime
    """UTC."""
    end: datetime
    """UTC; work has stopped by then."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Window:
    """Hours in one time zone."""

    hours: tuple[Hours, ...]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Self:
        """The window that a text like "mon-fri 22:00-06:00, sat sun 00:00-24:00 Europe/Berlin" says.

        Hours that end before they start last into the next day.

        Raises:
            SettingsError: it says no hours, or no zone of the IANA database.
        """
        stretches, _, name = text.strip().rpartition(" ")
        if name not in available_timezones():
            raise SettingsError(f"window: {name!r} in {text!r} is no time zone; write one like Europe/Berlin")
        return cls(tuple(_hours_of(stretch, text) for stretch in stretches.split(",")), ZoneInfo(name))

    def is_open(self, at: datetime) -> bool:
        """Whether work may run at this instant."""
        wall = at.astimezone(self.zone)
        return any(hours.shows(wall) for hours in self.hours)

    def opening(self, after: datetime) -> Opening | None:
        """The stretch that is open at this instant, from it on, or else the next one.

        None if there is none within nine days.
        """
        start = after if self.is_open(after) else None
        for instant in self._changes(after):
            if start is None and self.is_open(instant):
                start = instant
            elif start is not None and not self.is_open(instant):
                return Opening(start, instant)
        return None if start is None else Opening(start, after + _LONGEST_WAIT)

    def openings(self, after: datetime, until: datetime) -> Iterator[Opening]:
        """All stretches between two instants, the last one cut at the end."""
        while after < until and (found := self.opening(after)) and found.start < until:
            yield Opening(found.start, min(found.end, until))
            after = found.end

    def _changes(self, after: datetime) -> list[datetime]:
        """The instants after this one at which the window may open or close, in order."""
        first = after.astimezone(self.zone).date()
        found: set[datetime] = set()
        for n in range(-1, _LONGEST_WAIT.days + 1):
            day = first + timedelta(days=n)
            for hours in self.hours:
                for minutes in (hours.start, hours.end):
                    found |= set(self._instants(day, minutes))
            found |= set(self._shift(day))
        return sorted(instant for instant in found if after < instant <= after + _LONGEST_WAIT)

    def _instants(self, day: date, minutes: int) -> Iterator[datetime]:
        """When a clock shows so many minutes after that day's midnight: once, twice or never."""
        wall = datetime.combine(day + timedelta(days=minutes // _DAY_MINUTES), time()) + timedelta(
            minutes=minutes % _DAY_MINUTES
        )
        for fold in (0, 1):
            instant = wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
            if instant.astimezone(self.zone).replace(tzinfo=None, fold=0) == wall:
                yield instant

    def _shift(self, day: date) -> Iterator[datetime]:
        """The instant of that day at which the clocks are changed, if they are; to the second."""
        low = datetime.combine(day, time(), UTC) - timedelta(hours=14)
        high = low + timedelta(hours=52)
        if low.astimezone(self.zone).utcoffset() == high.astimezone(self.zone).utcoffset():
            return
        before = low.astimezone(self.zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
            low, high = (
                (middle, high) if middle.astimezone(self.zone).utcoffset() == before else (low, middle)
            )
        yield high


def _hours_of(stretch: str, text: str) -> Hours:
    found = _HOURS.fullmatch(stretch.strip().lower())
    if found is None:
        raise SettingsError(f"window: {stretch.strip()!r} in {text!r} is not like 'mon-fri 22:00-06:00'")
    start, end = _minutes(found["start"], text), _minutes(found["end"], text)
    if start == end:
        raise SettingsError(f"window: {stretch.strip()!r} in {text!r} is empty; all day is 00:00-24:00")
    days = frozenset(day for word in found["days"].split() for day in _days_of(word, text))
    return Hours(start, end if end > start else end + _DAY_MINUTES, days or frozenset(range(7)))


def _minutes(text: str, whole: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:
        raise SettingsError(f"window: {text!r} in {whole!r} is no time of the day")
    return hour * 60 + minute


def _days_of(word: str, text: str) -> Iterator[int]:
    first, _, last = word.partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise SettingsError(f"window: {word!r} in {text!r} names no weekday; they are {', '.join(DAYS)}")
    start = DAYS.index(first)
    length = (DAYS.index(last) - start) % 7 if last else 0
    yield from ((start + n) % 7 for n in range(length + 1))
