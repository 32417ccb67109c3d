"""The power grid as the operator knows it: which hours are green or cheap, what energy stands for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final
from zoneinfo import ZoneInfo

from jobs.errors import SettingsError, SignalUnavailableError
from jobs.schedule.signals import EVENING_PEAK, CsvSignal, HttpSignal, Profile, Signal, Stretch

log = logging.getLogger(__name__)

PROFILE: Final = "profile"
SHAPES: Final = {"uk": "uk-carbon-intensity", "maps": "electricity-maps"}
CARBON: Final = "gCO2e/kWh"
KEPT_SECONDS: Final = 1_800.0
"""How long a forecast serves: the services renew theirs every half hour."""
_AHEAD: Final = timedelta(hours=1)


def check_signal(text: str) -> str:
    """The same text, if it names a signal; whether it answers is not asked.

    Raises:
        SettingsError: it does not.
    """
    kind, _, place = text.partition(":")
    if text != PROFILE and (kind not in {"csv", *SHAPES} or not place):
        raise SettingsError(f"{text!r} is none of profile, csv:PATH, uk:URL, maps:URL")
    if kind in SHAPES and not place.startswith(("http://", "https://")):
        raise SettingsError(f"{text!r} names no http:// or https:// address")
    return text


def signal_of(text: str, *, clock: ZoneInfo, unit: str, zone: str, token: str) -> Signal:
    """The signal that a setting names.

    Args:
        text: "profile", "csv:PATH", "uk:URL" or "maps:URL".
        clock: the zone whose clock the built-in profile goes by.
        unit: of a file's values.
        zone: of Electricity Maps.
        token: of Electricity Maps.

    Raises:
        SettingsError: it names none, or a file that is none.
    """
    kind, _, place = check_signal(text).partition(":")
    if kind == PROFILE:
        return Profile(EVENING_PEAK, clock)
    if kind == "csv":
        return CsvSignal(Path(place), unit)
    return HttpSignal(place, SHAPES[kind], zone=zone, token=token)


class Grid:
    """A signal, asked seldom, and the means that hold where it says nothing. For all threads of a process."""

    def __init__(
        self,
        signal: Signal,
        *,
        grams_per_kwh: float,
        price_per_kwh: float | None = None,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        """What is known of the grid.

        Args:
            signal: what hours cost.
            grams_per_kwh: gCO2e, the mean; a relative signal is multiplied by it.
            price_per_kwh: in the operator's currency; None if nobody said.
            monotonic: seconds, for how long a forecast has been kept.
        """
        self._signal = signal
        self._grams, self._price = grams_per_kwh, price_per_kwh
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: tuple[float, datetime, tuple[Stretch, ...]] | None = None

    @property
    def unit(self) -> str:
        """Of the signal: "gCO2e/kWh", "EUR/kWh", or "relative"."""
        return self._signal.unit

    def forecast(self, start: datetime, end: datetime) -> tuple[Stretch, ...]:
        """What the signal knows of the time between; nothing if it does not answer, and the log says why."""
        try:
            return self._signal.forecast(start, end)
        except SignalUnavailableError as error:
            log.warning("the hours are chosen without a forecast: %s", error)
            return ()

    def per_kwh(self, at: datetime) -> tuple[float, float | None]:
        """Grams of CO2 equivalent and the price of a kilowatt-hour at this time, a mean where need be."""
        value = self._value(at)
        if value is None:
            return self._grams, self._price
        if self.unit == CARBON:
            return value, self._price
        if self.unit == "relative":
            return self._grams * value, self._price
        return self._grams, value

    def _value(self, at: datetime) -> float | None:
        with self._lock:
            known = self._known
            now = self._monotonic()
            if known is None or now - known[0] > KEPT_SECONDS or not known[1] <= at < known[1] + _AHEAD:
                known = self._known = (now, at, self._ask(at))
        return next((each.value for each in known[2] if each.start <= at < each.end), None)

    def _ask(self, at: datetime) -> tuple[Stretch, ...]:
        try:
            return self._signal.forecast(at, at + _AHEAD)
        except SignalUnavailableError as error:
            log.warning("energy is counted with the mean of the grid: %s", error)
            return ()
