#!/usr/bin/env python3
"""Exit status 0 while the worker of this container is at work; 1 and one line if not. For probes.

A worker is a parent that receives knocks and a child that does the work. A child that cannot begin (a wrong
setting, a broken driver) ends after some seconds and is started again, for ever: so one must have lived for a
while. A child that hangs ends itself, and a ledger or broker that is away would not come back sooner if all
workers started anew: so neither is asked.
"""

from __future__ import annotations

import sys
import time

import psutil

CHILD = "from billiard.spawn import spawn_main"
"""What the command line of a pool's spawned child has, and that of its semaphore tracker has not."""
LEAST_SECONDS = 15.0
"""A child that cannot begin has ended by then."""


def oldest_child_seconds(root_pid: int) -> float:
    """How long the oldest working child below this process has lived; 0 without one."""
    began = []
    for child in psutil.Process(root_pid).children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and any(CHILD in word for word in child.cmdline()):
                began.append(child.create_time())
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
    return time.time() - min(began) if began else 0.0


def main(root_pid: int = 1) -> int:
    """The exit status; 1 is the process that the container began with."""
    seconds = oldest_child_seconds(root_pid)
    if seconds >= LEAST_SECONDS:
        return 0
    sys.stderr.write(f"no child of this worker has lived for {LEAST_SECONDS:.0f} s\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
