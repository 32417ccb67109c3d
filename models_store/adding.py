"""A new voice of somebody's recordings: checked, put on the shelf, and its consent put on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from models_store.consent import Consent
from models_store.headers import WeightsError, languages_of
from models_store.manifest import NAME, ManifestFile, VoiceManifest, weights_digest
from models_store.options import check_lexicon
from models_store.prompts import PreparedPrompt, prepare_prompt
from models_store.shelf import Shelf
from models_store.transcripts import SaidError
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, FAMILY, SEMANTIC
from speech.text.lexicon import FILE, Lexicon, LexiconError, write_lexicon


class AddingError(VoiceError):
    """What was asked for cannot be a voice; `field` says which of it, the message begins with that."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NewVoice:
    """What is said of a voice that shall be made."""

    name: str
    transcript: str
    """What is said in the first prompt, word for word."""
    language: str
    """Of the prompts, BCP 47."""
    consent: str
    """How the speaker agreed to be cloned."""
    base: str = ""
    """"name" or "name@version" of the voice whose weights it speaks with; "" if it brings its own."""
    licence: str = ""
    description: str = ""
    lexicon: Lexicon = field(default_factory=Lexicon)
    """How the voice says certain words; a job's own lexicon goes before it."""


def add_voice(
    shelf: Shelf, wanted: NewVoice, prompts: Sequence[Path], weights: Mapping[str, Path] | None = None
) -> VoiceManifest:
    """The voice version that now stands on the shelf and may speak.

    Args:
        shelf: as the voice's owner sees it.
        wanted: what is said of it.
        prompts: recordings of the speaker; the first says how to speak, all of them with which timbre.
        weights: `SEMANTIC` and `DECODER` as safetensors, if it has no base.

    Raises:
        AddingError: something of it is wrong; the field is a field of `NewVoice`, "prompt", "semantic" or
            "decoder".
        VoiceError: the shelf does not take it.
    """
    if NAME.fullmatch(wanted.name) is None:
        raise AddingError("name", "must be 1 to 64 lower-case letters, digits and inner hyphens")
    _check_consent(wanted.consent)
    if bool(wanted.base) == bool(weights):
        raise AddingError("base", "either a base or weights of its own, and not both")
    shared = _base_of(shelf, wanted.base) if wanted.base else None
    languages = shared.languages if shared else _languages_of(weights or {})
    with TemporaryDirectory(prefix="lectorium-") as scratch:
        prepared = _prepare(prompts, wanted, Path(scratch))
        files = {prompt.path.name: prompt.path for prompt in prepared} | dict(weights or {})
        files |= write_own_lexicon(wanted.lexicon, Path(scratch))
        described = {name: ManifestFile.of(path) for name, path in files.items()}
        manifest = VoiceManifest(
            name=wanted.name,
            family=FAMILY,
            weights_digest=shared.weights_digest if shared else weights_digest(described),
            languages=languages,
            licence=wanted.licence or (shared.licence if shared else ""),
            description=wanted.description,
            files=described,
            base=f"{shared.name}@{shared.version}" if shared else "",
            prompts=tuple(prompt.entry for prompt in prepared),
            parameters=shelf.reading_parameters(languages),
        )
        if not manifest.speaks(prepared[0].language):
            known = ", ".join(manifest.languages)
            raise AddingError("language", f"{wanted.language!r} is none of {known}, which the weights know")
        try:
            check_lexicon(wanted.lexicon, manifest)
        except LexiconError as error:
            raise AddingError("lexicon", str(error)) from error
        shelf.install(manifest, files)
    shelf.record_consent(manifest.name, wanted.consent)
    return manifest


def write_own_lexicon(lexicon: Lexicon, folder: Path) -> dict[str, Path]:
    """The file of a voice's own lexicon, by its name, written into the folder; none for an empty one."""
    if not lexicon.entries:
        return {}
    path = folder / FILE
    path.write_text(write_lexicon(lexicon), encoding="utf-8")
    return {FILE: path}


def _check_consent(statement: str) -> None:
    """Before anything is copied: without consent it would stand there and never speak."""
    try:
        Consent.now(statement, ())
    except VoiceError as error:
        raise AddingError("consent", str(error).removeprefix("consent: ")) from error


def _base_of(shelf: Shelf, name: str) -> VoiceManifest:
    """The version whose weights are shared: that named, or its own base."""
    try:
        found = shelf.resolve(name)
        base = shelf.resolve(found.base) if found.base else found
    except VoiceError as error:
        raise AddingError("base", str(error)) from error
    if base.family != FAMILY:
        raise AddingError("base", f"{name!r} is of the family {base.family}, which has no weights to share")
    return base


def _languages_of(weights: Mapping[str, Path]) -> tuple[str, ...]:
    for part, name in (("semantic", SEMANTIC), ("decoder", DECODER)):
        if name not in weights:
            raise AddingError(part, "is missing: a voice has both kinds of weights or neither")
    try:
        return languages_of(weights[SEMANTIC], weights[DECODER])
    except WeightsError as error:
        raise AddingError(error.part, error.reason) from error


def _prepare(prompts: Sequence[Path], wanted: NewVoice, folder: Path) -> list[PreparedPrompt]:
    if not prompts:
        raise AddingError("prompt", "is missing: a recording of 3 to 10 s of the speaker")
    prepared: list[PreparedPrompt] = []
    for number, path in enumerate(prompts):
        transcript = None if number else wanted.transcript
        try:
            prompt = prepare_prompt(path, transcript=transcript, language=wanted.language, folder=folder)
        except VoiceError as error:
            field = error.field if isinstance(error, SaidError) else "prompt"
            raise AddingError(field, str(error)) from error
        if prompt.path in [earlier.path for earlier in prepared]:
            raise AddingError("prompt", f"{path.name} is the same recording as one before it")
        prepared.append(prompt)
    return prepared
