"""Redis: a numbered database of this machine's server, or a private server that can be killed and flushed."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import redis

from tests.services.process import HOST, Process, ServerFolder, find_program, free_port

STANDARD_PORT = 6379
OWNER_KEY = "lectorium-test:owner"
OWNED_FOR_SECONDS = 2 * 3600


@contextmanager
def own_database() -> Iterator[str | None]:
    """The URL of a numbered database of the running server that is ours alone, emptied afterwards.

    None when there is no server that lets us in, or no empty database.

    A key in it marks it as taken; it lapses after two hours, so a killed test run blocks nobody for ever.
    """
    owner = f"{os.getpid()}-{secrets.token_hex(4)}"
    for number in range(15, 0, -1):
        client = redis.Redis(HOST, STANDARD_PORT, db=number, socket_timeout=2, socket_connect_timeout=2)
        try:
            mine = client.set(OWNER_KEY, owner, nx=True, ex=OWNED_FOR_SECONDS)
            if mine and client.dbsize() == 1:
                try:
                    yield f"redis://{HOST}:{STANDARD_PORT}/{number}"
                finally:
                    client.flushdb()
                return
            if mine:
                client.delete(OWNER_KEY)
        except redis.ConnectionError:
            break
        except redis.ResponseError:  # a password, or fewer databases than sixteen
            continue
        finally:
            client.close()
    yield None


class PrivateRedis:
    """A server of our own with an append-only file, to be killed, paused, flushed and started again."""

    def __init__(self) -> None:
        """Start it."""
        self._program = find_program("redis-server", package="redis-server")
        self._folder = ServerFolder("redis")
        self._process: Process | None = None
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start it on the same port; what the append-only file holds is there again."""
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self._folder.path),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        argv = [self._program]
        for name, setting in settings.items():
            argv += [f"--{name}", setting]
        self._process = Process(argv, log=self._folder.path / "log")
        self._process.wait_until_listening(self.port)

    def kill(self) -> None:
        """`kill -9`; connections are cut, the port refuses."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def stop(self) -> None:
        """Stop it in good order."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM)
            self._process = None

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send(signal.SIGCONT)

    def flushall(self) -> None:
        """Every key gone, in every database."""
        with redis.Redis(HOST, self.port) as client:
            client.flushall()

    def close(self) -> None:
        """Kill it for good and remove its files."""
        self.kill()
        self._folder.close()

    def __enter__(self) -> Self:
        """Itself, started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
