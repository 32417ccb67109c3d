"""Ends a child with its parent, however that ends: `python -m cli.leash PARENT_PID MODULE ARGUMENTS...`.

On Linux the kernel does it: the child asks for SIGTERM at its parent's death, then becomes the module's own
process. Elsewhere the leash stays between the two and looks once a second. SIGTERM, not SIGKILL: a worker
gives its leases back on the way out, so that whoever comes next need not wait for them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
LOOK_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 15.0
"""A child that has not ended so long after SIGTERM is killed."""


def command(parent_pid: int, module: str, arguments: tuple[str, ...] = ()) -> list[str]:
    """The command line that runs a module on the leash of a process.

    The process that starts it must do so from a thread that lives as long as itself: to Linux the end of the
    starting thread is the end of the parent.
    """
    return [sys.executable, "-m", "cli.leash", str(parent_pid), module, *arguments]


def become(parent_pid: int, argv: list[str]) -> None:
    """Replaces this process by the command, which gets SIGTERM when its parent ends. Linux only.

    Returns only if the parent had ended before it could be asked for.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() == parent_pid:
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted


def hold(parent_pid: int, argv: list[str]) -> int:
    """Runs the command until it ends, or until the parent does; its exit status."""
    import psutil

    child = subprocess.Popen(argv)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            return child.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() == parent_pid and psutil.pid_exists(parent_pid):
                continue
        child.terminate()
        try:
            return child.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def main() -> int:
    """Puts the module named on the command line on the leash."""
    parent_pid, module, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    argv = [sys.executable, "-m", module, *arguments]
    if sys.platform != "linux":
        return hold(parent_pid, argv)
    become(parent_pid, argv)
    return 1


if __name__ == "__main__":
    sys.exit(main())
