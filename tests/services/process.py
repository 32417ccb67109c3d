"""Child processes that cannot outlive us, and the ports they listen on. Linux only (PR_SET_PDEATHSIG)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class MissingServerError(RuntimeError):
    """A server is not running, not installed or does not start; the message says what to do about it."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 nobody listens on now; the caller must bind it soon."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_listening(port: int, host: str = HOST) -> bool:
    """Whether a connection to the port succeeds within a second."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def find_program(name: str, *folders: str, package: str) -> str:
    """The program's path, from PATH, then `folders`; otherwise one line naming Debian's package."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise MissingServerError(f"{name} is not installed: apt-get install {package}")
    return found


class Process:
    """One server process with a log, in a process group of its own.

    `death_signal` is what the kernel sends it when the *thread* that started it ends: start servers from a
    thread that lives as long as they should.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        user: str | None = None,
        environment: dict[str, str] | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start it; `environment` is added to ours, `user` is who it runs as (we must be root)."""
        self.log = log
        self.argv = list(argv)

        def die_with_parent() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)

        with log.open("ab") as sink:
            self._popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=os.environ | (environment or {}),  # noqa: TID251 - a child inherits our environment
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                preexec_fn=die_with_parent,  # noqa: PLW1509 - prctl allocates nothing and takes no lock
            )

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._popen.pid

    def wait_until_listening(self, port: int, seconds: float = 30) -> None:
        """Return once the port answers; MissingServerError with the log's end when it dies or is too slow."""
        give_up = time.monotonic() + seconds
        while not is_listening(port):
            if self._popen.poll() is not None or time.monotonic() > give_up:
                self.kill()
                tail = self.log.read_text(errors="replace")[-1500:].strip()
                raise MissingServerError(f"{self.argv[0]} did not start on port {port}: {tail}")
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; no error when it is gone."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """Ask it to end, then kill the whole group."""
        self.send(number)
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


class ServerFolder:
    """A temporary folder for one server's files, owned by `user` when given; removed on `close`.

    What killed processes left behind is removed when the next folder is made: the name holds its maker's pid.
    """

    def __init__(self, name: str, user: str | None = None) -> None:
        """Make it outside pytest's folders, which other users may not enter."""
        for left in Path(tempfile.gettempdir()).glob("lectorium-server-*"):
            if not psutil.pid_exists(int(left.name.split("-")[2])):
                shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=f"lectorium-server-{os.getpid()}-{name}-"))
        if user is not None:
            shutil.chown(self.path, user, user)

    def close(self) -> None:
        """Remove it with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
