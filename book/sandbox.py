"""Runs the parsing of a book file in a child process that can do no harm.

Why a fresh interpreter (`subprocess`) and neither `multiprocessing` nor a fork: a Celery worker's processes
are daemonic and may not have multiprocessing children; forking a process that has threads is unsafe; a
forkserver would be one more process to keep alive. `subprocess` without `preexec_fn` uses vfork, is safe
with threads, and costs some 0.15 s a book. The result comes back as JSON over a pipe, so the child can send
us text and no objects.

The child gets the open file as its standard input, an empty environment, and limits on memory and processor
time that it sets itself before it looks at the file. Once its code is loaded it gives up opening any file or
socket at all: no path of an archive, no entity and no link can reach the disk or the network (see
`book.child`).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from book import wire
from book.errors import BookError, HostileBookError, UnreadableBookError
from book.limits import Limits
from book.structure import Book

logger = logging.getLogger(__name__)

_ERRORS: dict[str, type[BookError]] = {"unreadable": UnreadableBookError, "hostile": HostileBookError}
_LONGEST_MESSAGE = 300
_START_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from book.child import main; main(sys.argv[2:])"
)


def read_confined(path: Path, limits: Limits) -> Book:
    """The book in this file, parsed by a child process within these limits.

    Raises `UnreadableBookError` or `HostileBookError`, each with one line that begins with the file's name.
    """
    try:
        with _open_regular(path, limits) as file:
            size = os.fstat(file.fileno()).st_size
            answer, return_code = _run_child(file, path.suffix.lower(), limits, size)
            return _judge(answer, return_code, limits, size)
    except BookError as error:
        raise type(error)(_one_line(f"{path.name}: {error}")) from error.__cause__


def _open_regular(path: Path, limits: Limits) -> IO[bytes]:
    """The file, open for reading; never blocks on a FIFO and never opens a device."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise UnreadableBookError("is a folder, not a book file")
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableBookError("is not a regular file")
        # O_NONBLOCK: it may have become a FIFO since.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except FileNotFoundError:
        raise UnreadableBookError("no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableBookError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    found = os.fstat(file.fileno())
    problem: BookError | None = None
    if not stat.S_ISREG(found.st_mode):
        problem = UnreadableBookError("is not a regular file")
    elif found.st_size == 0:
        problem = UnreadableBookError("is empty")
    elif found.st_size > limits.file_bytes:
        problem = HostileBookError(
            f"has {found.st_size:,} bytes, more than the {limits.file_bytes:,} a book may have"
        )
    if problem:
        file.close()
        raise problem
    return file


def _run_child(file: IO[bytes], suffix: str, limits: Limits, size: int) -> tuple[bytes, int]:
    """What the child wrote, and its exit status; it is killed when it writes or lasts too long."""
    # -I and -S: nothing of the user's environment or site hooks runs; the path we have is passed on instead.
    import_path = [str(Path(__file__).resolve().parent.parent), *(entry for entry in sys.path if entry)]
    command = [
        sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START_CHILD,
        json.dumps(import_path), suffix, json.dumps(dataclasses.asdict(limits)),
    ]  # fmt: skip
    deadline = (
        time.monotonic()
        + limits.wall_seconds_base
        + limits.wall_seconds_factor * limits.cpu_budget_seconds(size)
    )
    # Twelve bytes of JSON a character is the worst case; blocks and names come on top.
    most_bytes = limits.characters * 12 + limits.cover_bytes
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
    ) as child:
        try:
            answer = _read_bounded(child.stdout, deadline, most_bytes) if child.stdout else b""
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise HostileBookError("reading it took too long") from error
        finally:
            child.kill()
    return answer, child.returncode


def _read_bounded(pipe: IO[bytes], deadline: float, most_bytes: int) -> bytes:
    received = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk_bytes = os.read(pipe.fileno(), 1 << 16)
            if not chunk_bytes:
                return bytes(received)
            received += chunk_bytes
            if len(received) > most_bytes:
                raise HostileBookError("unfolds to more text than a book may have")


def _judge(answer: bytes, return_code: int, limits: Limits, size: int) -> Book:
    """The book in the child's answer, or the error it stands for."""
    if return_code == -signal.SIGXCPU or return_code == -signal.SIGKILL:
        raise HostileBookError(
            f"reading it took more than {limits.cpu_budget_seconds(size):.1f} s of processor time"
        )
    if return_code != 0 or not answer:
        raise HostileBookError(f"made its reader crash ({_exit_name(return_code)})")
    tag, _, rest = answer.partition(b"\n")
    try:
        if tag == b"book":
            return wire.unpack(rest)
        failure: dict[str, Any] = json.loads(rest)
        error_type, message, trace = _ERRORS[failure["error"]], str(failure["message"]), failure.get("trace")
    except (ValueError, KeyError, TypeError) as error:
        raise HostileBookError("made its reader answer nonsense") from error
    if trace:
        logger.debug("reading a book failed in the child process:\n%s", trace)
    raise error_type(message)


def _exit_name(return_code: int) -> str:
    if return_code >= 0:
        return f"exit status {return_code}"
    try:
        return signal.Signals(-return_code).name
    except ValueError:
        return f"signal {-return_code}"


def _one_line(message: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
