"""A parent with one child on the leash: `python -m tests.cli.parent FILE`. Waits to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from cli import leash


def main(path: str) -> None:
    subprocess.Popen(leash.command(os.getpid(), "tests.cli.children", ("stay", path)))
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
