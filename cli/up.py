"""`lectorium up`: everything on one machine, in one process tree: ledger, workers and the HTTP API."""

from __future__ import annotations

import ipaddress
import socket
import urllib.error
import urllib.request

import click

from cli.console import say, stop_on_signals, tell
from cli.errors import InputError
from cli.processes import require
from cli.settings import settings_of

LOOK_SECONDS = 0.3
READY_SECONDS = 60.0


@click.command()
@click.option("--host", help="Address to listen on. Default: 127.0.0.1, where no keys are asked for.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8000.")
@click.option("--workers", type=click.IntRange(1, 256), help="How many; default: one for each core.")
@click.pass_context
def up(command: click.Context, host: str | None, port: int | None, workers: int | None) -> None:
    """Start the HTTP API and workers on this machine; Ctrl-C stops them all."""
    require("api", "worker")
    from cli.crew import Crew, Post, n_cores, worker_posts
    from cli.home import open_home

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_of(command).model_copy(update=given)
    _check_port(settings.host, settings.port)
    with open_home(settings):
        pass  # made, migrated and of the right revision; the children open it themselves
    posts = [Post("api", "api"), *worker_posts(workers or n_cores())]
    logs = settings.home / "logs"
    address = f"http://{_shown(settings.host)}:{settings.port}"
    with stop_on_signals() as stop, Crew(posts, settings, logs) as crew:
        waited, ready = 0.0, False
        while not stop.wait(LOOK_SECONDS):
            for line in crew.tend():
                tell(line)
            if not ready:
                waited += LOOK_SECONDS
                ready = _answers(address)
                if ready:
                    crew.praise()
                    _welcome(
                        address, len(posts) - 1, needs_key=_needs_key(settings.host, settings.require_keys)
                    )
                    say(f"logs are in {logs} · Ctrl-C stops everything")
                elif waited > READY_SECONDS:
                    tell(f"the API does not answer yet; see {logs}")
                    waited = 0.0
        tell("stopping")


def _welcome(address: str, n_workers: int, *, needs_key: bool) -> None:
    header = " \\\n    -H 'Authorization: Bearer KEY'" if needs_key else ""
    say(f"Lectorium is up at {address} with {n_workers} worker{'s' if n_workers > 1 else ''}.")
    say("")
    if needs_key:
        say("  a key:   lectorium key create --name me")
    say(f"  a text:  curl {address}/v1/narrations{header} \\")
    say("             -H 'Content-Type: application/json' \\")
    say("""             -d '{"text": "It was a dark night.", "language": "en"}'""")
    say(f"  a book:  curl {address}/v1/narrations{header} \\")
    say("""             -F file=@BOOK.epub -F 'spec={"voice": "draft"};type=application/json'""")
    say(f"  then:    curl {address}/v1/jobs{header}")
    say(f"  all of it, to try out: {address}/docs")
    say("")


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}") from error


def _shown(host: str) -> str:
    """The host as it stands in an address one can open."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - recognised, not bound here
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _needs_key(host: str, require_keys: bool | None) -> bool:
    if require_keys is not None:
        return require_keys
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/livez", timeout=2) as answer:  # noqa: S310 - http, ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
