"""`lectorium say`: a sentence or two, straight through a voice, with no ledger and no worker."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.console import say as say_line
from cli.console import tell
from cli.errors import InputError
from cli.settings import settings_of
from cli.speaking import options_for, speaking_options, take_speaking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models_store.manifest import VoiceManifest
    from speech.text.lexicon import Lexicon
    from speech.text.utterance import Utterance
    from speech.voice import Request, Sampling, Take, Voice

SUFFIXES = (".wav", ".flac")
PAUSE_SECONDS = 0.35


@click.command()
@click.argument("text")
@click.option(
    "-o",
    "--output",
    "out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .wav or .flac file.",
)
@click.option(
    "--voice", "voice_name", default="draft", show_default=True, help="Who speaks; `voice list` shows them."
)
@click.option("--language", default="en", show_default=True, help="Language of TEXT (en, zh, pt-br, ...).")
@speaking_options
@click.pass_context
def say(
    command: click.Context, /, text: str, out: Path, voice_name: str, language: str, **given: Any
) -> None:
    """Speak TEXT ("-" reads it from standard input) into a file."""
    from cli.order import check_narration
    from models_store.shelf import Shelf
    from speech.text.script import read
    from speech.units import SAMPLE_RATE

    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"-o: {out.name} must end in {' or '.join(SUFFIXES)}")
    narration = check_narration(take_speaking(given))
    if text == "-":
        text = sys.stdin.read()
    utterances = read(
        [("paragraph", [(part, language.lower())]) for part in text.split("\n\n") if part.strip()]
    )
    if not utterances:
        raise InputError("TEXT: there is nothing to say in it")
    settings = settings_of(command)
    shelf = Shelf(settings.shelf_path, with_stub=settings.stub_voice)
    manifest = shelf.resolve(voice_name)
    sampling, lexicon = options_for(manifest, narration)
    requests = list(requests_for(utterances, manifest, sampling, lexicon))
    voice = shelf.open(manifest)
    began = time.monotonic()
    try:
        takes = speak(voice, requests)
    finally:
        voice.close()
    seconds = time.monotonic() - began
    write(takes, out)
    for request, take in zip(requests, takes, strict=True):
        for doubt in take.doubts:
            tell(f"doubtful: {request.utterance.text.strip()!r}: {doubt}")
    length = sum(take.samples.size for take in takes) / SAMPLE_RATE
    say_line(
        f"{out}: {length:.1f} s of sound in {seconds:.2f} s ({length / max(seconds, 1e-3):.0f}× real time)"
    )


def requests_for(
    utterances: Sequence[Utterance], manifest: VoiceManifest, sampling: Sampling, lexicon: Lexicon
) -> Iterator[Request]:
    """What a book with these utterances would ask of the voice: named alike, they sound alike."""
    from speech.text.digest import take_digest
    from speech.voice import Request

    for utterance in utterances:
        entries = lexicon.within(utterance.text)
        key = take_digest(
            utterance,
            voice_version=manifest.version,
            family=manifest.family,
            sampling=sampling,
            take=0,
            lexicon=entries,
        )
        yield Request(key, utterance, sampling, lexicon=entries)


def speak(voice: Voice, requests: Sequence[Request]) -> list[Take]:
    """The takes in the order of the requests; equal ones are spoken once."""
    wanted = {request.key: request for request in requests}
    takes = {take.key: take for take in voice.speak(iter(wanted.values()))}
    return [takes[request.key] for request in requests]


def write(takes: Sequence[Take], path: Path) -> None:
    """The takes with a short pause between them, 16 bit, as the file's suffix says."""
    from book.encode import Format, encoding_of
    from book.profiles import NONE
    from book.sound import Writer, silence
    from speech.units import SAMPLE_RATE

    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path, encoding_of(Format(path.suffix.lower().lstrip(".")), NONE), SAMPLE_RATE) as writer:
        for number, take in enumerate(takes):
            if number:
                for block in silence(round(PAUSE_SECONDS * SAMPLE_RATE)):
                    writer.write(block)
            writer.write(take.samples)
