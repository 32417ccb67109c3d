from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.health import Finding, Remembered
from jobs.settings import Settings
from tests.api.conftest import Server, problem
from tests.services.postgres import PrivatePostgres


def test_a_server_with_all_its_parts_is_ready(client: FlaskClient) -> None:
    assert client.get("/livez").json == {"status": "ok"}
    expected = {"status": "ready", "ledger": "ok", "objects": "ok", "broker": "ok"}
    assert client.get("/readyz").json == expected


def test_migrations_that_are_behind_are_not_ready(
    serve: Callable[[Settings], Server], tmp_path: Path
) -> None:
    client = serve(Settings(home=tmp_path)).local()
    answer = client.get("/readyz")
    body = problem(answer, 503)
    assert (body["ledger"], body["type"]) == ("behind", "urn:lectorium:problem:not-ready")
    assert answer.headers["Retry-After"]
    assert client.get("/livez").status_code == 200


def test_a_broker_that_is_down_only_degrades(serve: Callable[[Settings], Server], settings: Settings) -> None:
    client = serve(settings.model_copy(update={"broker": "redis://127.0.0.1:1/0"})).local()
    started = time.monotonic()
    body = client.get("/readyz").json
    assert time.monotonic() - started < 8
    assert (body["status"], body["broker"], body["ledger"]) == ("degraded", "down", "ok")


def test_a_broker_that_answers_is_ok(
    serve: Callable[[Settings], Server], settings: Settings, redis_url: str
) -> None:
    client = serve(settings.model_copy(update={"broker": redis_url})).local()
    assert client.get("/readyz").json["broker"] == "ok"


def test_an_object_store_that_is_down_only_degrades(
    server: Server, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = server.office.settings.home / "objects"
    for path in sorted(objects.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    objects.rmdir()
    objects.write_text("a file where the folder was")
    body = client.get("/readyz").json
    assert (body["status"], body["objects"]) == ("degraded", "down")


def test_a_ledger_that_is_down_is_not_ready_and_every_call_says_503(
    serve: Callable[[Settings], Server], settings: Settings
) -> None:
    down = "postgresql://lectorium@127.0.0.1:1/lectorium"
    client = serve(settings.model_copy(update={"ledger": down})).local()
    assert problem(client.get("/readyz"), 503)["ledger"] == "down"
    assert client.get("/livez").status_code == 200
    for path in ("/v1/jobs", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/v1/voices"):
        answer = client.get(path)
        assert problem(answer, 503)["type"] == "urn:lectorium:problem:unavailable"
        assert answer.headers["Retry-After"] == "5"
        assert "127.0.0.1" not in answer.text


def test_a_ledger_that_comes_back_is_used_again(
    serve: Callable[[Settings], Server], settings: Settings, private_postgres: PrivatePostgres
) -> None:
    from jobs.migrate import upgrade

    upgrade(private_postgres.url)
    client = serve(settings.model_copy(update={"ledger": private_postgres.url})).local()
    assert client.get("/v1/jobs").status_code == 200
    private_postgres.stop()
    problem(client.get("/v1/jobs"), 503)
    private_postgres.start()
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_finding_is_remembered_for_its_time() -> None:
    looks: list[Finding] = []

    def look() -> Finding:
        looks.append("ok")
        return "ok"

    remembered = Remembered(look, 0.05)
    assert [remembered(), remembered()] == ["ok", "ok"]
    assert len(looks) == 1
    time.sleep(0.06)
    assert remembered() == "ok"
    assert len(looks) == 2
