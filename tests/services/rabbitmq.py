"""RabbitMQ where it is installed: the server of this machine, or a private node."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Self

from kombu import Connection

from tests.services.process import HOST, MissingServerError, Process, ServerFolder, find_program, free_port

STANDARD_PORT = 5672
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one on PATH insists on its own user and folders


def running_server() -> str | None:
    """The URL of the server on the standard port that lets a guest in, or None."""
    url = f"amqp://guest:guest@{HOST}:{STANDARD_PORT}//"
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except OSError:
        return None
    return url


class PrivateRabbitmq:
    """A node of our own, with its own epmd so that none is left running."""

    def __init__(self) -> None:
        """Start it: about five seconds."""
        if not Path(_PROGRAM).exists():
            raise MissingServerError("rabbitmq-server is not installed: apt-get install rabbitmq-server")
        epmd = find_program("epmd", package="erlang-base")
        self._folder = ServerFolder("rabbitmq")
        self.port = free_port()
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        base = str(self._folder.path)
        epmd_port = str(free_port())
        environment = {
            "HOME": base,
            "ERL_EPMD_PORT": epmd_port,
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"lectorium-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{base}/mnesia",
            "RABBITMQ_LOG_BASE": f"{base}/log",
            "RABBITMQ_PID_FILE": f"{base}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{base}/none",
            "RABBITMQ_CONF_ENV_FILE": f"{base}/none",
        }
        self._epmd: Process | None = None
        self._process: Process | None = None
        try:
            epmd_log, log = self._folder.path / "epmd.log", self._folder.path / "server.log"
            self._epmd = Process([epmd, "-port", epmd_port, "-address", HOST], log=epmd_log)
            self._process = Process([_PROGRAM], log=log, environment=environment)
            self._process.wait_until_listening(self.port, seconds=60)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill it and remove its files."""
        for process in (self._process, self._epmd):
            if process is not None:
                process.kill()
        self._folder.close()

    def __enter__(self) -> Self:
        """Itself, started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
