"""What every command opens first: the ledger, migrated if it is the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.errors import CommandError, InputError
from jobs.ledger import Ledger
from jobs.settings import Settings


@dataclass(frozen=True, slots=True)
class Home:
    """An open ledger and whom the command line speaks for."""

    settings: Settings
    ledger: Ledger
    tenant_id: str


@contextmanager
def open_home(settings: Settings) -> Iterator[Home]:
    """The ledger, open until the end of the block.

    The embedded ledger is made and migrated on the way. A database server is an operator's: its migrations
    run when they say so.

    Raises:
        CommandError: the database stands at another revision than this program.
        LedgerUnavailableError: it does not answer.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"LECTORIUM_HOME: {settings.home}: {error.strerror}") from error
    if settings.ledger_url.startswith("sqlite:"):
        migrate(settings)
    with Ledger(settings) as ledger:
        _check_revision(ledger)
        yield Home(settings, ledger, ledger.keys.local().tenant_id)


def migrate(settings: Settings) -> str:
    """The revision the ledger stands at, once every migration has run."""
    from jobs.migrate import head, upgrade

    upgrade(settings.ledger_url)
    return head()


def _check_revision(ledger: Ledger) -> None:
    from jobs.migrate import head, is_current

    if not is_current(ledger.database):
        stands_at = ledger.operations.revision()
        state = f"stands at revision {stands_at}" if stands_at else "has no tables yet"
        raise CommandError(f"the ledger {state}, this program needs {head()}: run `lectorium migrate`")
