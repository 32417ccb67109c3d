"""The ledger on SQLite and on PostgreSQL: the same tests, real connections.

An engine compiles each statement once, which takes longer than to run it; so the ledgers live as long as the
test run and are emptied after each test.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import delete, event

from jobs.clock import Clock, SetClock
from jobs.ledger import Ledger
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.tables import Base

START = 1_000_000.0
"""Where the set clock stands at the start of each test."""


@pytest.fixture(scope="session")
def _sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite3'}"
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def _postgres_tables(postgres_url: str) -> str:
    upgrade(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:  # nobody pulls the plug on a test
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    return postgres_url


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated ledger."""
    tables = "_sqlite_tables" if request.param == "sqlite" else "_postgres_tables"
    url: str = request.getfixturevalue(tables)
    return url


def _do_not_sync(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # nor here


def _open(url: str, clock: Clock | None, n_connections: int = 10, **settings: object) -> Ledger:
    ledger = Ledger(
        Settings.model_validate({"ledger": url, **settings}), clock=clock, n_connections=n_connections
    )
    if not ledger.database.on_postgresql:
        event.listen(ledger.database.engine, "connect", _do_not_sync)
    return ledger


def empty(ledger: Ledger) -> None:
    """Leaves no row of any table."""
    with ledger.database.write() as tx:  # TRUNCATE would sync some thirty files
        for table in reversed(Base.metadata.sorted_tables):
            tx.execute(delete(table))


@pytest.fixture(scope="session")
def _ledger(ledger_url: str) -> Iterator[Ledger]:
    with _open(ledger_url, None) as ledger:
        yield ledger


@pytest.fixture(scope="session")
def _ledger_with_set_clock(ledger_url: str) -> Iterator[Ledger]:
    with _open(ledger_url, SetClock(START)) as ledger:
        yield ledger


@pytest.fixture
def ledger(_ledger: Ledger) -> Iterator[Ledger]:
    """An empty ledger with the database's own clock."""
    yield _ledger
    empty(_ledger)


@pytest.fixture
def still_ledger(_ledger_with_set_clock: Ledger, clock: SetClock) -> Iterator[Ledger]:
    """An empty ledger whose time stands still until `clock` is set."""
    yield _ledger_with_set_clock
    empty(_ledger_with_set_clock)


@pytest.fixture
def clock(_ledger_with_set_clock: Ledger) -> SetClock:
    """The clock of `still_ledger`."""
    clock = _ledger_with_set_clock.database.clock
    assert isinstance(clock, SetClock)
    clock.seconds = START
    return clock


OpenLedger = Callable[..., Ledger]


@pytest.fixture
def open_ledger(ledger_url: str) -> Iterator[OpenLedger]:
    """Opens a ledger with settings of the test's own."""
    opened: list[Ledger] = []

    def open_one(*, clock: Clock | None = None, **settings: object) -> Ledger:
        opened.append(_open(ledger_url, clock, **settings))
        return opened[-1]

    yield open_one
    for ledger in opened:
        empty(ledger)
        ledger.close()
