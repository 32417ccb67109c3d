"""Connections and transactions on PostgreSQL and SQLite, and the one error for "does not answer just now"."""

from __future__ import annotations

import select
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy.exc
from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    create_engine,
    event,
    insert,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from jobs.clock import Clock, DatabaseClock
from jobs.errors import LedgerUnavailableError, SettingsError
from jobs.tables import Event

BUSY_SECONDS: Final = 10
"""How long a write waits for its turn on SQLite, once among threads and once among processes."""

_VALUES_A_STATEMENT: Final = 500


def batched(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in portions for an IN list: both databases bound the parameters of a statement."""
    for start in range(0, len(values), _VALUES_A_STATEMENT):
        yield values[start : start + _VALUES_A_STATEMENT]


_LOCKS: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(job_id, 0))"
    " FROM unnest(CAST(:job_ids AS text[])) AS job_id"
)
"""One exchange, however many jobs; taken in the order of the list."""


class Transaction:
    """A transaction that may change rows. Its events are written together, at its end."""

    def __init__(self, connection: Connection, clock: Clock, *, on_postgresql: bool) -> None:
        self.connection = connection
        self._clock = clock
        self._on_postgresql = on_postgresql
        self._events: list[dict[str, Any]] = []

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """What the statement returns. Every statement here is Core SQL, so this is always a cursor."""
        result = self.connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)  # noqa: S101 - says so to mypy
        return result

    def add_event(
        self,
        *,
        tenant_id: str,
        job_id: str,
        kind: str,
        step_id: int | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """One row of history, written when the transaction ends."""
        self._events.append(
            {
                "tenant_id": tenant_id,
                "job_id": job_id,
                "kind": kind,
                "step_id": step_id,
                "detail": detail or {},
            }
        )

    def write_events(self) -> None:
        """Writes the rows of history in the order they happened.

        PostgreSQL hands out row ids before the commit, so a reader could see event 101 of a job, go on from
        there and miss event 100, committed a moment later. One lock per job, taken last and held over the
        commit, makes ids and commits of a job's events rise together. Nothing is waited for while it is held.
        """
        if not self._events:
            return
        if self._on_postgresql:
            job_ids = sorted({written["job_id"] for written in self._events})
            self.execute(_LOCKS, {"job_ids": job_ids})
        self.execute(insert(Event).values(at=self._clock.now()), self._events)
        self._events.clear()


class Database:
    """The ledger's database: short transactions, the same on both kinds.

    An engine must not cross a fork: make one per process.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, n_connections: int = 5) -> None:
        self.clock = clock or DatabaseClock()
        self.engine = make_engine(url, n_connections)
        self.on_postgresql = self.engine.dialect.name == "postgresql"
        self._writing = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may change rows: committed at the end of the block, rolled back by an exception.

        On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`), so it cannot fail half way for one.

        Raises:
            LedgerUnavailableError: the database is down, restarting, or locked for too long.
        """
        with self._turn_to_write(), _availability(), self.engine.connect() as connection:
            connection.execution_options(lectorium_write=True)
            with connection.begin():
                tx = Transaction(connection, self.clock, on_postgresql=self.on_postgresql)
                yield tx
                tx.write_events()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """One thread after the other, on SQLite, whose own lock is polled: who polls less often starves."""
        if self.on_postgresql:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise LedgerUnavailableError("the ledger does not answer: other threads of this process hold it")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            LedgerUnavailableError: the database is down, restarting, or locked for too long.
        """
        with _availability(), self.engine.connect() as connection, connection.begin():
            yield connection

    def insert_new(self, table: type[DeclarativeBase]) -> Any:
        """An INSERT that leaves a row alone where its unique key exists already."""
        dialect = postgresql if self.on_postgresql else sqlite
        return dialect.insert(table).on_conflict_do_nothing()

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()


def make_engine(url: str, n_connections: int) -> Engine:
    """A pool of connections set up as the ledger needs them.

    Raises:
        SettingsError: the address is none, or of a database the ledger does not run on.
    """
    kind = url.partition("://")[0]
    try:
        address = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise SettingsError(f"not a database address: {kind}://...") from error
    backend = address.get_backend_name()
    if backend == "postgresql":
        engine = create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_size=n_connections,
            max_overflow=n_connections,
            pool_timeout=5,
            connect_args={
                "connect_timeout": 3,
                # a server whose machine vanished says nothing: without these a worker would wait for hours
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,
                "options": "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000",
            },
        )
        event.listen(engine, "checkout", _check_line)
        return engine
    if backend != "sqlite":
        raise SettingsError(f"the ledger runs on postgresql:// or sqlite://, not on {backend}://")
    if not address.database or address.database == ":memory:":
        raise SettingsError(
            "the ledger needs a file: sqlite:///PATH; in memory each thread would have its own"
        )
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, pool_size=n_connections, max_overflow=n_connections, pool_timeout=10)

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        # FULL: what was answered 202 or finished survives a power cut; WAL with NORMAL would not promise it
        for pragma in (
            f"busy_timeout={1000 * BUSY_SECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("lectorium_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _check_line(connection: psycopg.Connection, _record: object, _proxy: object) -> None:
    """Has the pool open another connection if the server has closed this one while it lay idle.

    It says so on the line, where it can be read without asking: a question would be one more exchange with
    the server for each transaction. Whatever else it said (a notice, a changed setting) is taken in.
    """
    line, heard = connection.pgconn, select.poll()
    heard.register(line.socket, select.POLLIN)
    try:
        while heard.poll(0):
            line.consume_input()
    except psycopg.OperationalError as error:
        raise sqlalchemy.exc.DisconnectionError(str(error).strip()) from error


@contextmanager
def _availability() -> Iterator[None]:
    try:
        yield
    except sqlalchemy.exc.TimeoutError as error:
        raise LedgerUnavailableError("every connection to the ledger is in use") from error
    except sqlalchemy.exc.DBAPIError as error:
        if not _is_outage(error):
            raise  # our own fault: a missing table, a wrong type, a broken constraint
        first_line = str(error.orig).strip().partition("\n")[0]
        raise LedgerUnavailableError(f"the ledger does not answer: {first_line}") from error


_SQLITE_OUTAGES: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
_POSTGRESQL_OUTAGES: Final = (
    "08",  # the connection failed
    "25006",  # read only: we are still talking to the old primary
    "25P03",  # we idled in a transaction for too long
    "40",  # serialization failure, deadlock: the same call may succeed
    "53",  # out of memory, disk or connections
    "55P03",  # a lock not granted in time
    "57",  # shutting down, starting up, statement timeout
    "58",  # input or output errors of the server
)


def _is_outage(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether the same call may succeed in a moment."""
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        # the low byte is the kind, the others say more about it (https://sqlite.org/rescode.html)
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    if isinstance(error.orig, psycopg.Error):
        if error.orig.sqlstate is None:  # from the client: no connection, or it broke
            return isinstance(error.orig, (psycopg.OperationalError, psycopg.InterfaceError))
        return error.orig.sqlstate.startswith(_POSTGRESQL_OUTAGES)
    return False
