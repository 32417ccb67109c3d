"""Has a voice file read by a child process that can do no harm, and checks what comes back.

A fresh interpreter gets the open file as its standard input, an empty environment and no path to anything;
it sets itself limits on memory and processor time, and gives up the disk and the network before torch sees
the file (`models_store.upstream.container`). What it answers is safetensors, which this process writes to
the disk and has the safetensors library check. `book.sandbox` says why a fresh interpreter and no fork.
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
from typing import IO, Any, Final

from models_store.upstream.archive import MOST_FILE_BYTES
from models_store.upstream.errors import HostileFileError, UpstreamFileError

_START_CHILD: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    " from models_store.upstream.container import main; main(sys.argv[2:])"
)
_WALL_SECONDS: Final = 600.0
"""The child's own limits are of processor time; this one is for a machine that gives it none."""
_LONGEST_VERDICT: Final = 1 << 14
_LONGEST_MESSAGE: Final = 300


def read_confined(path: Path, part: str, target: Path) -> None:
    """Writes the half of a voice in this file to `target`, as safetensors with upstream's container.

    Args:
        path: upstream's `.ckpt` or `.pth`.
        part: `contents.GPT` or `contents.SOVITS`, which half it must be, or `contents.BACKBONE`.
        target: a file that does not exist yet.

    Raises:
        UpstreamFileError: it is not that half; one line that begins with the file's name.
        HostileFileError: it tries to be more than a container of tensors.
    """
    try:
        with _open_regular(path) as file:
            _run_child(file, part, target)
    except UpstreamFileError as error:
        target.unlink(missing_ok=True)
        raise type(error)(_one_line(f"{path.name}: {error}")) from error.__cause__


def _open_regular(path: Path) -> IO[bytes]:
    """The file, open for reading; never blocks on a FIFO and never opens a device."""
    try:
        if not path.is_file():
            raise UpstreamFileError("is a folder" if path.is_dir() else "no such file")
        # O_NONBLOCK: it may have become a FIFO since.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UpstreamFileError(f"cannot be opened: {reason}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UpstreamFileError("is not a regular file")
    return file


def _run_child(file: IO[bytes], part: str, target: Path) -> None:
    # -I and -S: nothing of the user's environment or site hooks runs; the path we have is passed on instead.
    import_path = [str(Path(__file__).resolve().parents[2]), *(entry for entry in sys.path if entry)]
    command = [
        sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START_CHILD, json.dumps(import_path), part
    ]  # fmt: skip
    deadline = time.monotonic() + _WALL_SECONDS
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
    ) as child:
        try:
            answer = _blocks(child.stdout, deadline) if child.stdout else iter(())
            verdict, rest = _verdict(answer)
            if verdict.get("done") is True:
                _write(target, rest, answer)
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise HostileFileError("took too long to read") from error
        finally:
            child.kill()
    if child.returncode:
        raise HostileFileError(f"made its reader crash ({_exit_name(child.returncode)})")
    if "error" in verdict:
        kind = HostileFileError if verdict.get("hostile") else UpstreamFileError
        raise kind(str(verdict["error"]))
    if not target.exists():
        raise HostileFileError("made its reader answer nonsense")


def _blocks(pipe: IO[bytes], deadline: float) -> Iterator[bytes]:
    """What comes out of the pipe, until its end."""
    n_bytes = 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            block = os.read(pipe.fileno(), 1 << 20)
            if not block:
                return
            n_bytes += len(block)
            if n_bytes > 2 * MOST_FILE_BYTES:
                raise HostileFileError("unfolds to more than a voice")
            yield block


def _verdict(answer: Iterator[bytes]) -> tuple[dict[str, Any], bytes]:
    """The first line of the child's answer, and what of the rest has come with it; {} if it said nothing."""
    received = b""
    for block in answer:
        received += block
        if b"\n" in received:
            line, _, rest = received.partition(b"\n")
            try:
                verdict = json.loads(line)
            except ValueError:
                break
            return (verdict, rest) if isinstance(verdict, dict) else ({}, b"")
        if len(received) > _LONGEST_VERDICT:
            break
    return {}, b""


def _write(target: Path, first: bytes, answer: Iterator[bytes]) -> None:
    with target.open("xb") as file:
        file.write(first)
        for block in answer:
            file.write(block)


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
