"""The reading process: sets its own limits, loads one reader, gives up the disk and the network, parses.

Started by `book.sandbox` with the book file as standard input; writes one answer to standard output:
`book` and the packed book, or `error` and JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import NoReturn

from book.errors import BookError, HostileBookError, UnreadableBookError
from book.limited import answer, give_up_files, limit_memory, limit_processor_time
from book.limits import MIB, Limits


def main(arguments: list[str]) -> NoReturn:
    """Reads the book on standard input, answers on standard output, ends the process. Never returns."""
    suffix, limits_json = arguments
    limits = Limits(**json.loads(limits_json))
    try:
        answer(b"book\n", _read(suffix, limits))
    except MemoryError:
        _fail(HostileBookError(f"needs more than {limits.memory_bytes // MIB} MiB of memory to read"))
    except RecursionError:
        _fail(HostileBookError("is nested too deeply"), traceback.format_exc(limit=-8))
    except BookError as error:
        _fail(error)
    except Exception as error:  # noqa: BLE001 - the border: whatever a library raised becomes one line
        _fail(
            UnreadableBookError(f"is broken: {type(error).__name__}: {error}"),
            traceback.format_exc(limit=-12),
        )


def _read(suffix: str, limits: Limits) -> bytes:
    limit_memory(limits.memory_bytes)
    # A page may nest as deep as the limit allows, at some four calls a level.
    sys.setrecursionlimit(1000 + 5 * limits.depth)
    # Text inside a message or a title never becomes an integer of a million digits.
    sys.set_int_max_str_digits(4300)
    file = os.fdopen(0, "rb", closefd=False)
    size = os.fstat(0).st_size
    _limit_processor_time(limits, size)
    from book import wire
    from book.readers import detect, load_reader

    read_book = load_reader(detect(file, suffix, limits))
    # The reader's code is loaded: its start counts no longer, and from here on nothing can be opened.
    _limit_processor_time(limits, size)
    give_up_files()
    file.seek(0)
    return wire.pack(read_book(file, limits))


def _limit_processor_time(limits: Limits, size: int) -> None:
    seconds = limits.cpu_budget_seconds(size)

    def out_of_time() -> NoReturn:
        _fail(HostileBookError(f"reading it took more than {seconds:.1f} s of processor time"))

    limit_processor_time(seconds, out_of_time)


def _fail(error: BookError, trace: str = "") -> NoReturn:
    kind = "hostile" if isinstance(error, HostileBookError) else "unreadable"
    failure = {"error": kind, "message": str(error)[:2000], "trace": trace}
    answer(b"error\n", json.dumps(failure).encode())
