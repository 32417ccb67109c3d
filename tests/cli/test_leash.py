from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli import leash
from tests.cli.waiting import is_gone, pids_in, until


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-m", "tests.cli.parent", str(tmp_path / "pids")])
    (child,) = pids_in(tmp_path / "pids")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: is_gone(child))


def test_a_child_does_not_begin_when_its_parent_is_gone_already(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "pass"])
    stranger.wait()
    command = leash.command(stranger.pid, "tests.cli.children", ("stay", str(tmp_path / "pids")))
    assert subprocess.run(command, timeout=20, check=False).returncode == 1
    assert not (tmp_path / "pids").exists()


def test_holding_gives_the_status_of_the_child() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert leash.hold(os.getppid(), [sys.executable, "-c", "import sys; sys.exit(7)"]) == 7
    finally:
        signal.signal(signal.SIGTERM, before)


def test_holding_ends_the_child_when_the_parent_is_gone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stranger = subprocess.Popen([sys.executable, "-c", "pass"])
    stranger.wait()
    child = [sys.executable, "-m", "tests.cli.children", "stay", str(tmp_path / "pids")]
    try:
        assert leash.hold(stranger.pid, child) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_holding_passes_a_request_to_stop_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def ask() -> None:
        pids_in(tmp_path / "pids")
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask)
    asker.start()
    child = [sys.executable, "-m", "tests.cli.children", "stay", str(tmp_path / "pids")]
    try:
        assert leash.hold(os.getppid(), child) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
        asker.join()
