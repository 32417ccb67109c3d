"""Signals: how much an hour costs, in carbon or in money, as far ahead as anybody knows.

A signal is a static profile of the day, a CSV file, or an HTTP service of one of two published shapes: the
Carbon Intensity API of Great Britain (National Energy System Operator, carbonintensity.org.uk) and the
forecast of Electricity Maps (API v3).
"""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from jobs.errors import SettingsError, SignalUnavailableError

_HOUR: Final = timedelta(hours=1)
_MOST_BYTES: Final = 4_000_000
_PATIENCE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time with one value."""

    start: datetime
    end: datetime
    value: float


class Signal(Protocol):
    """What hours cost."""

    @property
    def unit(self) -> str:
        """What a value is: "gCO2e/kWh", "EUR/kWh", or "relative"."""
        ...

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """The stretches that are known between two instants, in time order, not overlapping.

        Raises:
            SignalUnavailableError: the source does not answer, or not in its shape.
        """
        ...


@dataclass(frozen=True)
class Profile:
    """The same every day: 24 values, one for each hour that a clock on the wall shows."""

    values: tuple[float, ...]
    zone: ZoneInfo
    unit: str = "relative"

    def __post_init__(self) -> None:
        """Refuses what is not a day."""
        if len(self.values) != 24:
            raise SettingsError(f"profile: {len(self.values)} values; a day has 24")

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """Every hour between the two."""
        found = []
        at = start
        while at < end:
            wall = at.astimezone(self.zone)
            # The rest of the hour on the wall; zones differ from UTC by whole minutes.
            past = timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
            following = min(end, at + _HOUR - past)
            found.append(Stretch(at, following, self.values[wall.hour]))
            at = following
        return tuple(found)


EVENING_PEAK: Final = (
    *(0.80, 0.78, 0.77, 0.77, 0.79, 0.85, 0.95, 1.05, 1.08, 1.05, 1.00, 0.97),
    *(0.95, 0.95, 0.97, 1.02, 1.10, 1.20, 1.25, 1.22, 1.15, 1.05, 0.95, 0.86),
)
"""The built-in day, an assumption and no measurement: nights low, a morning and an evening peak, mean 1.
Who knows their own grid gives a file or a service."""


class CsvSignal:
    """Values from a file: a column `start` (ISO 8601 with offset) and a column `value`, rows in time order.

    A row holds until the next one; the last for as long as the one before it.
    """

    def __init__(self, path: Path, unit: str) -> None:
        """Reads the file.

        Raises:
            SettingsError: it is not such a file; the message names the line.
        """
        self.unit = unit
        self._stretches = _read_csv(path)

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """What the file knows of the time between the two."""
        return _between(self._stretches, start, end)


class HttpSignal:
    """Values from a service."""

    def __init__(self, base: str, shape: str, *, zone: str = "", token: str = "") -> None:
        """A service's address and the shape it answers in.

        Args:
            base: its address without the path, "https://api.carbonintensity.org.uk" for example.
            shape: "uk-carbon-intensity" or "electricity-maps".
            zone: of Electricity Maps, "DE" for example.
            token: of Electricity Maps, sent in the header `auth-token`.

        Raises:
            SettingsError: no such shape, or no zone where one is needed.
        """
        if shape not in _SHAPES:
            raise SettingsError(f"signal: shape {shape!r} is none of {', '.join(_SHAPES)}")
        if shape == "electricity-maps" and not zone:
            raise SettingsError("signal: Electricity Maps wants a zone, like DE")
        self.unit = "gCO2e/kWh"
        self._base, self._zone, self._token = base.rstrip("/"), zone, token
        self._path, self._read = _SHAPES[shape]

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """What the service foresees between the two."""
        path = self._path.format(start=start.astimezone(UTC), zone=urllib.parse.quote(self._zone))
        request = urllib.request.Request(self._base + path, headers={"Accept": "application/json"})  # noqa: S310 - the operator's own address
        if self._token:
            request.add_header("auth-token", self._token)
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - likewise
                content = answer.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            error.close()
            raise SignalUnavailableError(f"{self._base} does not answer: {error}") from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise SignalUnavailableError(f"{self._base} does not answer: {error}") from error
        try:
            stretches = self._read(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignalUnavailableError(f"{self._base} answers in another shape: {error!r}") from error
        return _between(stretches, start, end)


def _of_uk(answer: dict[str, Any]) -> list[Stretch]:
    return [
        Stretch(_instant(entry["from"]), _instant(entry["to"]), float(entry["intensity"]["forecast"]))
        for entry in answer["data"]
    ]


def _of_electricity_maps(answer: dict[str, Any]) -> list[Stretch]:
    return _held(
        [(_instant(entry["datetime"]), float(entry["carbonIntensity"])) for entry in answer["forecast"]]
    )


_SHAPES: Final[dict[str, tuple[str, Callable[[dict[str, Any]], list[Stretch]]]]] = {
    "uk-carbon-intensity": ("/intensity/{start:%Y-%m-%dT%H:%MZ}/fw48h", _of_uk),
    "electricity-maps": ("/v3/carbon-intensity/forecast?zone={zone}", _of_electricity_maps),
}


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return found.astimezone(UTC)


def _held(points: Sequence[tuple[datetime, float]]) -> list[Stretch]:
    """Each value until the next point; the last for as long as the one before it, or an hour."""
    stretches = [Stretch(start, end, value) for (start, value), (end, _) in pairwise(points)]
    if points:
        start, value = points[-1]
        length = stretches[-1].end - stretches[-1].start if stretches else _HOUR
        stretches.append(Stretch(start, start + length, value))
    return stretches


def _between(stretches: Iterable[Stretch], start: datetime, end: datetime) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(max(start, each.start), min(end, each.end), each.value)
        for each in stretches
        if each.end > start and each.start < end
    )


def _read_csv(path: Path) -> list[Stretch]:
    points: list[tuple[datetime, float]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"start", "value"} <= set(rows.fieldnames or ()):
                raise SettingsError(f"{path.name}: line 1: wants the columns start and value")
            for row in rows:
                try:
                    points.append((_instant(row["start"]), float(row["value"])))
                except (TypeError, ValueError) as error:
                    raise SettingsError(f"{path.name}: line {rows.line_num}: {error}") from error
                if len(points) > 1 and points[-2][0] >= points[-1][0]:
                    raise SettingsError(f"{path.name}: line {rows.line_num}: is not after the line before")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name}: is not UTF-8: {error.reason}") from error
    return _held(points)
