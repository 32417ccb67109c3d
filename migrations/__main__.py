"""`python -m migrations "Add a column"`: writes the next revision from what the tables lack."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from jobs.ledger.database import Database
from jobs.migrate import head, upgrade


def main(message: str) -> Path:
    """The new revision's file: what Alembic found to change, for you to read and correct."""
    folder = Path(__file__).parent
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/ledger.sqlite3"
        upgrade(url)
        database = Database(url, n_connections=1)
        with database.write() as tx:
            config.attributes["connection"] = tx.connection
            number = f"{int(head()) + 1:04d}"
            command.revision(config, message, autogenerate=True, rev_id=number)
        database.close()
    slug = "_".join(re.findall(r"\w+", message.lower()))[:40]
    (written,) = (folder / "versions").glob(f"{number}_{slug}*.py")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(written)], check=True)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('usage: python -m migrations "What the revision does"')
    sys.stdout.write(f"{main(sys.argv[1])}\n")
