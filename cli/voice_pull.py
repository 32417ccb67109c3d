"""`lectorium voice pull`: the published weights come onto this machine's shelf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.console import say, say_json
from cli.errors import CommandError, InputError
from cli.processes import require
from cli.settings import settings_of
from cli.transfers import transfers

if TYPE_CHECKING:
    from models_store.hub.origins import Origin
    from models_store.hub.pull import Pulled


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--only", multiple=True, metavar="PART", help="base, content, linguistic or speaker; repeatable."
)
@click.option("--revision", default="", help="A branch, tag or commit instead of the pinned commit.")
@click.option("--mirror", default="", metavar="URL", help="A hub to ask instead of LECTORIUM_HUB.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A folder laid out like the repository, instead of the network.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def pull(
    command: click.Context,
    names: tuple[str, ...],
    only: tuple[str, ...],
    revision: str,
    mirror: str,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Bring published weights onto the shelf: gpt-sovits-v1, -v2, -v2pro, -v2proplus, or backbones.

    A voice's backbones come with it: content and linguistic, and speaker for the two Pro versions. What was
    cut off goes on where it was. No prompt comes with them: `lectorium voice add` makes voices of them.

    whisper-small or whisper-large-v3-turbo, each alone, is a recogniser: it writes down what is said in
    recordings to be learnt from, where nobody has, and hears how well a new voice can be understood.
    """
    if folder and mirror:
        raise InputError("--mirror: not together with --from, which asks no hub at all")
    require("neural")
    from models_store.hub.choice import choose
    from models_store.hub.errors import HubError, HubInputError
    from models_store.hub.pull import Pull
    from models_store.hub.recognisers import find_catalogue
    from models_store.shelf import Shelf

    settings = settings_of(command)
    try:
        catalogue, wanted = find_catalogue(names)
        choice = choose(catalogue, wanted, only)
        with _origin(mirror or settings.hub, folder) as origin, transfers() as shown:
            pulled = Pull(Shelf(settings.shelf_path), catalogue, origin, shown).run(choice, revision)
    except HubInputError as error:
        raise InputError(str(error)) from error
    except HubError as error:
        raise CommandError(str(error)) from error
    _tell_result(pulled, as_json=as_json)


@contextmanager
def _origin(address: str, folder: Path | None) -> Iterator[Origin]:
    from models_store.hub.origins import Offline, Online
    from models_store.hub.protocol import Hub

    if folder:
        yield Offline(folder)
        return
    hub = Hub(address)
    try:
        yield Online(hub)
    finally:
        hub.close()


def _tell_result(pulled: tuple[Pulled, ...], *, as_json: bool) -> None:
    if as_json:
        say_json(
            [
                {
                    "name": each.name,
                    "revision": each.revision,
                    "folder": str(each.place),
                    "is_new": each.is_new,
                }
                for each in pulled
            ]
        )
        return
    for each in pulled:
        news = "pulled" if each.is_new else "was there"
        say(f"{each.name:<21} {news:<9} {each.revision[:12] or 'not known':<12} {each.place}")
