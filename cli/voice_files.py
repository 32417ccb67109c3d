"""`lectorium voice import` and `export`: voices from GPT-SoVITS' own files, and back into them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from cli.console import say, say_json, tell
from cli.errors import CommandError, InputError
from cli.settings import settings_of
from cli.speaking import lexicon_in

_FILE = click.Path(path_type=Path)


@click.command("import")
@click.option("--name", required=True, help="What the voice is to be called.")
@click.option("--gpt", required=True, type=_FILE, help="GPT-SoVITS' .ckpt, from a folder GPT_weights.")
@click.option("--sovits", required=True, type=_FILE, help="GPT-SoVITS' .pth, from a folder SoVITS_weights.")
@click.option("--prompt", required=True, type=_FILE, help="The reference recording, 3 to 10 s.")
@click.option("--transcript", required=True, help="What is said in it, word for word.")
@click.option("--language", required=True, help="What it is said in (zh, en, ja, ko, yue).")
@click.option("--consent", help="Who agreed, to what, how it is known; without it the voice may not speak.")
@click.option("--licence", default="", help="Of the weights, as an SPDX identifier or a short name.")
@click.option("--description", default="", help="A line about the voice.")
@click.option("--lexicon", type=_FILE, help="How it says certain words: a JSON file, see docs/lexicon.md.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def import_voice(
    command: click.Context,
    name: str,
    gpt: Path,
    sovits: Path,
    prompt: Path,
    transcript: str,
    language: str,
    consent: str | None,
    licence: str,
    description: str,
    lexicon: Path | None,
    as_json: bool,
) -> None:
    """Bring a voice that was trained with GPT-SoVITS (v1, v2, v2Pro, v2ProPlus).

    The two files are pickles: they are read by a process of their own that can reach neither disk nor
    network, and what it makes of them is stored as safetensors.
    """
    _require_torch()
    from models_store.shelf import Shelf
    from models_store.upstream.bring import Arrival, bring

    settings = settings_of(command)
    tell(f"reading {gpt.name} and {sovits.name}")
    manifest = bring(
        Arrival(
            *(name, gpt, sovits, prompt, transcript, language, licence, description, consent),
            lexicon=lexicon_in(lexicon),
        ),
        Shelf(settings.shelf_path, with_stub=settings.stub_voice),
    )
    if as_json:
        say_json({"version": manifest.version, **manifest.model_dump(mode="json")})
        return
    say(f"{manifest.name}@{manifest.version[:12]}: GPT-SoVITS {manifest.parameters['version']}")
    if consent is None:
        tell(
            "it may not speak before its speaker has agreed; then run:"
            f' lectorium voice consent {manifest.name} "who agreed, to what, how it is known"'
        )


@click.command("export")
@click.argument("name")
@click.option("--gpt", required=True, type=_FILE, help="The .ckpt to write.")
@click.option("--sovits", required=True, type=_FILE, help="The .pth to write.")
@click.pass_context
def export_voice(command: click.Context, name: str, gpt: Path, sovits: Path) -> None:
    """Write NAME's weights as the pair of files that GPT-SoVITS itself loads."""
    _require_torch()
    from models_store.exporting import NotExportableError, exportable
    from models_store.shelf import Shelf
    from models_store.upstream.export import export
    from models_store.upstream.merging import whole_weights

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    manifest = shelf.resolve(name)
    try:
        source = exportable(shelf, manifest)
    except NotExportableError as error:
        raise InputError(f"NAME: {error}") from error
    tell(f"writing {gpt} and {sovits}")
    with whole_weights(source) as weights:
        export(weights, gpt, sovits)
    say(f"{manifest.name}@{manifest.version[:12]}: {gpt}, {sovits}")


def _require_torch() -> None:
    if find_spec("torch") is None:
        raise CommandError("PyTorch reads and writes these files: pip install 'lectorium[neural]'")
