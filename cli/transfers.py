"""How much of a download has arrived: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cli.console import clock, size, tell
from cli.progress import LINE_SECONDS


class Transfers(Protocol):
    """Something that shows bytes on their way. Called from several threads."""

    def expect(self, n_bytes: int) -> None:
        """So many bytes will have to be here in all."""
        ...

    def found(self, n_bytes: int) -> None:
        """So many of them were here before."""
        ...

    def advance(self, n_bytes: int) -> None:
        """So many have arrived; fewer than none when a file begins anew."""
        ...

    def line(self, text: str) -> None:
        """Something worth a line."""
        ...


class Meter:
    """Counts bytes, and knows how fast they come."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.expected = self.here = 0
        self._arrived = 0
        self._began_at: float | None = None

    def count(self, n_bytes: int, *, arrived: bool) -> None:
        """So many more are here, found or just arrived. Hold the lock."""
        self.here += n_bytes
        if arrived:
            self._arrived += n_bytes
            self._began_at = self._began_at or time.monotonic()

    def figures(self) -> str:
        """ "120.0 MB of 1.1 GB · 11.2 MB/s · 1:27 left"."""
        parts = [f"{size(self.here)} of {size(self.expected)}"]
        seconds = time.monotonic() - self._began_at if self._began_at else 0.0
        if self._arrived > 0 and seconds > 0.5:
            pace = self._arrived / seconds
            parts += [f"{size(round(pace))}/s", f"{clock(max(0, self.expected - self.here) / pace)} left"]
        return " · ".join(parts)


class Lines:
    """A line every so many seconds while bytes arrive."""

    def __init__(self) -> None:
        self._meter = Meter()
        self._last_at = time.monotonic()

    def expect(self, n_bytes: int) -> None:
        """Counts them."""
        with self._meter.lock:
            self._meter.expected += n_bytes

    def found(self, n_bytes: int) -> None:
        """Counts them."""
        with self._meter.lock:
            self._meter.count(n_bytes, arrived=False)

    def advance(self, n_bytes: int) -> None:
        """Counts them, and tells the figures if it is time to."""
        with self._meter.lock:
            self._meter.count(n_bytes, arrived=True)
            if time.monotonic() - self._last_at < LINE_SECONDS:
                return
            self._last_at = time.monotonic()
            tell(self._meter.figures())

    def line(self, text: str) -> None:
        """Says it."""
        tell(text)


class Bar:
    """A bar that stays on the last line of the terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._row = self._progress.add_task("", total=None, figures="")
        self._meter = Meter()

    def start(self) -> None:
        """Draws it."""
        self._progress.start()

    def stop(self) -> None:
        """Takes it away."""
        self._progress.stop()

    def expect(self, n_bytes: int) -> None:
        """Makes it so long."""
        with self._meter.lock:
            self._meter.expected += n_bytes
            self._draw()

    def found(self, n_bytes: int) -> None:
        """Moves it."""
        with self._meter.lock:
            self._meter.count(n_bytes, arrived=False)
            self._draw()

    def advance(self, n_bytes: int) -> None:
        """Moves it."""
        with self._meter.lock:
            self._meter.count(n_bytes, arrived=True)
            self._draw()

    def line(self, text: str) -> None:
        """Puts it above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def _draw(self) -> None:
        self._progress.update(
            self._row,
            total=self._meter.expected or None,
            completed=self._meter.here,
            figures=self._meter.figures(),
        )


@contextmanager
def transfers() -> Iterator[Transfers]:
    """The display that suits standard error, there until the end of the block."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Bar()
    bar.start()
    try:
        yield bar
    finally:
        bar.stop()
