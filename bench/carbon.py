"""What night work saves by waiting for green hours: a year of hourly values, work that may start at any hour.

    python -m bench.carbon                      # a year made here: swings and weather
    python -m bench.carbon --csv grid.csv       # your grid: columns start and value, a year of hours

Every hour of the year a training of `--hours` is asked for, to be done within 24 hours. Its saving is against
starting at once. The forecast is taken to be right; a real one is not, so real savings are smaller.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from jobs.schedule.choice import choose
from jobs.schedule.signals import CsvSignal, Stretch
from jobs.schedule.windows import Window

HOUR: Final = timedelta(hours=1)
DEADLINE: Final = 24 * HOUR
WINDOWS: Final = {
    4: "01:00-05:00 Europe/Berlin",
    8: "22:00-06:00 Europe/Berlin",
    12: "20:00-08:00 Europe/Berlin",
    24: "00:00-24:00 Europe/Berlin",
}
"""By their length in hours."""


def made_up_year(seed: int) -> list[tuple[datetime, float]]:
    """Hourly gCO2e/kWh of a grid with sun and wind that does not exist."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    start, weather = datetime(2025, 1, 1, tzinfo=UTC), 0.0
    year = []
    for n in range(365 * 24):
        weather = 0.98 * weather + draw.gauss(0, 1)  # decays in two days
        hour, day = n % 24, n // 24
        winter = math.cos(2 * math.pi * day / 365)
        sun = max(0.0, math.sin(math.pi * (hour - 6) / 12)) * (1 - 0.6 * winter)
        demand = 40 * math.sin(math.pi * (hour - 9) / 12) * (0.8 if day % 7 in {4, 5} else 1)
        year.append((start + n * HOUR, max(20.0, 320 + 60 * winter + demand - 120 * sun + 14 * weather)))
    return year


def savings(year: list[Stretch], window: Window, needed: timedelta) -> tuple[float, float]:
    """The share saved over all starts whose deadline could be met, and the share of starts that could."""
    at_once = chosen = 0.0
    n_met = 0
    starts = range(len(year) - round(DEADLINE / HOUR) - 1)
    for n in starts:
        now = year[n].start
        known = year[n : n + round(DEADLINE / HOUR) + 1]
        found = choose(window.openings(now, now + DEADLINE), known, now=now, needed=needed)
        if found.is_enough and found.value is not None and found.value_at_once is not None:
            n_met += 1
            chosen += found.value
            at_once += found.value_at_once
    return 1 - chosen / at_once, n_met / len(starts)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[0.25, 1, 3])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.csv or Path(folder) / "year.csv"
        if given.csv is None:
            rows = (f"{start.isoformat()},{value:.1f}\n" for start, value in made_up_year(given.seed))
            path.write_text("start,value\n" + "".join(rows))
        signal = CsvSignal(path, "gCO2e/kWh")
    year = list(signal.forecast(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)))
    mean = sum(each.value for each in year) / len(year)
    sys.stdout.write(
        f"{len(year)} hours, mean {mean:.0f} gCO2e/kWh\nwindow    training    saved   deadline met\n"
    )
    for length, text in WINDOWS.items():
        for hours in given.hours:
            saved, met = savings(year, Window.parse(text), hours * HOUR)
            sys.stdout.write(f"{length:>4} h  {hours:>8g} h  {saved:>7.1%}  {met:>12.1%}\n")


if __name__ == "__main__":
    main()
