from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from jobs.errors import SettingsError, SignalUnavailableError
from jobs.schedule.grid import CARBON, KEPT_SECONDS, Grid, signal_of
from jobs.schedule.signals import CsvSignal, HttpSignal, Profile, Signal, Stretch
from tests.jobs.schedule.test_windows import at

NOON = at("2026-11-21T12:00+01:00")
BERLIN = ZoneInfo("Europe/Berlin")


def known(text: str, *, unit: str = CARBON, zone: str = "") -> Signal:
    return signal_of(text, clock=BERLIN, unit=unit, zone=zone, token="")


def test_the_settings_name_every_kind_of_signal(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("start,value\n2026-11-21T12:00+01:00,0.2\n2026-11-21T13:00+01:00,0.1\n")
    prices = known(f"csv:{file}", unit="EUR/kWh")
    assert isinstance(prices, CsvSignal)
    assert prices.unit == "EUR/kWh"
    assert isinstance(known("uk:https://api.carbonintensity.org.uk"), HttpSignal)
    assert isinstance(known("maps:https://api.electricitymaps.com", zone="DE"), HttpSignal)
    profile = known("profile")
    assert isinstance(profile, Profile)
    assert profile.zone == BERLIN


@pytest.mark.parametrize("text", ["", "csv:", "wind", "uk:api.example", "maps:https://api.example", "csv:no"])
def test_what_names_no_signal_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        known(text)
    assert "\n" not in str(refused.value)


class Wavering:
    """A service that is asked, and answers only while it is up."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.n_asked = 0
        self.is_up = True

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        self.n_asked += 1
        if not self.is_up:
            raise SignalUnavailableError("it does not answer")
        return (Stretch(start, end, 2.0),)


@pytest.fixture
def seconds() -> list[float]:
    return [0.0]


@pytest.mark.parametrize(
    ("unit", "expected"), [(CARBON, (2.0, 0.3)), ("relative", (800.0, 0.3)), ("EUR/kWh", (400.0, 2.0))]
)
def test_a_kilowatt_hour_is_what_the_signal_says_and_else_the_mean(
    unit: str, expected: tuple[float, float], seconds: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    service = Wavering(unit)
    grid = Grid(service, grams_per_kwh=400, price_per_kwh=0.3, monotonic=lambda: seconds[0])
    for minute in range(20):
        assert grid.per_kwh(NOON + timedelta(minutes=minute)) == expected
    assert service.n_asked == 1
    service.is_up = False
    seconds[0] += KEPT_SECONDS + 1
    for minute in range(30, 50):
        assert grid.per_kwh(NOON + timedelta(minutes=minute)) == (400, 0.3)
    assert service.n_asked == 2
    assert "does not answer" in caplog.text
    assert grid.forecast(NOON, NOON + timedelta(hours=1)) == ()
