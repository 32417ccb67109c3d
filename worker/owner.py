"""The name a worker process claims under, and whether the process behind such a name still lives.

A name says machine, boot, process namespace, process number and start time. So two containers of one host
name, a rebooted machine and a reused process number are never taken for each other.
"""

from __future__ import annotations

import socket
from pathlib import Path

import psutil


def machine() -> str:
    """What all owners on this machine, boot and process namespace begin with."""
    return f"{socket.gethostname()}/{_boot()}/"


def owner_name(pid: int) -> str:
    """The owner name of a process of this machine."""
    return f"{machine()}{pid}-{psutil.Process(pid).create_time():.2f}"


def is_alive(owner: str) -> bool:
    """Whether the process behind a name of this machine still runs."""
    number, _, started = owner.removeprefix(machine()).partition("-")
    try:
        process = psutil.Process(int(number))
        return f"{process.create_time():.2f}" == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:  # not Linux: the time of the boot has to do
        return f"{psutil.boot_time():.0f}"
    return f"{boot}-{namespace}"
