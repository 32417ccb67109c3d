"""`python -m worker`: a worker with the settings of the environment; `lectorium worker` starts this."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

from jobs.errors import LedgerUnavailableError, SettingsError
from jobs.logs import set_up_logs
from jobs.settings import Settings, hand_down, read_settings


def main() -> int:
    """Runs until told to stop; 2 for impossible settings, and for a ledger older than the program."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="A Lectorium worker.")
    parser.add_argument("--kinds", help="comma list of plan, synthesize, master, bind, deliver; default: all")
    arguments = parser.parse_args()
    try:
        settings = read_settings()
        if arguments.kinds:
            settings = settings.with_kinds(arguments.kinds.split(","))
        check_revision(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line a user gets
        return 2
    if {"master", "bind"} & set(settings.kinds) and find_spec("mutagen") is None:
        print("tags are written by mutagen: pip install 'lectorium[worker]'", file=sys.stderr)  # noqa: T201
        return 2
    hand_down(settings)
    set_up_logs(settings)
    from worker.app import serve  # after the settings: Celery takes a second to import

    serve(settings)
    return 0


def check_revision(settings: Settings) -> None:
    """Nothing, if the ledger has this program's tables or does not answer: it may come, and work waits.

    Raises:
        SettingsError: the ledger answers and is older than the program, or its address is of no ledger.
    """
    from jobs.ledger.database import Database  # after the settings: SQLAlchemy and Celery take a second
    from jobs.migrate import head, is_current

    try:
        database = Database(settings.ledger_url, n_connections=1)
    except OSError as error:
        raise SettingsError(f"the ledger's folder: {error}") from error
    try:
        if not is_current(database):
            raise SettingsError(f"the ledger is older than revision {head()}: run `lectorium migrate`")
    except LedgerUnavailableError:
        return
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
