"""Fixtures every room may use: real servers, the optional real books, an environment without our settings.

At home a test whose server is missing is skipped, and one line says what to install; with CI=true it fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from tests.services import postgres, rabbitmq, redis, s3
from tests.services.process import MissingServerError

ROOT = Path(__file__).resolve().parents[1]
SHARED_BOOKS = ROOT.parent / "shared" / "books"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # noqa: TID251 - for torch, here and in child processes
"""Threads that wait for each other on cores that others use make torch ten times slower."""
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}  # noqa: TID251 - the forge's own variable
SERVICE_FIXTURES = {
    "postgres_url",
    "empty_postgres_url",
    "private_postgres",
    "redis_url",
    "private_redis",
    "s3_server",
    "s3rver_server",
    "rabbitmq_url",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `services` every test that asks for a server, so that nobody has to remember."""
    for test in items:
        if SERVICE_FIXTURES & set(getattr(test, "fixturenames", ())):
            test.add_marker(pytest.mark.services)


def _absent(why: MissingServerError) -> NoReturn:
    if IN_CI:
        pytest.fail(str(why), pytrace=False)
    pytest.skip(str(why))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's own LECTORIUM_* settings."""
    for name in list(os.environ):  # noqa: TID251 - it is here that they are taken away
        if name.startswith("LECTORIUM_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[str]:
    with ExitStack() as stack:
        url = postgres.running_server()
        if url is None:
            try:
                url = stack.enter_context(postgres.PrivatePostgres()).url
            except MissingServerError as why:
                _absent(why)
        yield url


@pytest.fixture(scope="session")
def postgres_url(_postgres_server: str) -> Iterator[str]:
    """A database of this test run alone, empty at its start. For SQLAlchemy and psycopg alike."""
    with postgres.fresh_database(_postgres_server) as url:
        yield url


@pytest.fixture
def empty_postgres_url(_postgres_server: str) -> Iterator[str]:
    """A database of this test alone, empty."""
    with postgres.fresh_database(_postgres_server) as url:
        yield url


@pytest.fixture
def private_postgres() -> Iterator[postgres.PrivatePostgres]:
    """A PostgreSQL of this test alone, to be stopped, crashed and started again."""
    try:
        server = postgres.PrivatePostgres()
    except MissingServerError as why:
        _absent(why)
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A numbered Redis database of this test run alone. Tests that flush or kill take `private_redis`."""
    with ExitStack() as stack:
        url = stack.enter_context(redis.own_database())
        if url is None:
            try:
                url = stack.enter_context(redis.PrivateRedis()).url
            except MissingServerError as why:
                _absent(why)
        yield url


@pytest.fixture
def private_redis() -> Iterator[redis.PrivateRedis]:
    """A Redis of this test alone, to be killed, paused, flushed and started again."""
    try:
        server = redis.PrivateRedis()
    except MissingServerError as why:
        _absent(why)
    with server:
        yield server


@pytest.fixture(scope="session")
def _moto_server() -> Iterator[s3.MotoServer]:
    with s3.MotoServer() as server:
        yield server


@pytest.fixture
def s3_server(_moto_server: s3.MotoServer) -> s3.S3Account:
    """An account with a fresh bucket on moto's S3 server."""
    return _moto_server.account.with_fresh_bucket()


@pytest.fixture(scope="session")
def _s3rver_process() -> Iterator[s3.S3rverServer]:
    try:
        server = s3.S3rverServer()
    except MissingServerError as why:
        _absent(why)
    with server:
        yield server


@pytest.fixture
def s3rver_server(_s3rver_process: s3.S3rverServer) -> s3.S3Account:
    """An account with a fresh bucket on an S3 server that checks the expiry of presigned URLs."""
    return _s3rver_process.account.with_fresh_bucket()


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ, where one is installed; skipped elsewhere, in CI too."""
    with ExitStack() as stack:
        url = rabbitmq.running_server()
        if url is None:
            try:
                url = stack.enter_context(rabbitmq.PrivateRabbitmq()).url
            except MissingServerError as why:
                pytest.skip(str(why))
        yield url


@pytest.fixture(scope="session")
def shared_books() -> Path:
    """The folder of real books beside the checkout; skipped where it is absent."""
    if not SHARED_BOOKS.is_dir():
        pytest.skip("no folder of real books beside the checkout")
    return SHARED_BOOKS
