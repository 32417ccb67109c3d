"""Has a voice file read by a child process that can do no harm, and checks what comes back.

The child (`book.harmless`) gives up the disk and the network before torch sees the file
(`models_store.upstream.container`). What it answers is safetensors, which this process writes to the disk and
has the safetensors library check.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from book.harmless import (
    UnopenedError,
    answer_of,
    exit_name,
    one_line,
    open_regular,
    start_reader,
    wait_for_end,
)
from models_store.upstream.archive import MOST_FILE_BYTES
from models_store.upstream.errors import HostileFileError, UpstreamFileError

_WALL_SECONDS: Final = 600.0
"""The child's own limits are of processor time; this one is for a machine that gives it none."""
_LONGEST_VERDICT: Final = 1 << 14


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
        with _open(path) as file:
            _run_child(file, part, target)
    except UpstreamFileError as error:
        target.unlink(missing_ok=True)
        raise type(error)(one_line(f"{path.name}: {error}")) from error.__cause__


def _open(path: Path) -> IO[bytes]:
    try:
        return open_regular(path)
    except UnopenedError as error:
        raise UpstreamFileError(str(error)) from error.__cause__


def _run_child(file: IO[bytes], part: str, target: Path) -> None:
    deadline = time.monotonic() + _WALL_SECONDS
    with start_reader("models_store.upstream.container", [part], file) as child:
        try:
            answer = _bounded(answer_of(child, deadline))
            verdict, rest = _verdict(answer)
            if verdict.get("done") is True:
                _write(target, rest, answer)
            return_code = wait_for_end(child, deadline)
        except TimeoutError as error:
            raise HostileFileError("took too long to read") from error
        finally:
            child.kill()
    if return_code:
        raise HostileFileError(f"made its reader crash ({exit_name(return_code)})")
    if "error" in verdict:
        kind = HostileFileError if verdict.get("hostile") else UpstreamFileError
        raise kind(str(verdict["error"]))
    if not target.exists():
        raise HostileFileError("made its reader answer nonsense")


def _bounded(answer: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, as long as they can be a voice's."""
    n_bytes = 0
    for block in answer:
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
