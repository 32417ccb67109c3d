"""Connections: what an outage looks like, and what is our own fault."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy.exc
from sqlalchemy import insert, select, text

from jobs.errors import LedgerUnavailableError, SettingsError
from jobs.ids import new_id
from jobs.ledger import Ledger
from jobs.ledger.database import Database
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobState
from jobs.tables import Tenant
from tests.jobs import story
from tests.services.postgres import PrivatePostgres


@pytest.fixture
def embedded(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'home' / 'ledger.sqlite3'}"
    upgrade(url)
    return url


def _row(name: str) -> dict[str, object]:
    return {"id": new_id(), "name": name, "webhook_secret": "s", "created_at": 1.0}


def test_write_commits_at_the_end_and_rolls_back_on_an_error(ledger: Ledger) -> None:
    with ledger.database.write() as tx:
        tx.execute(insert(Tenant).values(_row("kept")))

    def write_half() -> None:
        with ledger.database.write() as tx:
            tx.execute(insert(Tenant).values(_row("dropped")))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        write_half()
    with ledger.database.read() as connection:
        assert list(connection.execute(select(Tenant.name)).scalars()) == ["kept"]


def test_clock_is_the_databases_and_near_ours(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        first = ledger.database.clock.read(connection)
        assert first == pytest.approx(time.time(), abs=5)
        time.sleep(0.05)
        assert ledger.database.clock.read(connection) - first >= 0.04, "it stands still in a transaction"


def test_broken_rule_is_no_outage(ledger: Ledger) -> None:
    with pytest.raises(sqlalchemy.exc.IntegrityError), ledger.database.write() as tx:
        tx.execute(insert(Tenant), [_row("twice"), _row("twice")])


def test_missing_table_is_no_outage(ledger: Ledger) -> None:
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="nowhere"), ledger.database.read() as connection:
        connection.execute(text("SELECT 1 FROM nowhere"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://db/lectorium", "runs on postgresql:// or sqlite://, not on mysql://"),
        ("ledger.sqlite3", "not a database address"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_impossible_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Database(url)


def test_password_in_an_address_is_not_told() -> None:
    with pytest.raises(SettingsError) as refused:
        Database("mysql://me:tellnobody@db:no/x")
    assert "tellnobody" not in str(refused.value)


# --- SQLite ---


def test_sqlite_is_set_up_to_survive_a_power_cut(embedded: str) -> None:
    database = Database(embedded)
    with database.read() as connection:

        def pragma(name: str) -> object:
            return connection.execute(text(f"PRAGMA {name}")).scalar_one()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL: a commit is on the disk when it returns
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") == 10_000
    database.close()


def test_sqlite_write_takes_the_lock_at_once(embedded: str) -> None:
    """A transaction that reads first and writes later would fail half way when another wrote in between."""
    database = Database(embedded)
    with database.write() as tx, sqlite3.connect(embedded.removeprefix("sqlite:///"), timeout=0) as other:
        tx.execute(select(Tenant.id))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


def test_sqlite_reader_sees_one_moment(embedded: str) -> None:
    with Ledger(Settings(ledger=embedded)) as ledger, ledger.database.read() as connection:
        count = text("SELECT count(*) FROM tenants")
        assert connection.execute(count).scalar_one() == 0
        story.tenant(ledger)  # a writer is not held up by a reader
        assert connection.execute(count).scalar_one() == 0


def test_sqlite_locked_too_long_is_an_outage(embedded: str) -> None:
    database = Database(embedded)
    with database.read() as connection:
        connection.execute(text("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(embedded.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailableError, match="locked"), database.write():
        pass
    other.close()
    database.close()


def test_sqlite_threads_share_one_ledger(embedded: str) -> None:
    with Ledger(Settings(ledger=embedded), n_connections=2) as ledger:
        alice = story.tenant(ledger)
        threads = [threading.Thread(target=story.submit, args=(ledger, alice)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger.jobs.page(alice)) == 12


# --- PostgreSQL ---


def test_postgresql_crash_is_an_outage_and_loses_nothing(private_postgres: PrivatePostgres) -> None:
    upgrade(private_postgres.url)
    with Ledger(Settings(ledger=private_postgres.url)) as ledger:
        alice = story.tenant(ledger)
        job_id = story.submit(ledger, alice).job_id
        claim = story.claim(ledger)
        private_postgres.stop("immediate")
        for _ in range(2):
            with pytest.raises(LedgerUnavailableError):
                ledger.jobs.get(alice, job_id)
            with pytest.raises(LedgerUnavailableError):
                story.submit(ledger, alice)
        private_postgres.start()
        assert ledger.steps.renew([claim], lease_seconds=60) == {claim.step_id}
        assert ledger.jobs.get(alice, job_id).state == JobState.RUNNING


def test_postgresql_crash_within_a_transaction_is_an_outage(private_postgres: PrivatePostgres) -> None:
    upgrade(private_postgres.url)
    with Ledger(Settings(ledger=private_postgres.url)) as ledger:

        def write_half() -> None:
            with ledger.database.write() as tx:
                tx.execute(insert(Tenant).values(_row("half way")))
                private_postgres.restart("immediate")
                tx.execute(select(Tenant.id))

        with pytest.raises(LedgerUnavailableError):
            write_half()
        assert story.tenant(ledger, "after")


def test_postgresql_that_ends_our_connections_is_an_outage(private_postgres: PrivatePostgres) -> None:
    upgrade(private_postgres.url)
    with (
        Ledger(Settings(ledger=private_postgres.url)) as ledger,
        psycopg.connect(private_postgres.url, autocommit=True) as operator,
    ):
        end_all = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"

        def read_half() -> None:
            with ledger.database.read() as connection:
                operator.execute(end_all)
                connection.execute(select(Tenant.id))

        with pytest.raises(LedgerUnavailableError):
            read_half()
        assert story.tenant(ledger), "the pool must notice a connection that died while it lay idle"
        operator.execute(end_all)
        assert story.tenant(ledger)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        # a pool that still talks to the old primary after a failover
        (["SET TRANSACTION READ ONLY", "DELETE FROM events"], "read-only"),
        (["SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)"], "statement timeout"),
        (["SET LOCAL lock_timeout = 20", "LOCK TABLE sweeps"], "lock timeout"),
        (["SET LOCAL idle_in_transaction_session_timeout = 20", "-- sleep", "SELECT 1"], None),
    ],
)
def test_postgresql_that_refuses_for_now_is_an_outage(
    empty_postgres_url: str, statements: list[str], message: str | None
) -> None:
    upgrade(empty_postgres_url)
    database = Database(empty_postgres_url)

    def run() -> None:
        with database.read() as connection:
            for statement in statements:
                if statement == "-- sleep":
                    time.sleep(0.3)
                else:
                    connection.execute(text(statement))

    with psycopg.connect(empty_postgres_url) as other:
        other.execute("LOCK TABLE sweeps IN SHARE MODE")
        with pytest.raises(LedgerUnavailableError, match=message):
            run()
        other.rollback()
    database.close()


def test_postgresql_deadlock_is_an_outage(empty_postgres_url: str) -> None:
    """None is known; should there be one, the same call may succeed in a moment."""
    upgrade(empty_postgres_url)
    database = Database(empty_postgres_url)
    with database.write() as tx:
        tx.execute(insert(Tenant), [_row("one"), _row("two")])
    barrier = threading.Barrier(2)

    def lock(*names: str) -> bool:
        with database.write() as tx:
            for name in names:
                tx.execute(select(Tenant.id).where(Tenant.name == name).with_for_update())
                if name == names[0]:
                    barrier.wait()
        return True

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(lock, "one", "two"), pool.submit(lock, "two", "one")]
    errors = [answer.exception() for answer in answers]
    assert errors.count(None) == 1
    assert any(isinstance(error, LedgerUnavailableError) for error in errors)
    database.close()


def test_postgresql_that_is_not_there_is_an_outage_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError), Database("postgresql://x@127.0.0.1:1/x").read():
        pass
    assert time.monotonic() - started < 2


def test_pool_that_is_used_up_is_an_outage(ledger_url: str) -> None:
    database = Database(ledger_url, n_connections=1)
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]  # five seconds in earnest
    with (
        database.read(),
        database.read(),
        pytest.raises(LedgerUnavailableError, match="every connection"),
        database.read(),
    ):
        pass
    database.close()
