"""`lectorium voice`: the voices on this machine's shelf."""

from __future__ import annotations

from typing import Any

import click

from cli.console import count, say, say_json, size, table, tell
from cli.settings import settings_of
from cli.voice_add import add, consent, remove
from cli.voice_compare import compare, rollback
from cli.voice_files import export_voice, import_voice
from cli.voice_pull import pull
from models_store.consent import Consent
from models_store.manifest import ManifestPrompt, VoiceManifest


@click.group()
def voice() -> None:
    """The voices on this machine."""


for _command in (pull, add, import_voice, export_voice, compare, rollback, consent, remove):
    voice.add_command(_command)


@voice.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_voices(command: click.Context, as_json: bool) -> None:
    """List every version of every voice."""
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    manifests = shelf.list()
    for error in shelf.broken():
        tell(f"broken: {error}")
    if as_json:
        say_json([_describe(manifest) for manifest in manifests])
        return
    rows = [
        (manifest.name, manifest.version[:12], manifest.family, _languages(manifest), manifest.description)
        for manifest in manifests
    ]
    table(rows, ("name", "version", "family", "languages", "description"))


@voice.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(command: click.Context, name: str, as_json: bool) -> None:
    """Show one voice: NAME for its newest version, NAME@VERSION for a certain one."""
    from models_store.shelf import Shelf

    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    manifest = shelf.resolve(name)
    recorded = shelf.consent_of(f"{manifest.name}@{manifest.version}")
    if as_json:
        told = None if recorded is None else recorded.model_dump(mode="json")
        say_json({**_describe(manifest), "consent": told})
        return
    folder = shelf.folder(manifest)
    lines = {
        "name": manifest.name,
        "version": manifest.version,
        "family": manifest.family,
        "languages": "any" if manifest.languages == "any" else " ".join(manifest.languages),
        "licence": manifest.licence or "not known",
        "description": manifest.description,
        "base": manifest.base or "none",
        "prompts": "; ".join(map(_prompt, manifest.prompts)) or "none",
        "consent": _consent(manifest, recorded),
        "files": ", ".join(f"{name} ({size(file.bytes)})" for name, file in manifest.files.items()) or "none",
        "folder": str(folder) if folder else "built in",
    }
    for field, value in lines.items():
        say(f"{field:<12} {value}")


def _prompt(prompt: ManifestPrompt) -> str:
    said = f"{prompt.language}: {prompt.transcript!r}" if prompt.transcript else "for timbre"
    return f"{prompt.file} ({said})"


def _consent(manifest: VoiceManifest, recorded: Consent | None) -> str:
    if not manifest.is_cloned:
        return "not needed"
    if recorded is None:
        return "none on record: it may not speak"
    covered = "" if recorded.covers(manifest) else ", for other recordings: it may not speak"
    return f"{recorded.statement} ({recorded.recorded_at}{covered})"


def _languages(manifest: VoiceManifest) -> str:
    if manifest.languages == "any":
        return "any"
    if len(manifest.languages) > 8:  # a draft voice speaks a hundred
        return count(len(manifest.languages), "language")
    return " ".join(manifest.languages)


def _describe(manifest: VoiceManifest) -> dict[str, Any]:
    return {"version": manifest.version, **manifest.model_dump(mode="json")}
