"""The limits that a reader of strangers' files sets itself, in a process of its own (`book.harmless`)."""

from __future__ import annotations

import math
import os
import resource
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

_HARD_KILL_AFTER_SECONDS: Final = 0.5


def address_space() -> int:
    """Bytes of address space that the process has now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib is not loaded here
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux, and no limit there either
        return 1 << 40


def limit_memory(most_bytes: int) -> None:
    """Lets the process have so much address space in all, and leave no core.

    Not enforced on macOS; there the other limits remain.
    """
    _limit(resource.RLIMIT_AS, most_bytes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor_time(budget_seconds: float, out_of_time: Callable[[], NoReturn]) -> None:
    """Has the process answer by `out_of_time` when it has spent so much more processor time.

    If C code does not let it answer, the kernel kills it a moment later.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(
        resource.RLIMIT_CPU,
        math.ceil(used.ru_utime + used.ru_stime + budget_seconds + _HARD_KILL_AFTER_SECONDS),
    )

    def on_signal(_signal: int, _frame: FrameType | None) -> NoReturn:
        # It answers and ends the process: an exception a library might catch, and go on.
        out_of_time()

    signal.signal(signal.SIGPROF, on_signal)
    signal.setitimer(signal.ITIMER_PROF, budget_seconds)


def give_up_files() -> None:
    """No file, socket or pipe can be opened any more, by Python or by C code: the kernel answers EMFILE."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def answer(*parts: bytes) -> NoReturn:
    """Writes the parts to standard output and ends the process."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(1, view) :]
    # Not sys.exit: the trees of a large book take seconds to free, and nothing is left to flush.
    os._exit(0)


def _limit(what: int, most: int) -> None:
    """The soft limit, no higher than the hard one, which cannot be raised."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
