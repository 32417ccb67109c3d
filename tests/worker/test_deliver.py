from __future__ import annotations

import datetime as dt
import http.server
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.deliveries import WAITS_SECONDS
from jobs.settings import Settings
from jobs.states import JobKind
from jobs.tables import Base, Delivery, Tenant
from worker.deliver import deliver_due
from worker.dial import DialError, is_public, post, resolve

NAME = "hooks.example"


# --- a receiver ---


@dataclass
class Receiver:
    """A web server that notes what it was sent."""

    port: int
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    answer: Callable[[http.server.BaseHTTPRequestHandler], None] = lambda handler: say(handler, 204)


def say(handler: http.server.BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Some of the tests hang up on it."""


def serve(tls: ssl.SSLContext | None) -> tuple[_Server, Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            receiver.answer(self)

        def log_message(self, *_words: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    if tls is not None:
        tls.sni_callback = lambda _sock, name, _tls: receiver.server_names.append(name)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server, receiver


@pytest.fixture
def plain() -> Iterator[Receiver]:
    server, receiver = serve(None)
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate for NAME, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server, receiver = serve(tls)
    yield receiver
    server.shutdown()
    server.server_close()


# --- a ledger with a delivery in it ---


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, webhook_insecure=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def ledger(request: pytest.FixtureRequest, settings: Settings, clock: SetClock) -> Iterator[Ledger]:
    if request.param == "postgresql":
        settings = settings.model_copy(update={"ledger": request.getfixturevalue("empty_postgres_url")})
    with Ledger(settings, clock=clock) as opened:
        Base.metadata.create_all(opened.database.engine)
        yield opened


def owe(ledger: Ledger, url: str) -> str:
    """The id of a delivery of a cancelled job, due now."""
    tenant = ledger.keys.local().tenant_id
    spec = {"webhook": {"url": url}}
    job_id = ledger.jobs.submit(tenant, JobKind.NARRATION, spec, title="Moby-Dick — 白鯨").job_id
    ledger.jobs.cancel(tenant, job_id)
    with ledger.database.read() as tx:
        return str(tx.execute(select(Delivery.id).where(Delivery.job_id == job_id)).scalar_one())


def row(ledger: Ledger, delivery_id: str) -> Any:
    with ledger.database.read() as tx:
        found = select(Delivery.state, Delivery.attempt, Delivery.error, Delivery.not_before)
        return tx.execute(found.where(Delivery.id == delivery_id)).one()


def secret(ledger: Ledger) -> str:
    with ledger.database.read() as tx:
        return str(tx.execute(select(Tenant.webhook_secret)).scalar_one())


def to_loopback(_name: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


# --- delivering ---


def test_a_delivery_is_signed_so_that_the_reference_library_verifies_it(
    ledger: Ledger, settings: Settings, plain: Receiver
) -> None:
    delivery_id = owe(ledger, f"http://127.0.0.1:{plain.port}/hook?a=1")
    assert deliver_due(ledger, settings) == 1
    ((path, headers, body),) = plain.seen
    assert path == "/hook?a=1"
    assert headers["webhook-id"] == delivery_id
    message = standardwebhooks.Webhook(secret(ledger)).verify(body, headers)
    assert message["type"] == "job.cancelled"
    assert message["job"]["title"] == "Moby-Dick — 白鯨"
    assert row(ledger, delivery_id).state == "delivered"
    assert deliver_due(ledger, settings) == 0


def test_a_changed_body_does_not_verify(ledger: Ledger, settings: Settings, plain: Receiver) -> None:
    owe(ledger, f"http://127.0.0.1:{plain.port}/")
    deliver_due(ledger, settings)
    ((_path, headers, body),) = plain.seen
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret(ledger)).verify(body.replace(b"cancelled", b"succeeded"), headers)


def test_tls_keeps_the_name_while_the_connection_goes_to_the_checked_address(
    ledger: Ledger, settings: Settings, secure: Receiver
) -> None:
    delivery_id = owe(ledger, f"https://{NAME}:{secure.port}/")
    assert deliver_due(ledger, settings, resolver=to_loopback) == 1
    assert row(ledger, delivery_id).error is None
    assert secure.server_names == [NAME]
    assert secure.seen[0][1]["host"] == f"{NAME}:{secure.port}"


def test_a_certificate_for_another_name_is_refused(
    ledger: Ledger, settings: Settings, secure: Receiver
) -> None:
    delivery_id = owe(ledger, f"https://other.example:{secure.port}/")
    deliver_due(ledger, settings, resolver=to_loopback)
    assert "CERTIFICATE_VERIFY_FAILED" in row(ledger, delivery_id).error
    assert secure.seen == []


def test_a_failed_delivery_comes_again_from_its_row_with_the_same_id(
    ledger: Ledger, settings: Settings, clock: SetClock, plain: Receiver
) -> None:
    plain.answer = lambda handler: say(handler, 500)
    delivery_id = owe(ledger, f"http://127.0.0.1:{plain.port}/")
    for wait in WAITS_SECONDS:
        assert deliver_due(ledger, settings) == 1
        assert deliver_due(ledger, settings) == 0, "not before its time"
        assert row(ledger, delivery_id).error == "the receiver answered 500"
        clock.seconds += wait + 0.1
    plain.answer = lambda handler: say(handler, 200)
    assert deliver_due(ledger, settings) == 1
    assert row(ledger, delivery_id).state == "delivered"
    assert {headers["webhook-id"] for _, headers, _ in plain.seen} == {delivery_id}
    assert len(plain.seen) == len(WAITS_SECONDS) + 1


def test_a_delivery_is_given_up_after_its_last_try(
    ledger: Ledger, settings: Settings, clock: SetClock, plain: Receiver
) -> None:
    plain.answer = lambda handler: say(handler, 410)
    delivery_id = owe(ledger, f"http://127.0.0.1:{plain.port}/")
    for wait in (*WAITS_SECONDS, 0):
        deliver_due(ledger, settings)
        clock.seconds += wait + 0.1
    assert row(ledger, delivery_id).state == "abandoned"
    clock.seconds += 1e7
    assert deliver_due(ledger, settings) == 0


def test_a_stalling_receiver_does_not_hold_up_the_others(
    ledger: Ledger, settings: Settings, plain: Receiver
) -> None:
    stalls = threading.Barrier(4)
    plain.answer = lambda handler: (stalls.wait(5), say(handler, 204))[1]
    for _ in range(4):
        owe(ledger, f"http://127.0.0.1:{plain.port}/")
    assert deliver_due(ledger, settings) == 4, "each waits for the other three"
    assert len(plain.seen) == 4


def test_a_refused_address_is_written_into_the_row(
    ledger: Ledger, settings: Settings, plain: Receiver
) -> None:
    delivery_id = owe(ledger, f"http://127.0.0.1:{plain.port}/")
    deliver_due(ledger, settings.model_copy(update={"webhook_insecure": False}))
    assert row(ledger, delivery_id).error == "only https:// addresses are delivered to"
    assert plain.seen == []


# --- limits ---


def test_a_redirect_is_not_followed(plain: Receiver) -> None:
    plain.answer = lambda handler: say(handler, 307, Location=f"http://127.0.0.1:{plain.port}/inside")
    assert post(f"http://127.0.0.1:{plain.port}/", b"{}", {}, insecure=True) == 307
    assert [path for path, _, _ in plain.seen] == ["/"]


def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    for _ in range(100):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.05)


def test_an_answer_that_drips_in_ends_at_the_deadline(plain: Receiver) -> None:
    plain.answer = drip
    started = time.monotonic()
    with pytest.raises(DialError, match=r"no answer within 0\.4 seconds"):
        post(f"http://127.0.0.1:{plain.port}/", b"{}", {}, insecure=True, most_seconds=0.4)
    assert time.monotonic() - started < 2


def flood(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response_only(200)
    for number in range(80):
        handler.send_header(f"X-{number}", "x" * 4000)
    handler.end_headers()


def test_an_answer_of_endless_headers_ends_at_64_kilobytes(plain: Receiver) -> None:
    plain.answer = flood
    with pytest.raises(DialError, match="longer than 65536 bytes"):
        post(f"http://127.0.0.1:{plain.port}/", b"{}", {}, insecure=True)


def test_a_receiver_that_hangs_up_is_a_failure(plain: Receiver) -> None:
    plain.answer = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DialError, match="RemoteDisconnected"):
        post(f"http://127.0.0.1:{plain.port}/", b"{}", {}, insecure=True)


def test_the_next_address_is_tried_when_the_first_does_not_answer(plain: Receiver) -> None:
    addresses = ["127.0.0.2", "127.0.0.1"]
    url = f"http://{NAME}:{plain.port}/"
    assert post(url, b"{}", {}, insecure=True, resolver=lambda _name, _port: addresses) == 204


# --- server-side request forgery ---

FORBIDDEN_ADDRESSES = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),  # noqa: S104
    *("192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254"),
    *("::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "5f00::1"),
    *(
        "fe80::1",
        "fe80::1%lo",
        "febf::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "100::1",
    ),
]
ALLOWED_ADDRESSES = [
    *("1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1"),
    *("2606:4700:4700::1111", "2a00:1450:4001:80e::200e", "::ffff:1.1.1.1", "64:ff9b::101:101"),
]
FORBIDDEN_URLS = [
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "//127.0.0.1/",
    "https:///nowhere",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://example.com:99999/",
    "https://[::1/",
    "https://127.0.0.1/",
    "https://127.0.0.1:8000/v1/jobs",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://localhost/",
    "https://localhost.localdomain/",
    "https://LOCALHOST/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://" + "a" * 70 + ".example/",
    "https://exa mple.com/",
    "https://example.com\r\n.internal/",
]


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ALLOWED_ADDRESSES)
def test_an_address_outside_is_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def no_way_out(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was connected to; nothing is."""
    dialled: list[Any] = []

    def create_connection(address: Any, *_rest: Any, **_more: Any) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError("no way out of this test")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return dialled


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_a_url_that_leads_inside_is_never_dialled(url: str, no_way_out: list[Any]) -> None:
    with pytest.raises(DialError):
        post(url, b"{}", {})
    assert no_way_out == []


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_a_name_with_one_address_inside_is_never_dialled(address: str, no_way_out: list[Any]) -> None:
    with pytest.raises(DialError, match="not on the public internet"):
        post(f"https://{NAME}/", b"{}", {}, resolver=lambda _name, _port: ["1.1.1.1", address])
    assert no_way_out == []


def test_a_name_that_changes_its_mind_is_dialled_where_it_was_checked(no_way_out: list[Any]) -> None:
    answers = [["1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]]
    with pytest.raises(DialError, match="no way out"):
        post(f"https://{NAME}/", b"{}", {}, resolver=lambda _name, _port: answers.pop(0))
    assert no_way_out == [("1.1.1.1", 443)]
    assert len(answers) == 2, "the name was asked for once"


def test_a_name_without_address_is_a_failure() -> None:
    def unknown(_name: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(DialError, match="has no address"):
        post(f"https://{NAME}/", b"{}", {}, resolver=unknown)


def test_resolve_names_each_address_once() -> None:
    assert set(resolve("localhost", 443)) <= {"127.0.0.1", "::1"}


def test_each_tenant_signs_with_its_own_secret(ledger: Ledger, settings: Settings, plain: Receiver) -> None:
    url = f"http://127.0.0.1:{plain.port}/"
    owe(ledger, url)
    own_secret = secret(ledger)
    other = ledger.keys.create_tenant("other")
    job_id = ledger.jobs.submit(other, JobKind.NARRATION, {"webhook": {"url": url}}).job_id
    ledger.jobs.cancel(other, job_id)
    assert deliver_due(ledger, settings) == 2
    for _path, headers, body in plain.seen:
        is_own = json.loads(body)["job"]["id"] != job_id
        if is_own:
            standardwebhooks.Webhook(own_secret).verify(body, headers)
        else:
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                standardwebhooks.Webhook(own_secret).verify(body, headers)
