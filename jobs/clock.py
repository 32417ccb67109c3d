"""Only the database's clock counts. Times are seconds since 1970 UTC, in double precision."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, Float, bindparam, select, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement


class Clock(Protocol):
    """Where "now" comes from."""

    def now(self) -> ColumnElement[float]:
        """An SQL expression for the current time, in seconds since 1970 UTC."""
        ...

    def read(self, connection: Connection) -> float:
        """The current time, in seconds since 1970 UTC."""
        ...


class _Now(FunctionElement[float]):
    """The database's own time of day at the start of the statement, which goes on inside a transaction."""

    name = "lectorium_now"
    type = Float(53)
    inherit_cache = True


@compiles(_Now, "postgresql")
def _now_on_postgresql(element: _Now, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    # stable within a statement, so that it may bound an index; clock_timestamp() may not
    return "extract(epoch from statement_timestamp())::double precision"


@compiles(_Now, "sqlite")
def _now_on_sqlite(element: _Now, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    # julianday carries some 40 microseconds; unixepoch('subsec') would need SQLite 3.42
    return "((julianday('now') - 2440587.5) * 86400.0)"


class DatabaseClock:
    """The clock of the database server."""

    def now(self) -> ColumnElement[float]:
        """An SQL expression for the current time, in seconds since 1970 UTC."""
        return type_coerce(_Now(), Float(53))

    def read(self, connection: Connection) -> float:
        """The current time, in seconds since 1970 UTC."""
        return float(connection.execute(select(self.now())).scalar_one())


class SetClock:
    """A clock that stands still until it is set: for simulations and tests of time."""

    def __init__(self, seconds: float = 1_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> ColumnElement[float]:
        """The time it is set to when the statement runs, as a bound parameter."""
        return bindparam(None, callable_=lambda: self.seconds, type_=Float(53))

    def read(self, connection: Connection) -> float:  # noqa: ARG002 - the protocol's signature
        """The set time."""
        return self.seconds
