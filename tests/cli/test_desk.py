from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from cli.desk import Desk
from tests.cli.waiting import until

HOLD = """
import sys, time
from pathlib import Path
from cli.desk import Desk
with Desk(Path(sys.argv[1])).hold(sys.argv[2]):
    Path(sys.argv[1], "held").touch()
    time.sleep(600)
"""


def test_a_job_that_is_being_read_is_not_left_behind(tmp_path: Path) -> None:
    with Desk(tmp_path).hold("JOB"):
        assert Desk(tmp_path).left_behind() == []


def test_a_job_whose_reader_was_killed_is_left_behind(tmp_path: Path) -> None:
    reader = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), "JOB"])
    until((tmp_path / "held").exists)
    assert Desk(tmp_path).left_behind() == []
    os.kill(reader.pid, signal.SIGKILL)
    reader.wait()
    assert Desk(tmp_path).left_behind() == ["JOB"]


def test_a_forgotten_job_is_not_left_behind(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with desk.hold("JOB"):
        desk.forget("JOB")
    assert desk.left_behind() == []


def test_a_seat_is_alone_only_without_other_readers(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with desk.hold("JOB") as first:
        with desk.hold("JOB") as second:
            assert not second.is_alone()
        assert first.is_alone()
