from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.errors import SettingsError, SignalUnavailableError
from jobs.schedule.signals import EVENING_PEAK, CsvSignal, HttpSignal, Profile, Stretch

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@contextmanager
def service(content: bytes, status: int = 200) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server on loopback that always answers the same; what was asked, and with which token."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["auth-token"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def covers(stretches: tuple[Stretch, ...], start: datetime, end: datetime) -> bool:
    return (
        stretches[0].start == start
        and stretches[-1].end == end
        and all(a.end == b.start for a, b in pairwise(stretches))
    )


def test_a_profile_says_the_hour_on_the_wall() -> None:
    profile = Profile(tuple(range(24)), ZoneInfo("Europe/Berlin"))
    start = NOON + timedelta(minutes=20, seconds=3, microseconds=622)
    found = profile.forecast(start, start + timedelta(hours=25))
    assert covers(found, start, start + timedelta(hours=25))
    assert found[0] == Stretch(start, NOON + HOUR, 13)
    assert found[1].value == 14


def test_a_profile_follows_daylight_saving_and_zones_of_half_hours() -> None:
    for name in ("Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"):
        zone = ZoneInfo(name)
        start = datetime(2026, 3, 28, tzinfo=UTC)
        for stretch in Profile(tuple(range(24)), zone).forecast(start, start + timedelta(days=10)):
            assert stretch.start.astimezone(zone).hour == stretch.value
            assert (stretch.end - timedelta(seconds=1)).astimezone(zone).hour == stretch.value


def test_the_built_in_day_has_a_mean_of_one() -> None:
    assert sum(EVENING_PEAK) / len(EVENING_PEAK) == pytest.approx(1, abs=0.02)
    with pytest.raises(SettingsError, match="profile: 3 values; a day has 24"):
        Profile((1, 2, 3), ZoneInfo("UTC"))


def test_a_file_holds_each_value_until_the_next(tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(
        "start,value\n2026-11-21T12:00Z,100\n2026-11-21T13:30+01:00,50\n2026-11-21T13:00+00:00,70.5\n"
    )
    signal = CsvSignal(path, "EUR/kWh")
    half = HOUR / 2
    assert signal.forecast(NOON - HOUR, NOON + 5 * HOUR) == (
        Stretch(NOON, NOON + half, 100),
        Stretch(NOON + half, NOON + HOUR, 50),
        Stretch(NOON + HOUR, NOON + 3 * half, 70.5),
    )
    assert signal.forecast(NOON + 2 * HOUR, NOON + 3 * HOUR) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when,value\n", "line 1: wants the columns start and value"),
        ("start,value\n2026-11-21T12:00,1\n", "line 2: .* has no offset from UTC"),
        ("start,value\n2026-11-21T12:00Z,dear\n", "line 2: could not convert"),
        ("start,value\n2026-11-21T12:00Z,1\n2026-11-21T12:00Z,1\n", "line 3: is not after the line before"),
        ("start,value\n2026-11-21T12:00Z\n", "line 2: "),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "grid.csv").write_text(text)
    with pytest.raises(SettingsError, match=rf"grid\.csv: {message}"):
        CsvSignal(tmp_path / "grid.csv", "EUR/kWh")


def uk(*values: float) -> dict[str, Any]:
    return {
        "data": [
            {
                "from": f"{NOON + n * HOUR / 2:%Y-%m-%dT%H:%MZ}",
                "to": f"{NOON + (n + 1) * HOUR / 2:%Y-%m-%dT%H:%MZ}",
                "intensity": {"forecast": value, "actual": None, "index": "low"},
            }
            for n, value in enumerate(values)
        ]
    }


def test_the_service_of_great_britain_is_read() -> None:
    with service(json.dumps(uk(200, 150, 90)).encode()) as (base, asked):
        found = HttpSignal(base, "uk-carbon-intensity").forecast(NOON, NOON + 2 * HOUR)
    assert [each.value for each in found] == [200, 150, 90]
    assert covers(found, NOON, NOON + 3 * HOUR / 2)
    assert asked == [("/intensity/2026-11-21T12:00Z/fw48h", None)]


def test_electricity_maps_is_read() -> None:
    answer = {
        "zone": "DE",
        "forecast": [
            {"carbonIntensity": 300 - n, "datetime": (NOON + n * HOUR).isoformat()} for n in range(3)
        ],
        "updatedAt": NOON.isoformat(),
    }
    with service(json.dumps(answer).encode()) as (base, asked):
        found = HttpSignal(base, "electricity-maps", zone="DE", token="secret").forecast(
            NOON, NOON + 2 * HOUR
        )
    assert found == (Stretch(NOON, NOON + HOUR, 300), Stretch(NOON + HOUR, NOON + 2 * HOUR, 299))
    assert asked == [("/v3/carbon-intensity/forecast?zone=DE", "secret")]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"no", 200, "answers in another shape"),
        (b"[]", 200, "answers in another shape"),
        (b'{"data": [{"from": "2026-11-21T12:00"}]}', 200, "answers in another shape"),
        (b"{}", 503, "does not answer: HTTP Error 503"),
    ],
)
def test_a_service_that_fails_is_named(content: bytes, status: int, message: str) -> None:
    with (
        service(content, status) as (base, _),
        pytest.raises(SignalUnavailableError, match=f"{base} {message}") as refusal,
    ):
        HttpSignal(base, "uk-carbon-intensity").forecast(NOON, NOON + HOUR)
    assert "\n" not in str(refusal.value)


def test_a_service_that_is_away_is_named() -> None:
    with service(b"") as (base, _):
        pass
    with pytest.raises(SignalUnavailableError, match=f"{base} does not answer"):
        HttpSignal(base, "uk-carbon-intensity").forecast(NOON, NOON + HOUR)


@pytest.mark.parametrize(
    ("shape", "message"),
    [("watttime", "shape 'watttime' is none of"), ("electricity-maps", "wants a zone, like DE")],
)
def test_a_service_we_cannot_ask_is_refused(shape: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        HttpSignal("http://127.0.0.1:9", shape)
