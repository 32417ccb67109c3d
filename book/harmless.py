"""What readers of strangers' files have in common: a child process that can do no harm, and who hears of it.

Why a fresh interpreter (`subprocess`) and neither `multiprocessing` nor a fork: a Celery worker's processes
are daemonic and may not have multiprocessing children; forking a process that has threads is unsafe; a
forkserver would be one more process to keep alive. `subprocess` without `preexec_fn` uses vfork, is safe
with threads, and costs some 0.15 s a file.

The child gets the open file as its standard input, an empty environment and no path to anything. It limits
itself (`book.limited`) before it looks at the file, and answers over a pipe: bytes, and no objects.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_START_CHILD: Final = (
    "import sys, json, importlib; sys.path[:] = json.loads(sys.argv[1]);"
    " importlib.import_module(sys.argv[2]).main(sys.argv[3:])"
)
_BLOCK_BYTES: Final = 1 << 18
_LONGEST_MESSAGE: Final = 300


class UnopenedError(Exception):
    """There is no such file, or it is none that can be read; the message says it without the file's name."""


def open_regular(path: Path) -> IO[bytes]:
    """The file, open for reading; never blocks on a FIFO and never opens a device.

    Raises:
        UnopenedError: it is no regular file, or cannot be opened.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise UnopenedError("is a folder")
        if not stat.S_ISREG(found.st_mode):
            raise UnopenedError("is not a regular file")
        # O_NONBLOCK: it may have become a FIFO since.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except FileNotFoundError:
        raise UnopenedError("no such file") from None
    except (OSError, ValueError) as error:
        raise UnopenedError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnopenedError("is not a regular file")
    return file


def start_reader(module: str, arguments: list[str], file: IO[bytes]) -> subprocess.Popen[bytes]:
    """A child that calls `main(arguments)` of a module of ours, with the file as its standard input."""
    # -I and -S: nothing of the user's environment or site hooks runs; the path we have is passed on instead.
    import_path = [str(Path(__file__).resolve().parents[1]), *(entry for entry in sys.path if entry)]
    command = [
        sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START_CHILD,
        json.dumps(import_path), module, *arguments,
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
    )


def answer_of(child: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    """What the child writes, in blocks, until it closes its pipe.

    Args:
        child: as `start_reader` started it.
        deadline: on the monotonic clock.

    Raises:
        TimeoutError: it still writes, or is silent, past the deadline.
    """
    pipe = child.stdout
    if pipe is None:
        raise ValueError("the child answers to nobody")
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            block = os.read(pipe.fileno(), _BLOCK_BYTES)
            if not block:
                return
            yield block


def wait_for_end(child: subprocess.Popen[bytes], deadline: float) -> int:
    """The child's exit status. Raises TimeoutError if it lives past the deadline."""
    try:
        return child.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


def exit_name(return_code: int) -> str:
    """How a process ended, in words: "SIGSEGV", "exit status 3"."""
    if return_code >= 0:
        return f"exit status {return_code}"
    try:
        return signal.Signals(-return_code).name
    except ValueError:
        return f"signal {-return_code}"


def one_line(message: str) -> str:
    """The message on one line of printable characters, cut where it is too long to be read."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
