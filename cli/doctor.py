"""`lectorium doctor`: whether this machine can do what it is asked, a line for each thing looked at."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from cli.console import say, say_json, size
from cli.processes import missing
from cli.settings import settings_of

if TYPE_CHECKING:
    from jobs.settings import Settings

DISK_BYTES = 2_000_000_000
"""Less than this is soon full: an hour of speech as it is kept while at work is some 250 MB."""
MEMORY_BYTES = 1_000_000_000
ENCODERS = ("aac", "flac", "libmp3lame", "libopus", "pcm_s16le")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    what: str
    verdict: Literal["ok", "note", "bad"]
    """A note is something that some uses miss; bad is what every use does."""
    line: str


Look = Callable[["Settings"], tuple[Literal["ok", "note", "bad"], str]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(command: click.Context, as_json: bool) -> None:
    """Check Python, voices, codecs, ledger, broker, object store, disk and memory."""
    settings = settings_of(command)
    settings.home.mkdir(parents=True, exist_ok=True)
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            say(f"{finding.verdict:<5} {finding.what:<9} {finding.line}")
    if as_json:
        say_json([{"what": each.what, "verdict": each.verdict, "line": each.line} for each in findings])
    if any(finding.verdict == "bad" for finding in findings):
        raise click.exceptions.Exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Each finding as soon as it is made."""
    from book.errors import BookError
    from jobs.errors import JobsError
    from speech.errors import SpeechError

    for what, look in LOOKS.items():
        try:
            verdict, line = look(settings)
        except (BookError, JobsError, SpeechError, OSError, ImportError) as error:
            verdict, line = "bad", " ".join(str(error).split()) or type(error).__name__
        yield Finding(what, verdict, line)


def _python(_settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    line = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return ("ok", line) if fits else ("bad", f"{line}; 3.11, 3.12 or 3.13 is needed")


def _voices(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    from models_store.shelf import Shelf

    names = sorted({manifest.name for manifest in Shelf(settings.shelf_path).list()})
    return "ok", f"{', '.join(names)} (shelf: {settings.shelf_path})"


def _weights(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    from models_store.hub.catalogue import OFFICIAL
    from models_store.shelf import Shelf
    from speech.gpt_sovits.files import RECOGNISER

    shelf = Shelf(settings.shelf_path)
    bases = sorted({manifest.name for manifest in shelf.list()} & set(OFFICIAL.bases))
    kinds = (*OFFICIAL.backbones, RECOGNISER)
    backbones = [kind for kind in kinds if shelf.backbone(kind).is_dir()]
    if not bases and not backbones:
        return "note", "none pulled: lectorium voice pull gpt-sovits-v2"
    return "ok", f"bases: {', '.join(bases) or 'none'}; backbones: {', '.join(backbones) or 'none'}"


def _draft(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    if importlib.util.find_spec("espeakng_loader") is None:
        return "note", "not installed: pip install 'lectorium[draft]' (GPL-3.0-or-later)"
    from cli.say import requests_for, speak
    from models_store.shelf import Shelf
    from speech.text.lexicon import Lexicon
    from speech.text.script import read
    from speech.units import SAMPLE_RATE
    from speech.voice import Sampling

    shelf = Shelf(settings.shelf_path)
    manifest = shelf.resolve("draft")
    hello = read([("paragraph", [("Hello.", "en")])])
    voice = shelf.open(manifest)
    try:
        (take,) = speak(voice, list(requests_for(hello, manifest, Sampling(), Lexicon())))
    finally:
        voice.close()
    return "ok", f"speaks: {take.samples.size / SAMPLE_RATE:.2f} s of sound"


def _extra(name: str, what: str) -> Look:
    def look(_settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
        if absent := missing(name):
            return "note", f"{what}: {', '.join(absent)} not installed: pip install 'lectorium[{name}]'"
        return "ok", f"{what}: installed"

    return look


def _codecs(_settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    import av

    missing = [name for name in ENCODERS if name not in av.codecs_available]
    if missing:
        return "bad", f"PyAV {av.__version__} cannot encode {', '.join(missing)}"
    return "ok", f"PyAV {av.__version__}: {', '.join(ENCODERS)}"


def _ledger(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    from cli.home import open_home
    from jobs.states import JobState

    with open_home(settings) as home:
        revision = home.ledger.operations.revision()
        n_open = len(
            home.ledger.jobs.page(home.tenant_id, states=[JobState.QUEUED, JobState.RUNNING], most=1000)
        )
    kind = settings.ledger_url.partition(":")[0]
    return "ok", f"{kind} at revision {revision}; {n_open} local jobs open"


def _broker(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    kind = settings.broker.partition(":")[0]
    if kind == "memory":
        return "ok", "none: workers look in the ledger"
    from kombu.exceptions import KombuError

    from jobs.messages import make_app

    try:
        with make_app(settings.broker).connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except (KombuError, OSError) as error:
        return "bad", f"{kind} does not answer ({error}); work goes on more slowly, by looking in the ledger"
    return "ok", f"{kind} answers"


def _objects(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    from jobs.stores import objects_of

    objects_of(settings, patience_seconds=10).check()
    return "ok", f"{settings.objects_url.partition(':')[0]}: stored, read back, deleted"


def _disk(settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    free = shutil.disk_usage(settings.home).free
    return ("ok" if free >= DISK_BYTES else "note"), f"{size(free)} free in {settings.home}"


def _memory(_settings: Settings) -> tuple[Literal["ok", "note", "bad"], str]:
    import psutil

    free = psutil.virtual_memory().available
    return ("ok" if free >= MEMORY_BYTES else "note"), f"{size(free)} free"


LOOKS: dict[str, Look] = {
    "python": _python,
    "codecs": _codecs,
    "voices": _voices,
    "weights": _weights,
    "draft": _draft,
    "worker": _extra("worker", "making audiobooks"),
    "api": _extra("api", "serving HTTP"),
    "ledger": _ledger,
    "objects": _objects,
    "broker": _broker,
    "disk": _disk,
    "memory": _memory,
}
