from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from flask.testing import FlaskClient

from jobs.settings import Settings
from tests.api.conftest import SOUND, Hands, Server, narrate, problem
from tests.services.s3 import S3Account


@pytest.fixture
def path(client: FlaskClient, hands: Hands) -> str:
    """Where the book of a finished job is downloaded."""
    job_id = narrate(client)
    hands.finish()
    return str(client.get(f"/v1/jobs/{job_id}").json["artefacts"][0]["href"])


def test_a_file_is_streamed_whole(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.data) == (200, SOUND)
    assert answer.mimetype == "audio/mp4"
    assert answer.headers["Content-Length"] == str(len(SOUND))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="A Book')
    assert f"filename*=UTF-8''{quote('A Book — 本.m4b')}" in answer.headers["Content-Disposition"]


def test_the_etag_is_the_digest_and_saves_the_bytes(client: FlaskClient, path: str) -> None:
    tag = client.get(path).headers["ETag"]
    assert len(tag.strip('"')) == 64
    answer = client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=-40", 10_200, 10_240),
        ("bytes=10239-10239", 10_239, 10_240),
        ("bytes=10000-99999", 10_000, 10_240),
        ("bytes=0-", 0, 10_240),
        ("bytes=-99999", 0, 10_240),
    ],
)
def test_a_range_is_answered_with_just_that(
    client: FlaskClient, path: str, asked: str, start: int, stop: int
) -> None:
    answer = client.get(path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.data == SOUND[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10240"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000"])
def test_a_range_beyond_the_end_is_refused(client: FlaskClient, path: str, asked: str) -> None:
    answer = client.get(path, headers={"Range": asked})
    problem(answer, 416)
    assert answer.headers["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize(
    "asked", ["", "bytes", "bytes=", "bytes=b-a", "bytes=5-1", "items=0-1", "bytes=0-1,3-4", "bytes=-0"]
)
def test_what_is_no_single_range_gets_the_whole(client: FlaskClient, path: str, asked: str) -> None:
    answer = client.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.data) == (200, SOUND)


def test_if_range_protects_from_mixing_two_files(client: FlaskClient, path: str) -> None:
    tag = client.get(path).headers["ETag"]
    part = {"Range": "bytes=0-9"}
    assert client.get(path, headers={**part, "If-Range": tag}).status_code == 206
    for other in ('"' + "0" * 64 + '"', f"W/{tag}", "Sat, 21 Nov 2026 10:00:00 GMT"):
        answer = client.get(path, headers={**part, "If-Range": other})
        assert (answer.status_code, len(answer.data)) == (200, len(SOUND))


def test_asking_for_the_head_opens_no_file(
    server: Server, client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(type(server.office.objects), "open_range")
    answer = client.head(path)
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(SOUND)))


@pytest.mark.parametrize(
    "name", ["nothing.m4b", "1.json", "script-1", "..", "..%2f..%2fledger.sqlite3", "%00"]
)
def test_only_finished_files_can_be_named(client: FlaskClient, path: str, name: str) -> None:
    answer = client.get(f"{path.rpartition('/')[0]}/{name}")
    problem(answer, 404)


def test_a_file_that_is_lost_is_our_fault(server: Server, client: FlaskClient, path: str) -> None:
    home: Path = server.office.settings.home
    for stored in (home / "objects").rglob("book-*"):
        stored.unlink()
    assert "reference" in problem(client.get(path), 500)


# --- with S3 ---


@pytest.fixture
def on_s3(
    serve: Callable[[Settings], Server], settings: Settings, s3_server: S3Account
) -> Callable[..., Server]:
    def make(**more: Any) -> Server:
        return serve(settings.model_copy(update={**_places(s3_server), **more}))

    return make


def _places(account: S3Account) -> dict[str, Any]:
    given = {
        "objects": account.url,
        "s3_endpoint": account.endpoint,
        "s3_region": account.region,
        "s3_key_id": account.access_key,
        "s3_secret": account.secret_key,
    }
    return Settings(**given).model_dump(include=set(given))


def finished(server: Server) -> str:
    client = server.local()
    job_id = narrate(client)
    Hands(server.office).finish()
    return str(client.get(f"/v1/jobs/{job_id}").json["artefacts"][0]["href"])


def test_a_download_is_redirected_to_the_store(on_s3: Callable[..., Server]) -> None:
    server = on_s3()
    path = finished(server)
    answer = server.local().get(path)
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    address = answer.headers["Location"]
    got = urllib3.request("GET", address)
    assert (got.status, got.data) == (200, SOUND)
    assert "attachment" in got.headers["Content-Disposition"]
    part = urllib3.request("GET", address, headers={"Range": "bytes=5-9"})
    assert (part.status, part.data) == (206, SOUND[5:10])


def test_a_signed_address_names_the_public_endpoint(on_s3: Callable[..., Server]) -> None:
    server = on_s3(s3_public_endpoint="https://files.lectorium.example")
    answer = server.local().get(finished(server))
    assert answer.headers["Location"].startswith("https://files.lectorium.example/")


def test_a_signed_address_lapses(
    serve: Callable[[Settings], Server], settings: Settings, s3rver_server: S3Account
) -> None:
    server = serve(settings.model_copy(update={**_places(s3rver_server), "presign_seconds": 1}))
    address = server.local().get(finished(server)).headers["Location"]
    assert "X-Amz-Expires=1" in address
    assert urllib3.request("GET", address).data == SOUND


def test_without_presigning_the_file_is_streamed(on_s3: Callable[..., Server]) -> None:
    server = on_s3(presign=False)
    path = finished(server)
    assert server.local().get(path).data == SOUND
    part = server.local().get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, SOUND[10:20])


def test_the_head_is_answered_here(on_s3: Callable[..., Server]) -> None:
    server = on_s3()
    answer = server.local().head(finished(server))
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(SOUND)))


def test_a_store_that_is_down_is_503(serve: Callable[[Settings], Server], settings: Settings) -> None:
    down = {"objects": "s3://nowhere", "s3_endpoint": "http://127.0.0.1:1", "s3_region": "x"}
    keys = Settings(s3_key_id="k", s3_secret="s").model_dump(include={"s3_key_id", "s3_secret"})
    server = serve(settings.model_copy(update={**down, **keys}))
    answer = server.local().post("/v1/narrations", json={"text": "x", "voice": "stub"})
    assert problem(answer, 503)["type"] == "urn:lectorium:problem:unavailable"
    assert answer.headers["Retry-After"] == "5"
