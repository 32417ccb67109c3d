from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from jobs.logs import about, set_up_logs
from jobs.settings import Settings

KEY = "lect_01ARZ3NDEKTSV4RRFFQ69G5FAV_" + "0af1" * 16 + "_0badcafe"
log = logging.getLogger("tests.logs")


def fail(message: str) -> None:
    raise ValueError(message)


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    sink = io.StringIO()
    set_up_logs(Settings(log_format=getattr(request, "param", "json")), sink)
    yield sink
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_json_with_its_event_and_ids(lines: io.StringIO) -> None:
    with about(job_id="J", step_id=7):
        log.info("step finished", extra={"seconds": 1.5})
    log.info("idle")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert first["ts"].endswith("+00:00")
    del first["ts"]
    assert first == {
        "level": "info",
        "logger": "tests.logs",
        "event": "step finished",
        "job_id": "J",
        "step_id": 7,
        "seconds": 1.5,
    }
    assert "job_id" not in second


def test_a_line_shows_no_field_that_is_not_listed(lines: io.StringIO) -> None:
    log.info("planned", extra={"utterance_text": "Call me Ishmael.", "count": 3})
    assert "Ishmael" not in lines.getvalue()
    assert json.loads(lines.getvalue())["count"] == 3


@pytest.mark.parametrize("lines", ["json", "text"], indirect=True)
def test_an_exception_shows_its_places_but_not_what_it_quotes(lines: io.StringIO) -> None:
    try:
        fail("2 validation errors\ntext\n  input_value='Call me Ishmael.'")
    except ValueError:
        log.exception("request failed", extra={"reference": "R"})
    (line,) = lines.getvalue().splitlines()
    assert "ValueError: 2 validation errors" in line
    assert "test_logs.py:" in line
    assert "Ishmael" not in line


@pytest.mark.parametrize("lines", ["json", "text"], indirect=True)
@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "postgresql://lectorium:hunter2@db/x",
        "https://s3/b/k?X-Amz-Signature=hunter2&x=1",
    ],
)
def test_a_secret_is_struck_out_wherever_it_stands(lines: io.StringIO, secret: str) -> None:
    with about(owner=secret):
        log.warning("saw %s", secret, extra={"route": secret})
        try:
            fail(secret)
        except ValueError:
            log.exception("failed")
    shown = lines.getvalue()
    assert "***" in shown
    for word in ("hunter2", "MfKQ9r8GKYqr", "0af10af1"):
        assert word not in shown
