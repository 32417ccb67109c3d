"""`lectorium`: the commands, and the one place where an error becomes a line and an exit status.

Exit status: 0 done · 1 it could not be done · 2 bad input · 70 a fault of this program · 128 + n stopped by
signal n.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from cli.bench import bench
from cli.console import tell
from cli.doctor import doctor
from cli.errors import CommandError
from cli.inspect import inspect
from cli.job import job
from cli.keys import key
from cli.processes import api, migrate, worker
from cli.read import read
from cli.say import say
from cli.train import train
from cli.up import up
from cli.voices import voice

BAD_INPUT: Final = 2
OUR_FAULT: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("lectorium"), prog_name="lectorium")
def lectorium() -> None:
    """Read whole books aloud with cloned voices, and lose nothing on the way."""


for command in (read, inspect, say, train, up, api, worker, migrate, job, voice, key, bench, doctor):
    lectorium.add_command(command)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit status of one call. Whatever goes wrong has been told in one line."""
    try:
        code = lectorium.main(list(arguments), prog_name="lectorium", standalone_mode=False)
    except click.ClickException as error:
        place = f"{error.ctx.command_path}: " if isinstance(error, click.UsageError) and error.ctx else ""
        tell(f"{place}{' '.join(error.format_message().split())}")
        return error.exit_code
    except click.Abort:
        tell("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; nothing more can be said
        return 1
    except Exception as error:  # noqa: BLE001 - the last border: a user never sees a traceback
        code = _expected(error)
        if code is None:
            tell(f"this is a fault of Lectorium: {type(error).__name__}: {_line(error)}")
            tell(f"the details are in {_log(error)}")
            return OUR_FAULT
        tell(_line(error))
        return code
    return code if isinstance(code, int) else 0


def _expected(error: Exception) -> int | None:
    """The exit status for an error somebody has foreseen; None for a fault of ours."""
    from book.errors import BookError
    from jobs.errors import JobMissingError, JobsError, SettingsError
    from speech.errors import SpeechError

    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, BookError | SpeechError | SettingsError | JobMissingError):
        return BAD_INPUT
    return 1 if isinstance(error, JobsError) else None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _log(error: Exception) -> Path:
    """Appends the traceback to the log of errors in the home folder, else in a temporary file."""
    from jobs.errors import SettingsError
    from jobs.settings import read_settings

    lines = "".join(traceback.format_exception(error))
    entry = f"{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(sys.argv)}\n{lines}\n"
    try:
        folder = read_settings().home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "errors.log"
        path.touch()
    except (SettingsError, OSError):
        path = Path(tempfile.mkstemp(prefix="lectorium-", suffix=".log")[1])
    with path.open("a", encoding="utf-8") as file:
        file.write(entry)
    return path
