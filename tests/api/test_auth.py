from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.auth import is_loopback, keys_required
from jobs.ledger.keys import SCOPES
from jobs.settings import Settings
from jobs.states import JobKind, JobState
from tests.api.conftest import Client, Server, narrate, problem

UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.mark.parametrize(
    ("host", "required"),
    [
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104
        ("::", True),
        ("192.168.1.5", True),
        ("lectorium.example", True),
        ("", True),
    ],
)
def test_keys_are_required_as_soon_as_the_server_listens_beyond_loopback(host: str, required: bool) -> None:
    assert keys_required(Settings(host=host)) is required
    assert keys_required(Settings(host=host, require_keys=True)) is True
    assert keys_required(Settings(host=host, require_keys=False)) is False


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "127.0.0.1.evil.example", "evil", "10.0.0.1", "[::]"]
)
def test_only_loopback_names_are_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_key_speaks_for_its_tenant(keyed: Server) -> None:
    job_id = narrate(keyed.as_tenant("alice"))
    assert [job["id"] for job in keyed.as_tenant("alice").get("/v1/jobs").json["jobs"]] == [job_id]


@pytest.mark.parametrize(
    "path", ["/v1/jobs", f"/v1/jobs/{UNKNOWN_ID}", "/v1/voices", "/v1/nowhere", "/metrics"]
)
def test_without_a_key_nothing_is_told(keyed: Server, path: str) -> None:
    answer = keyed.local().get(path)
    assert problem(answer, 401)["type"] == "urn:lectorium:problem:unauthorised"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lectorium"'


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs"])
def test_health_and_document_are_open(keyed: Server, path: str) -> None:
    assert keyed.local().get(path).status_code == 200


def wrong_checksum(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def another_secret(key: str) -> str:
    parts = key.split("_")
    return "_".join([*parts[:2], "0" * 64, parts[3]])


@pytest.mark.parametrize(
    "spoil", [wrong_checksum, another_secret, str.upper, lambda _: "", lambda _: "x" * 9000]
)
def test_a_wrong_key_is_refused(keyed: Server, spoil: Callable[[str], str]) -> None:
    client = keyed.as_tenant("alice")
    answer = Client(client.plain, spoil(client.key)).get("/v1/jobs")
    problem(answer, 401)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert client.key not in answer.text


@pytest.mark.parametrize("scheme", ["Basic", "bear", "Token"])
def test_another_scheme_is_refused(keyed: Server, scheme: str) -> None:
    key = keyed.as_tenant("alice").key
    problem(keyed.local().get("/v1/jobs", headers={"Authorization": f"{scheme} {key}"}), 401)


def test_a_key_in_the_address_is_no_key(keyed: Server) -> None:
    key = keyed.as_tenant("alice").key
    problem(keyed.local().get(f"/v1/jobs?key={key}&access_token={key}"), 401)


def test_a_revoked_key_is_refused_at_once(keyed: Server) -> None:
    client = keyed.as_tenant("alice")
    assert client.get("/v1/jobs").status_code == 200
    keyed.ledger.keys.revoke(client.key.split("_")[1])
    problem(client.get("/v1/jobs"), 401)


def test_an_expired_key_is_refused(keyed: Server) -> None:
    tenant = keyed.ledger.keys.create_tenant("alice")
    key = keyed.ledger.keys.create(tenant, name="k", scopes=["read"], lifetime_seconds=-1)
    problem(Client(keyed.local(), key).get("/v1/jobs"), 401)


STEERING = "narrate train admin"
"""One of them: which one depends on the job."""

SCOPE_OF = {
    ("GET", "/v1/jobs"): "read",
    ("GET", f"/v1/jobs/{UNKNOWN_ID}"): "read",
    ("GET", f"/v1/jobs/{UNKNOWN_ID}/events"): "read",
    ("GET", f"/v1/jobs/{UNKNOWN_ID}/artefacts/a.m4b"): "read",
    ("GET", "/v1/voices"): "read",
    ("GET", "/v1/voices/nobody"): "read",
    ("GET", "/v1/voices/nobody/consent"): "read",
    ("GET", "/v1/voices/nobody/preview"): "narrate",
    ("PUT", "/v1/voices/nobody/consent"): "train",
    ("POST", "/v1/voices"): "train",
    ("POST", "/v1/voices/nobody/export"): "train",
    ("POST", "/v1/voices/pull"): "admin",
    ("DELETE", "/v1/voices/nobody"): "train",
    ("DELETE", f"/v1/voices/nobody/versions/{'a' * 64}"): "train",
    ("POST", "/v1/trainings"): "train",
    ("POST", "/v1/narrations"): "narrate",
    ("POST", "/v1/audio/speech"): "narrate",
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/cancel"): STEERING,
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/pause"): STEERING,
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/resume"): STEERING,
    ("POST", f"/v1/jobs/{UNKNOWN_ID}/retry"): STEERING,
    ("GET", "/metrics"): "admin",
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_may_do_what_its_scope_says_and_no_more(keyed: Server, scope: str) -> None:
    client = keyed.as_tenant("alice", scope)
    for (method, path), needed in SCOPE_OF.items():
        answer = client.open(path, method=method)
        if scope in needed.split():
            assert answer.status_code not in {401, 403}, path
        else:
            assert problem(answer, 403)["scope"] == needed


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_a_job_is_steered_with_the_scope_it_is_asked_for_with(keyed: Server, scope: str, verb: str) -> None:
    client = keyed.as_tenant("alice", scope)
    for kind, needed in {
        JobKind.NARRATION: "narrate",
        JobKind.TRAINING: "train",
        JobKind.EXPORT: "train",
        JobKind.PULL: "admin",
    }.items():
        job_id = keyed.ledger.jobs.submit(keyed.tenants["alice"], kind, {}).job_id
        answer = client.post(f"/v1/jobs/{job_id}/{verb}")
        if scope == needed:
            assert answer.status_code == (202 if verb == "cancel" else 409), answer.text
        else:
            assert problem(answer, 403)["scope"] == (STEERING if scope == "read" else needed)
            assert keyed.ledger.jobs.get(keyed.tenants["alice"], job_id).state is JobState.QUEUED


def test_another_tenants_job_is_none_whatever_the_scope(keyed: Server) -> None:
    job_id = narrate(keyed.as_tenant("bob"))
    for scope in STEERING.split():
        problem(keyed.as_tenant("alice", scope).post(f"/v1/jobs/{job_id}/cancel"), 404)


def test_every_guarded_route_has_its_scope_tested(keyed: Server) -> None:
    routes = {
        (method, rule.rule.replace("<job_id>", UNKNOWN_ID).replace("artefacts/<name>", "artefacts/a.m4b"))
        for rule in keyed.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/v1/", "/metrics"))
    }
    named = {(m, path.replace("<voice>", "nobody").replace("<version>", "a" * 64)) for m, path in routes}
    assert named == set(SCOPE_OF)


# --- a loopback server among web pages ---


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "10.0.0.1",
        "[",
        "127.0.0.1@evil.example",
    ],
)
def test_a_strange_host_is_misdirected(client: FlaskClient, host: str) -> None:
    for path in ("/v1/jobs", "/docs", "/openapi.json", "/livez", "/nowhere"):
        problem(client.get(path, headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "127.1.2.3"])
