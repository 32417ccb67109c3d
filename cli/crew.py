"""The child processes of `read` and `up`: started, restarted when they die, stopped together.

The crew has no thread of its own: whoever waits for something calls `tend` every now and then.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from cli import leash
from cli.errors import CrewError
from jobs.settings import Settings, child_environment

ALL_KINDS: Final = "plan,synthesize,master,bind,prepare,train,publish,export,pull,deliver"
ALL_BUT_SYNTHESIZE: Final = "plan,master,bind,deliver"
SMALL: Final = 3
"""Up to so many workers each takes every kind of step: none may stand idle."""
EARLY_SECONDS: Final = 10.0
"""Who dies sooner than this after its start waits before the next one, each time twice as long."""
WAITS: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MOST_EARLY_DEATHS: Final = 6
"""After so many in a row with nothing achieved between them, the crew gives up."""
PATIENCE_SECONDS: Final = 12.0
"""A worker stops within 10 seconds of SIGTERM; what has not done so by now is killed."""
OURS: Final = "-- "
"""What the crew's own lines in a log begin with."""
LOG_BYTES: Final = 10_000_000
"""A log larger than this is set aside at the next start."""


@dataclass(frozen=True, slots=True)
class Post:
    """What one child process does."""

    name: str
    """"worker 1", "api": for messages."""
    module: str
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class _Hand:
    """A post and the process that fills it."""

    post: Post
    log: IO[bytes]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    n_early_deaths: int = 0
    not_before: float = 0.0


def worker_posts(n_workers: int) -> list[Post]:
    """The posts of this many workers. From four on, one keeps its hands free for plans and masters."""
    kinds = [ALL_KINDS] * n_workers
    if n_workers > SMALL:
        kinds[0] = ALL_BUT_SYNTHESIZE
    return [Post(f"worker {n}", "worker", ("--kinds", k)) for n, k in enumerate(kinds, start=1)]


def n_cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Crew:
    """Child processes, one for each post. A context: inside it they run, after it none does."""

    posts: Sequence[Post]
    settings: Settings
    """What the children get as their settings."""
    logs: Path
    """The folder of what they print, a file for each post."""
    _hands: list[_Hand] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._hands = [_Hand(post, self._open_log(post)) for post in self.posts]
        try:
            for hand in self._hands:
                self._start(hand)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def tend(self) -> list[str]:
        """Restarts whoever died, after a wait if it died early; says so in one line for each.

        Raises:
            CrewError: one post keeps dying at its start, and `praise` was not called meanwhile.
        """
        lines = []
        now = time.monotonic()
        for hand in self._hands:
            if hand.process is not None and hand.process.poll() is not None:
                lines.append(self._bury(hand, now))
            if hand.process is None and now >= hand.not_before:
                self._start(hand)
        return lines

    def praise(self) -> None:
        """Work is getting done: whatever died early so far is forgiven."""
        for hand in self._hands:
            hand.n_early_deaths = 0

    def pids(self) -> dict[str, int]:
        """The process of each post that is filled just now."""
        return {hand.post.name: hand.process.pid for hand in self._hands if hand.process is not None}

    def stop(self, *, at_once: bool = False) -> None:
        """Asks everyone to stop and waits; kills who does not. `at_once`, or Ctrl-C meanwhile: kills."""
        try:
            self._ask_to_stop()
            if not at_once:
                self._wait(PATIENCE_SECONDS)
        except KeyboardInterrupt:
            pass  # asked twice: the waiting is over
        finally:
            self._kill()
            for hand in self._hands:
                hand.log.close()
            self._hands = []

    def _start(self, hand: _Hand) -> None:
        hand.started_at = time.monotonic()
        # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the children in order.
        hand.process = subprocess.Popen(
            leash.command(os.getpid(), hand.post.module, hand.post.arguments),
            stdin=subprocess.DEVNULL,
            stdout=hand.log,
            stderr=hand.log,
            env=child_environment(self.settings),
            start_new_session=True,
        )
        _note(hand, f"started as process {hand.process.pid}")

    def _bury(self, hand: _Hand, now: float) -> str:
        assert hand.process is not None  # noqa: S101 - the caller has just polled it
        status = hand.process.returncode
        _kill_session(hand.process.pid)
        hand.process = None
        cause = (
            f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        )
        if now - hand.started_at > EARLY_SECONDS:
            hand.n_early_deaths = 0
        wait = WAITS[min(hand.n_early_deaths, len(WAITS) - 1)]
        hand.n_early_deaths += 1
        hand.not_before = now + wait
        line = f"{hand.post.name} {cause}; it is started again"
        _note(hand, cause)
        if hand.n_early_deaths >= MOST_EARLY_DEATHS:
            raise CrewError(
                f"{hand.post.name} {cause}, for the {hand.n_early_deaths}th time in a row: "
                f"{_last_words(hand)} (log: {hand.log.name})"
            )
        return line

    def _open_log(self, post: Post) -> IO[bytes]:
        path = self.logs / f"{post.name.replace(' ', '-')}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def _ask_to_stop(self) -> None:
        for hand in self._hands:
            if hand.process is not None and hand.process.poll() is None:
                hand.process.terminate()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for hand in self._hands:
            if hand.process is not None:
                try:
                    hand.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _note(hand, f"did not stop within {seconds:.0f} s")

    def _kill(self) -> None:
        for hand in self._hands:
            if hand.process is None:
                continue
            _kill_session(hand.process.pid)
            hand.process.wait()
            hand.process = None


def _note(hand: _Hand, line: str) -> None:
    hand.log.write(f"{OURS}{line}\n".encode())
    hand.log.flush()


def _last_words(hand: _Hand) -> str:
    """The last line of the log that is not our own."""
    text = Path(hand.log.name).read_text(encoding="utf-8", errors="replace")
    said = [line.strip() for line in text.splitlines()[-200:] if line.strip() and not line.startswith(OURS)]
    return said[-1][:300] if said else "it said nothing"


def _kill_session(leader_pid: int) -> None:
    """Kills what is left of a child and of all that it started: each child leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):  # the usual case: all of it has ended
        os.killpg(leader_pid, signal.SIGKILL)
