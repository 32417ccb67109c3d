"""A server in this process on a real ledger and a real store, tenants with keys, and jobs in every state."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.office import Office
from jobs.ledger import Ledger
from jobs.ledger.keys import SCOPES
from jobs.ledger.values import Claim, PlannedChapter, StepError, Stored
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import StepKind

SOUND = bytes(range(256)) * 40
"""What stands for a finished book: 10,240 bytes, each known by its place."""


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "empty.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def settings(tmp_path: Path, migrated_sqlite: Path) -> Settings:
    """The defaults, on an empty ledger in a folder of this test alone, with the stub voice."""
    shutil.copy(migrated_sqlite, tmp_path / "ledger.sqlite3")
    return Settings(home=tmp_path, stub_voice=True)


@dataclass
class Server:
    """The app, and what stands behind it."""

    app: APIFlask
    office: Office
    tenants: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.office.ledger

    def local(self) -> FlaskClient:
        """A client on this machine, without a key."""
        return self.app.test_client()

    def as_tenant(self, name: str, *scopes: str) -> Client:
        """A client with a key of the tenant of this name, made if there is none."""
        if name not in self.tenants:
            self.tenants[name] = self.ledger.keys.create_tenant(name)
        key = self.ledger.keys.create(self.tenants[name], name="test", scopes=scopes or SCOPES)
        return Client(self.app.test_client(), key)


@dataclass
class Client:
    """Sends its key with each request."""

    plain: FlaskClient
    key: str

    def open(self, path: str, **given: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}", **given.pop("headers", {})}
        return self.plain.open(path, headers=headers, **given)

    def get(self, path: str, **given: Any) -> TestResponse:
        return self.open(path, method="GET", **given)

    def post(self, path: str, **given: Any) -> TestResponse:
        return self.open(path, method="POST", **given)


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], Server]]:
    """Makes servers; their connections are closed after the test."""
    made: list[Server] = []

    def make(settings: Settings) -> Server:
        app = create_app(settings)
        made.append(Server(app, app.extensions["lectorium"]))
        return made[-1]

    yield make
    for server in made:
        server.office.ledger.close()


@pytest.fixture
def server(serve: Callable[[Settings], Server], settings: Settings) -> Server:
    """A server on loopback that asks for no keys."""
    return serve(settings)


@pytest.fixture
def client(server: Server) -> FlaskClient:
    return server.local()


@pytest.fixture
def keyed(serve: Callable[[Settings], Server], settings: Settings) -> Server:
    """A server that asks for keys."""
    return serve(settings.model_copy(update={"require_keys": True}))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def everywhere(
    request: pytest.FixtureRequest, serve: Callable[[Settings], Server], settings: Settings
) -> Server:
    """A server that asks for keys, on SQLite and on PostgreSQL."""
    update: dict[str, Any] = {"require_keys": True}
    if request.param == "postgresql":
        update["ledger"] = request.getfixturevalue("empty_postgres_url")
        upgrade(update["ledger"])
    return serve(settings.model_copy(update=update))


class Hands:
    """Does the steps of jobs as a worker would, without a voice."""

    def __init__(self, office: Office) -> None:
        self.ledger = office.ledger
        self.objects = office.objects

    def claim(self, kind: StepKind) -> Claim:
        (claim,) = self.ledger.steps.claim([kind], owner="hands", lease_seconds=60)
        return claim

    def plan(self, n_chapters: int = 2) -> Claim:
        """Plans the next job: chapters of two utterances each."""
        claim = self.claim(StepKind.PLAN)
        chapters = [
            PlannedChapter(f"Chapter {n}", 60, 2, self.store(claim, "script", f"{n}.json", b"[%d]" % n))
            for n in range(1, n_chapters + 1)
        ]
        self.ledger.steps.plan(
            claim, title="A Book", chapters=chapters, weights_digest="0" * 64, chunk_utterances=2
        )
        return claim

    def speak(self) -> Claim:
        claim = self.claim(StepKind.SYNTHESIZE)
        self.ledger.steps.finish(claim, audio_seconds=3.5)
        return claim

    def finish(self, n_chapters: int = 2, name: str = "A Book — 本.m4b") -> str:
        """Takes the next job to its end; its id."""
        claim = self.plan(n_chapters)
        for _ in range(n_chapters):
            self.speak()
        for _ in range(n_chapters):
            master = self.claim(StepKind.MASTER)
            doubtful = [{"chapter": master.chapter_index, "utterance": 2}]
            self.ledger.steps.finish(master, audio_seconds=4.0, result={"doubtful": doubtful})
        bind = self.claim(StepKind.BIND)
        book = self.store(bind, "book", name, SOUND, "audio/mp4")
        self.ledger.steps.finish(bind, artefacts=[book])
        return claim.job_id

    def fail(self) -> str:
        """Lets the next job's plan fail; its id."""
        claim = self.claim(StepKind.PLAN)
        self.ledger.steps.fail(claim, StepError("unreadable-book", "not a book"), retry=False)
        return claim.job_id

    def store(
        self, claim: Claim, kind: Any, name: str, content: bytes, media_type: str = "text/plain"
    ) -> Stored:
        key = f"t/{claim.tenant_id}/jobs/{claim.job_id}/{kind}-{abs(hash(name))}"
        kept = self.objects.put(key, content, media_type=media_type)
        return Stored(kind, key, kept.sha256, kept.n_bytes, media_type, name=name)


@pytest.fixture
def hands(server: Server) -> Hands:
    return Hands(server.office)


def narrate(client: Any, **spec: Any) -> str:
    """The id of a new job."""
    given = {"text": "Call me Ishmael.", "voice": "stub", **spec}
    answer = client.post("/v1/narrations", json=given)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem that was answered, which must have this status."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body["status"] == status
    return body
