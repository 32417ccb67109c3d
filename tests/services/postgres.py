"""PostgreSQL: the server of this machine, or a private one that can be crashed."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import psycopg

from tests.services.process import HOST, MissingServerError, Process, ServerFolder, find_program, free_port

STANDARD_PORT = 5432
StopMode = Literal["smart", "fast", "immediate"]
_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def running_server() -> str | None:
    """The URL of a server on the standard port in which we may create databases, or None.

    PGHOST, PGUSER and PGPASSWORD count, as libpq reads them; then the users of a fresh installation.
    """
    users = ("postgres", "postgres:postgres", pwd.getpwuid(os.getuid()).pw_name)
    candidates = [f"postgresql://{user}@{HOST}:{STANDARD_PORT}/postgres" for user in users]
    for url in ("postgresql:///postgres", *candidates):
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                row = connection.execute(
                    "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.OperationalError:
            continue
        if row is not None and row[0]:
            return url
    return None


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new, empty database, dropped afterwards even while connections are open."""
    name = f"lectorium_test_{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield server_url.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return find_program(name, *map(str, reversed(folders)), package="postgresql")


class PrivatePostgres:
    """A server of our own: `url`, `stop("immediate")`, `start()`, `restart("immediate")`, `kill()`.

    With `durable=False` it does not fsync: a crash of the *server* still loses nothing, a power cut would.
    """

    def __init__(self, *, durable: bool = False) -> None:
        """Make the cluster and start it."""
        initdb = _program("initdb")
        self._postgres = _program("postgres")
        self._user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
        self._folder = ServerFolder("postgres", self._user)
        self._cluster = self._folder.path / "cluster"
        self._durable = durable
        self._process: Process | None = None
        self.port = free_port()
        self.url = f"postgresql://lectorium@{HOST}:{self.port}/lectorium"
        try:
            self._initialise(initdb)
            self.start()
            with psycopg.connect(f"{self.url.rsplit('/', 1)[0]}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE lectorium")
        except BaseException:
            self.close()
            raise

    def _initialise(self, initdb: str) -> None:
        flags = (
            "--username=lectorium --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
        )
        done = subprocess.run(
            [initdb, "-D", str(self._cluster), *flags.split()],
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._folder.path,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MissingServerError(f"initdb failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Start it on the same port and wait until it takes connections, crash recovery included."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self._durable else "off",
            "max_connections": "200",
        }
        argv = [self._postgres, "-D", str(self._cluster)]
        for name, setting in settings.items():
            argv += ["-c", f"{name}={setting}"]
        self._process = Process(
            argv, log=self._folder.path / "log", user=self._user, death_signal=signal.SIGQUIT
        )
        self._process.wait_until_listening(self.port)
        give_up = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url.rsplit("/", 1)[0] + "/postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it; "immediate" is a crash of the server: no checkpoint, every connection cut."""
        if self._process is not None:
            self._process.stop(_STOP_SIGNALS[mode])
            self._process = None

    def kill(self) -> None:
        """`kill -9` the postmaster; its children notice and end."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop it for good and remove its files."""
        self.stop("immediate")
        self._folder.close()

    def __enter__(self) -> Self:
        """Itself, started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
