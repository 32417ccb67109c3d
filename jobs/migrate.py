"""Brings a ledger to the tables this version of the program expects. Forward only.

The revisions are the numbered files of `migrations/versions`; the highest number is the head. So whether a
ledger is current can be told without loading Alembic.
"""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from jobs.ledger.database import Database, Transaction

_REVISION_FILE: Final = re.compile(r"(\d{4})_\w+\.py")
_UPGRADE_LOCK: Final = 0x6C656374_6F726975  # "lectoriu": the key of PostgreSQL's advisory lock
_SCRIPTS: Final = Path(str(files("migrations")))


def head(scripts: Path = _SCRIPTS) -> str:
    """The revision this version of the program was written for: "0007"."""
    return _revisions(scripts)[-1]


def is_current(database: Database) -> bool:
    """Whether this version of the program can work on the ledger.

    A ledger ahead of the program is fine: a migration only adds until every older worker is gone.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    with database.read() as connection:
        revision = _revision(connection)
    return revision is not None and revision >= head()


def upgrade(url: str, to: str = "head", *, scripts: Path = _SCRIPTS) -> tuple[str, ...]:
    """Runs the revisions that are missing and returns them; several processes may try at once, one does it.

    It all happens in one transaction: an upgrade that fails has changed nothing.

    Raises:
        SettingsError: the address is none of a database the ledger runs on.
        LedgerUnavailableError: the database does not answer, or a table stayed locked for too long.
    """
    database = Database(url, n_connections=1)
    wanted = head(scripts) if to == "head" else to
    try:
        with database.read() as connection:  # a ledger that stands there already is not locked at all
            before = _revision(connection)
        if before is not None and before >= wanted:
            return ()
        if not database.on_postgresql:
            _defer_foreign_keys(database)
        with database.write() as tx:
            _take_turn(tx, database)
            before = _revision(tx.connection)
            if before is None or before < wanted:
                _run(tx, scripts, wanted)
            if not database.on_postgresql:
                _check_foreign_keys(tx)
        return tuple(revision for revision in _revisions(scripts) if (before or "") < revision <= wanted)
    finally:
        database.close()


def _run(tx: Transaction, scripts: Path, to: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx.connection
    command.upgrade(config, to)


def _revisions(scripts: Path) -> list[str]:
    matches = (_REVISION_FILE.fullmatch(path.name) for path in (scripts / "versions").iterdir())
    return sorted(match[1] for match in matches if match)


def _revision(connection: sa.Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if revision is None else str(revision)


def _take_turn(tx: Transaction, database: Database) -> None:
    """Waits for another process's upgrade. On SQLite the transaction has the write lock already."""
    if not database.on_postgresql:
        return
    tx.execute(sa.text("SET LOCAL statement_timeout = '120s'"))
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    # Better to fail and be run again than to stand in a queue with every worker's statement behind us. A
    # revision that needs longer says so itself.
    tx.execute(sa.text("SET LOCAL lock_timeout = '4s'"))
    tx.execute(sa.text("SET LOCAL statement_timeout = '5s'"))


def _defer_foreign_keys(database: Database) -> None:
    """SQLite changes a table by copying it; with foreign keys on, dropping the old one would be refused."""

    @sa.event.listens_for(database.engine, "connect")
    def _off(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=OFF")

    database.engine.dispose()  # the pragma does nothing within a transaction: begin on a new connection


def _check_foreign_keys(tx: Transaction) -> None:
    broken: Any = tx.execute(sa.text("PRAGMA foreign_key_check")).first()
    if broken is not None:
        raise RuntimeError(f"the migration left a row of {broken[0]} that refers to no row of {broken[2]}")
