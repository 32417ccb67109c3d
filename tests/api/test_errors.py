from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import Server, problem


def test_an_error_of_ours_shows_a_reference_and_nothing_else(
    server: Server, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_given: object, **_more: object) -> None:
        raise ZeroDivisionError("the book said: Call me Ishmael")

    monkeypatch.setattr(server.ledger.jobs, "page", fail)
    answer = client.get("/v1/jobs")
    body = problem(answer, 500)
    assert "Ishmael" not in answer.text
    assert "Traceback" not in answer.text
    assert "ZeroDivision" not in answer.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["reference"] == body["reference"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/nowhere", 404),
        ("GET", "/v1/narrations", 405),
        ("DELETE", "/v1/jobs", 405),
        ("PUT", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", 405),
        ("GET", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel", 405),
        ("BREW", "/v1/jobs", 405),
    ],
)
def test_what_does_not_exist_is_a_problem_too(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    body = problem(answer, status)
    assert body["type"] == "about:blank"
    assert set(body) <= {"type", "title", "status", "detail"}
    assert (status == 405) == ("Allow" in answer.headers)


@pytest.mark.parametrize("path", ["/v1/jobs", "/livez", "/docs", "/openapi.json", "/nowhere"])
def test_every_answer_carries_the_headers_that_protect_browsers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers
    assert "public" not in headers["Cache-Control"]
