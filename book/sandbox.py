"""Runs the parsing of a book file in a child process that can do no harm (`book.harmless`, `book.child`).

Once its code is loaded the child gives up opening any file or socket at all: no path of an archive, no entity
and no link can reach the disk or the network. The result comes back as JSON, so the child can send us text
and no objects.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import IO, Any

from book import wire
from book.errors import BookError, HostileBookError, UnreadableBookError
from book.harmless import (
    UnopenedError,
    answer_of,
    exit_name,
    one_line,
    open_regular,
    start_reader,
    wait_for_end,
)
from book.limits import Limits
from book.structure import Book

logger = logging.getLogger(__name__)

_ERRORS: dict[str, type[BookError]] = {"unreadable": UnreadableBookError, "hostile": HostileBookError}


def read_confined(path: Path, limits: Limits) -> Book:
    """The book in this file, parsed by a child process within these limits.

    Raises `UnreadableBookError` or `HostileBookError`, each with one line that begins with the file's name.
    """
    try:
        with _open(path, limits) as file:
            size = os.fstat(file.fileno()).st_size
            answer, return_code = _run_child(file, path.suffix.lower(), limits, size)
            return _judge(answer, return_code, limits, size)
    except BookError as error:
        raise type(error)(one_line(f"{path.name}: {error}")) from error.__cause__


def _open(path: Path, limits: Limits) -> IO[bytes]:
    """The file, open for reading, if it may be a book by its size."""
    try:
        file = open_regular(path)
    except UnopenedError as error:
        raise UnreadableBookError(str(error)) from error.__cause__
    n_bytes = os.fstat(file.fileno()).st_size
    if 0 < n_bytes <= limits.file_bytes:
        return file
    file.close()
    if n_bytes == 0:
        raise UnreadableBookError("is empty")
    raise HostileBookError(f"has {n_bytes:,} bytes, more than the {limits.file_bytes:,} a book may have")


def _run_child(file: IO[bytes], suffix: str, limits: Limits, size: int) -> tuple[bytes, int]:
    """What the child wrote, and its exit status; it is killed when it writes or lasts too long."""
    deadline = (
        time.monotonic()
        + limits.wall_seconds_base
        + limits.wall_seconds_factor * limits.cpu_budget_seconds(size)
    )
    # Twelve bytes of JSON a character is the worst case; blocks and names come on top.
    most_bytes = limits.characters * 12 + limits.cover_bytes
    arguments = [suffix, json.dumps(dataclasses.asdict(limits))]
    answer = bytearray()
    with start_reader("book.child", arguments, file) as child:
        try:
            for block in answer_of(child, deadline):
                answer += block
                if len(answer) > most_bytes:
                    raise HostileBookError("unfolds to more text than a book may have")
            return bytes(answer), wait_for_end(child, deadline)
        except TimeoutError as error:
            raise HostileBookError("reading it took too long") from error
        finally:
            child.kill()


def _judge(answer: bytes, return_code: int, limits: Limits, size: int) -> Book:
    """The book in the child's answer, or the error it stands for."""
    if return_code == -signal.SIGXCPU or return_code == -signal.SIGKILL:
        raise HostileBookError(
            f"reading it took more than {limits.cpu_budget_seconds(size):.1f} s of processor time"
        )
    if return_code != 0 or not answer:
        raise HostileBookError(f"made its reader crash ({exit_name(return_code)})")
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
