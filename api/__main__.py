"""`python -m api`: the HTTP server, gunicorn with threads, settings from the environment.

One process: its threads wait for the ledger, the object store and clients, and compute next to nothing. So
the limits and the counters in its memory are the whole server's. For more, run more servers: each is scraped
by itself, and all that must be shared is in the ledger.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from apiflask import APIFlask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import disable_created_metrics

from api.app import create_app
from api.office import MOST_SPEECHES, MOST_STREAMS, Office
from jobs.errors import SettingsError
from jobs.logs import set_up_logs
from jobs.settings import Settings, read_settings

GRACE_SECONDS: Final = 20
"""How long a request that is being answered may take when the server is told to stop."""


class Lines(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log, in our form and place."""

    def setup(self, cfg: Any) -> None:
        """Hands its lines on to the root logger."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class Worker(ThreadWorker):  # type: ignore[misc]
    """The process that serves: when told to stop, it ends its event streams first."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: no new requests, and those that only wait for events end now."""
        office: Office = self.wsgi.extensions["lectorium"]
        office.closing.set()
        super().handle_exit(sig, frame)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, told everything here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """What we want otherwise than gunicorn's defaults."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        wanted = {
            "bind": [f"{host}:{self._settings.port}"],
            "worker_class": Worker,
            "workers": 1,
            "threads": self._settings.api_threads + MOST_STREAMS + MOST_SPEECHES,  # each holds one
            "worker_connections": 1000,
            "keepalive": 15,
            "graceful_timeout": GRACE_SECONDS,
            "logger_class": Lines,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": announce,
            "proc_name": "lectorium-api",
        }
        for name, value in wanted.items():
            self.cfg.set(name, value)

    def load(self) -> APIFlask:
        """The app, made in the serving process: connections must not cross a fork."""
        return create_app(self._settings)


def announce(server: Arbiter) -> None:
    """One line with the address, the port being the one that was really taken."""
    host, port = server.LISTENERS[0].sock.getsockname()[:2]
    sys.stdout.write(f"http://{f'[{host}]' if ':' in host else host}:{port}\n")
    sys.stdout.flush()


def main() -> None:
    """Serves until SIGTERM or SIGINT; exit code 2 and one line when a setting is wrong."""
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    set_up_logs(settings)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs; twice the series for nothing
    logging.captureWarnings(capture=True)
    Server(settings).run()


if __name__ == "__main__":
    main()
