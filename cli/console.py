"""What the terminal shows: results on standard output, everything said on the way on standard error."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any


def say(line: str = "") -> None:
    """One line of the result."""
    print(line)


def tell(line: str) -> None:
    """One line about what is going on."""
    print(line, file=sys.stderr, flush=True)


def say_json(content: Any) -> None:
    """The result, for a program to read."""
    print(json.dumps(content, ensure_ascii=False, indent=2))


def clock(seconds: float) -> str:
    """ "0:07", "12:34" or "3:05:09"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def size(n_bytes: int) -> str:
    """ "813 B", "4.2 kB", "1.3 GB"."""
    amount, units = float(n_bytes), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while amount >= 1000 and unit != "TB":
        amount, unit = amount / 1000, next(units)
    return f"{n_bytes} B" if unit == "B" else f"{amount:.1f} {unit}"


def energy(kwh: float) -> str:
    """ "0.8 Wh", "12 Wh", "1.3 kWh"."""
    return f"{kwh * 1000:.2g} Wh" if kwh < 0.0995 else f"{kwh:.2f} kWh"


def count(number: int, noun: str) -> str:
    """ "1 chapter", "12 chapters", "1,200 utterances"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def moment(seconds: float | None) -> str | None:
    """A time of the ledger as RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(round(seconds, 3), UTC).isoformat()


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> None:
    """Rows under their header: drawn on a terminal, tab-separated for a pipe."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            say("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        drawn.add_column(name)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


class Stop:
    """Whether the user has asked to stop, by Ctrl-C or a signal. Nothing is interrupted half way."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.signal_number: int | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that stopped for this signal."""
        return 128 + (self.signal_number or signal.SIGINT)

    def wait(self, seconds: float) -> bool:
        """Sleeps; true, and at once, when asked to stop."""
        return self._asked.wait(seconds)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt  # asked twice: whoever waits for an orderly end waits no longer
        self.signal_number = number
        self._asked.set()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that hears SIGINT, SIGTERM and SIGHUP until the end of the block."""
    stop = Stop()
    heard = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
    before = {number: signal.signal(number, stop._hear) for number in heard}  # noqa: SLF001 - one module
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
