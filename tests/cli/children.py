"""Child processes for the tests of the crew: `python -m tests.cli.children HOW [FILE]`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jobs.settings import read_settings


def main(how: str, *arguments: str) -> None:
    if arguments:
        with Path(arguments[0]).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
    if how == "fail":
        print("the reason of the failure", file=sys.stderr)
        sys.exit(3)
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "family":
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(arguments[0]).write_text(f"{os.getpid()}\n{grandchild.pid}\n", encoding="utf-8")
    if how == "setting":
        print("the home is", read_settings().home, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
