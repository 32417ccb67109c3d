"""`lectorium voice add`: a voice of a few seconds of somebody, with the weights of another."""

from __future__ import annotations

from pathlib import Path

import click

from cli.console import say, say_json, tell
from cli.errors import InputError
from cli.settings import settings_of
from cli.speaking import lexicon_in


@click.command()
@click.option("--name", required=True, help="What the voice is called; a name that is there gets a version.")
@click.option(
    "--base", required=True, metavar="VOICE", help="Whose weights it speaks with: gpt-sovits-v2, ..."
)
@click.option(
    "--prompt",
    "prompts",
    required=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recording of 3 to 10 s. The first says how to speak; more of them help the timbre.",
)
@click.option("--transcript", required=True, help="What is said in the first recording, word for word.")
@click.option("--language", required=True, help="Of the recordings: en, zh, ja, ko, yue.")
@click.option("--consent", required=True, help="Who agreed to be cloned, to what, and how it is known.")
@click.option("--licence", default="", help="SPDX identifier or a short name; default: that of the base.")
@click.option("--description", default="", help="A line about the voice.")
@click.option(
    "--lexicon",
    type=click.Path(path_type=Path),
    help="How it says certain words: a JSON file, see docs/lexicon.md.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def add(
    command: click.Context,
    name: str,
    base: str,
    prompts: tuple[Path, ...],
    transcript: str,
    language: str,
    consent: str,
    licence: str,
    description: str,
    lexicon: Path | None,
    as_json: bool,
) -> None:
    """Clone a voice from a few seconds of its speaker, who must have agreed to it."""
    from models_store.adding import AddingError, NewVoice, add_voice
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    wanted = NewVoice(
        name=name,
        base=base,
        transcript=transcript,
        language=language,
        consent=consent,
        licence=licence,
        description=description,
        lexicon=lexicon_in(lexicon),
    )
    try:
        manifest = add_voice(shelf, wanted, prompts)
    except AddingError as error:
        raise InputError(f"--{error.field}: {error.reason}") from error
    if as_json:
        say_json({"version": manifest.version, **manifest.model_dump(mode="json")})
        return
    say(f"{manifest.name}@{manifest.version[:12]}")
    tell(f'hear it: lectorium say "Good evening." --voice {manifest.name} -o evening.wav')


@click.command()
@click.argument("name")
@click.argument("statement")
@click.pass_context
def consent(command: click.Context, name: str, statement: str) -> None:
    """Put on record that the speaker of voice NAME agrees: who, to what, how it is known."""
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    recorded = shelf.record_consent(name, statement)
    n = len(recorded.prompts)
    say(f"on record for {name!r} and {n} recording{'' if n == 1 else 's'}, {recorded.recorded_at}")


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def remove(command: click.Context, name: str, yes: bool) -> None:
    """Remove voice NAME, all its versions and its consent, or one version, NAME@VERSION."""
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    if not yes:
        click.confirm(f"remove {name!r} for good?", abort=True, err=True)
    gone = shelf.remove(name)
    for version in gone:
        say(f"removed {name.partition('@')[0]}@{version[:12]}")
