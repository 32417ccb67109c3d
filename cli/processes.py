"""`lectorium api`, `lectorium worker`, `lectorium migrate`: one process each, for whoever supervises them."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import NoReturn

import click

from cli.console import say
from cli.errors import CommandError
from cli.settings import settings_of

PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def api(arguments: tuple[str, ...]) -> None:
    """Serve HTTP, on LECTORIUM_HOST and LECTORIUM_PORT. Runs until it is told to stop."""
    require("api")
    _become("api", arguments)


@click.command(context_settings=PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def worker(arguments: tuple[str, ...]) -> None:
    """Do the steps of jobs: `--kinds plan,synthesize,master,bind,deliver`, or some of them."""
    require("worker")
    _become("worker", arguments)


@click.command()
@click.pass_context
def migrate(command: click.Context) -> None:
    """Bring the ledger's tables to the revision of this program."""
    from cli.home import migrate as run

    revision = run(settings_of(command))
    say(f"the ledger stands at revision {revision}")


EXTRAS = {
    "api": ("apiflask", "gunicorn", "prometheus_client"),
    "worker": ("mutagen",),
    "neural": ("torch", "transformers", "safetensors", "huggingface_hub", "matplotlib"),
}
"""Extra of the package -> the modules it brings."""


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if importlib.util.find_spec(module) is None]


def require(*extras: str) -> None:
    """Refuses, in one line, where the libraries of an extra are not installed.

    Raises:
        CommandError: they are not.
    """
    for extra in extras:
        if absent := missing(extra):
            raise CommandError(f"{', '.join(absent)} not installed: pip install 'lectorium[{extra}]'")


def _become(module: str, arguments: tuple[str, ...]) -> NoReturn:
    """Replaces this process, so that signals and exit status are the module's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted
