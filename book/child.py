"""The reading process: sets its own limits, loads one reader, gives up the disk and the network, parses.

Started by `book.sandbox` with the book file as standard input; writes one answer to standard output:
`book` and the packed book, or `error` and JSON.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

from book.errors import BookError, HostileBookError, UnreadableBookError
from book.limits import MIB, Limits

_HARD_KILL_AFTER_SECONDS = 0.3


def main(arguments: list[str]) -> NoReturn:
    """Reads the book on standard input, answers on standard output, ends the process. Never returns."""
    suffix, limits_json = arguments
    limits = Limits(**json.loads(limits_json))
    try:
        _answer(b"book\n" + _read(suffix, limits))
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
    _limit_memory(limits)
    file = os.fdopen(0, "rb", closefd=False)
    size = os.fstat(0).st_size
    _limit_processor_time(limits.cpu_budget_seconds(size))
    from book import wire
    from book.readers import detect, load_reader

    read_book = load_reader(detect(file, suffix, limits))
    # The reader's code is loaded: its start counts no longer, and from here on nothing can be opened.
    _limit_processor_time(limits.cpu_budget_seconds(size))
    _give_up_files()
    file.seek(0)
    return wire.pack(read_book(file, limits))


def _limit_memory(limits: Limits) -> None:
    # Address space is not enforced on macOS; there the processor time and the reader's own counts remain.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = limits.memory_bytes if hard == resource.RLIM_INFINITY else min(limits.memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A page may nest as deep as the limit allows, at some four calls a level.
    sys.setrecursionlimit(1000 + 5 * limits.depth)
    # Text inside a message or a title never becomes an integer of a million digits.
    sys.set_int_max_str_digits(4300)


def _limit_processor_time(budget_seconds: float) -> None:
    """A clear answer after the budget; the kernel's kill a moment later if C code does not let us answer."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    used_seconds = used.ru_utime + used.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = math.ceil(used_seconds + budget_seconds + _HARD_KILL_AFTER_SECONDS)
    resource.setrlimit(
        resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )

    def out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
        # No exception: the libraries catch those, and the loop would go on.
        _fail(HostileBookError(f"reading it took more than {budget_seconds:.1f} s of processor time"))

    signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, budget_seconds)


def _give_up_files() -> None:
    """No file, socket or pipe can be opened any more, by Python or by C code: the kernel answers EMFILE."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _fail(error: BookError, trace: str = "") -> NoReturn:
    kind = "hostile" if isinstance(error, HostileBookError) else "unreadable"
    failure = {"error": kind, "message": str(error)[:2000], "trace": trace}
    _answer(b"error\n" + json.dumps(failure).encode())


def _answer(answer: bytes) -> NoReturn:
    signal.setitimer(signal.ITIMER_PROF, 0)
    view = memoryview(answer)
    while view:
        view = view[os.write(1, view) :]
    # Not sys.exit: the trees of a large book take seconds to free, and nothing is left to flush.
    os._exit(0)