def test_a_loopback_host_is_served(client: FlaskClient, host: str) -> None:
    assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200


def test_any_host_is_served_where_keys_are_asked_for(keyed: Server) -> None:
    answer = keyed.as_tenant("alice").get("/v1/jobs", headers={"Host": "lectorium.example"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_a_post_from_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/narrations", json={"text": "x", "voice": "stub"}, headers=headers)
    assert problem(answer, 403)["type"] == "urn:lectorium:problem:cross-site"
    assert client.get("/v1/jobs").json["jobs"] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_a_post_of_our_own_or_of_no_page_is_served(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/narrations", json={"text": "x", "voice": "stub"}, headers=headers)
    assert answer.status_code == 202


def test_no_other_site_is_given_leave(client: FlaskClient) -> None:
    answer = client.options("/v1/narrations", headers={"Origin": "https://evil.example"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


# --- how often ---


def test_a_key_may_ask_so_often_and_no_more(serve: Callable[[Settings], Server], settings: Settings) -> None:
    server = serve(settings.model_copy(update={"require_keys": True, "requests_per_minute": 3}))
    alice, bob = server.as_tenant("alice"), server.as_tenant("bob")
    assert [alice.get("/v1/voices/stub").status_code for _ in range(3)] == [200] * 3
    answer = alice.get("/v1/voices/stub")
    assert problem(answer, 429)["type"] == "urn:lectorium:problem:too-many-requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 20
    assert bob.get("/v1/voices/stub").status_code == 200


def test_a_server_without_keys_counts_nobody(serve: Callable[[Settings], Server], settings: Settings) -> None:
    client = serve(settings.model_copy(update={"requests_per_minute": 1})).local()
    assert [client.get("/v1/voices/stub").status_code for _ in range(5)] == [200] * 5


def test_a_key_is_never_logged(keyed: Server, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    client = keyed.as_tenant("alice")
    with caplog.at_level("DEBUG"):
        narrate(client)
        client.get("/v1/nowhere")
        Client(client.plain, wrong_checksum(client.key)).get("/v1/jobs")
    assert "request answered" in caplog.text
    secret = client.key.split("_")[2]
    assert secret not in caplog.text + "".join(capfd.readouterr())
    assert not [record for record in caplog.records if secret in str(record.__dict__)]
