"""`lectorium voice compare` and `rollback`: which version of a voice is the better one, and back to it."""

from __future__ import annotations

import click

from cli.console import say, say_json, table, tell
from cli.settings import settings_of


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def compare(command: click.Context, first: str, second: str, as_json: bool) -> None:
    """Compare two voices or versions, each NAME or NAME@VERSION: what they are, and how they were judged."""
    from models_store.comparing import compare as side_by_side
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    manifests = [shelf.resolve(name) for name in (first, second)]
    rows = side_by_side(*manifests)
    if as_json:
        say_json({row.what: {"a": row.first, "b": row.second, "same": row.is_same} for row in rows})
        return
    names = [f"{manifest.name}@{manifest.version[:12]}" for manifest in manifests]
    marked = [(row.what, row.first, row.second, "" if row.is_same else "differs") for row in rows]
    table(marked, ("", *names, ""))


@click.command()
@click.argument("name")
@click.argument("version")
@click.pass_context
def rollback(command: click.Context, name: str, version: str) -> None:
    """Have voice NAME stand for an older VERSION again, until a newer one comes. No version is lost."""
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    before = shelf.resolve(name)
    manifest = shelf.point(name, version)
    say(f"{manifest.name} is {manifest.name}@{manifest.version[:12]}")
    if before.version != manifest.version:
        tell(f"and back: lectorium voice rollback {name} {before.version[:12]}")
