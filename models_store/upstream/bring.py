"""A voice that somebody trained with GPT-SoVITS comes onto the shelf: its pair of files, and a prompt."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from models_store.adding import write_own_lexicon
from models_store.consent import Consent
from models_store.manifest import NAME, ManifestFile, VoiceManifest, weights_digest
from models_store.options import check_lexicon
from models_store.prompts import prepare_prompt
from models_store.shelf import Shelf
from models_store.upstream.convert import LANGUAGES, convert
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, FAMILY, SEMANTIC
from speech.text.lexicon import Lexicon, LexiconError


@dataclass(frozen=True, slots=True)
class Arrival:
    """What somebody brings, and says of it."""

    name: str
    gpt: Path
    """Upstream's `.ckpt`."""
    sovits: Path
    """Upstream's `.pth`."""
    prompt: Path
    """The reference recording, 3 to 10 s."""
    transcript: str
    """What is said in it, word for word."""
    language: str
    """BCP 47: what it is said in."""
    licence: str = ""
    description: str = ""
    consent: str | None = None
    """How the speaker agreed; without it the voice stands on the shelf and may not speak."""
    lexicon: Lexicon = field(default_factory=Lexicon)
    """How the voice says certain words; a job's own lexicon goes before it."""


def bring(arrival: Arrival, shelf: Shelf) -> VoiceManifest:
    """Puts the voice on the shelf, with its consent if there is one; nothing if anything is wrong.

    Raises:
        VoiceError: one of its subclasses, in one line that names the file or the field.
    """
    if not NAME.fullmatch(arrival.name):
        raise VoiceError(
            f"name: {arrival.name!r} must be 1 to 64 lower-case letters, digits and inner hyphens"
        )
    if arrival.consent is not None:
        Consent.now(arrival.consent, ())  # an empty one is refused before anything is done
    with tempfile.TemporaryDirectory(prefix="lectorium-voice-") as scratch:
        folder = Path(scratch)
        prompt = prepare_prompt(
            arrival.prompt, transcript=arrival.transcript, language=arrival.language, folder=folder
        )
        version = convert(arrival.gpt, arrival.sovits, folder)
        check_spoken(prompt.language, version)
        files = {path.name: path for path in (folder / SEMANTIC, folder / DECODER, prompt.path)}
        files |= write_own_lexicon(arrival.lexicon, folder)
        described = {name: ManifestFile.of(path) for name, path in files.items()}
        manifest = VoiceManifest(
            name=arrival.name,
            family=FAMILY,
            weights_digest=weights_digest(described),
            languages=LANGUAGES[version],
            licence=arrival.licence,
            description=arrival.description,
            files=described,
            prompts=(prompt.entry,),
            parameters={"version": version, **shelf.reading_parameters(LANGUAGES[version])},
        )
        try:
            check_lexicon(arrival.lexicon, manifest)
        except LexiconError as error:
            raise VoiceError(f"lexicon: {error}") from error
        installed = shelf.install(manifest, files)
    if arrival.consent is not None:
        shelf.record_consent(arrival.name, arrival.consent)
    return installed


def check_spoken(language: str, version: str) -> None:
    """Raises VoiceError if a prompt in this language is of no use to this version of GPT-SoVITS."""
    if language not in LANGUAGES[version]:
        raise VoiceError(f"language: {version} speaks {', '.join(LANGUAGES[version])}, not {language!r}")
