"""What a narration asks of a voice beside its text, checked against that voice before anything is spoken."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from jobs.specs import Narration, Pronunciation
from models_store.manifest import VoiceManifest
from speech.errors import SpeechError
from speech.gpt_sovits.knobs import KNOBS, Knob
from speech.text.lexicon import Entry, Lexicon, LexiconError
from speech.text.symbols import LANGUAGES, SymbolsVersion
from speech.voice import Sampling

SETTINGS: Final[Mapping[str, Mapping[str, Knob]]] = MappingProxyType(
    {"draft": {}, "stub": {}, "gpt-sovits": KNOBS}
)
"""The sampling settings that each family knows. Speed is none of them: every family has that."""


class OptionError(SpeechError):
    """A voice cannot do what was asked of it; the message names the field."""

    def __init__(self, place: tuple[str, ...], reason: str) -> None:
        super().__init__(f"{'.'.join(place)}: {reason}")
        self.place = place
        """The field within the spec: ("sampling", "top_k")."""
        self.reason = reason


def sampling_for(manifest: VoiceManifest, narration: Narration) -> Sampling:
    """How this voice is to speak: every setting it knows, those not asked for at the family's default.

    So a request that names a default is the same as one that does not, and stays what it is if a later
    version of the program has another default.

    Raises:
        OptionError: a setting was asked for that the voice does not know, or a value it cannot have.
    """
    known = SETTINGS.get(manifest.family, {})
    asked: dict[str, float] = narration.sampling.model_dump(exclude_none=True)
    for name, value in asked.items():
        place = ("sampling", name)
        if not known:
            raise OptionError(place, f"the voice {manifest.name!r} ({manifest.family}) has no such setting")
        if name not in known:
            guesses = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {guesses[0]!r}?" if guesses else f"it knows {', '.join(known)}"
            raise OptionError(place, f"the voice {manifest.name!r} has no such setting; {hint}")
        try:
            known[name].check(name, value)
        except SpeechError as error:
            raise OptionError(place, str(error)) from error
    values = {name: float(asked.get(name, knob.default)) for name, knob in known.items()}
    return Sampling(narration.speed, tuple(sorted(values.items())))


def lexicon_for(manifest: VoiceManifest, narration: Narration) -> Lexicon:
    """How words are to be said, as far as the narration says it; each entry is one that this voice can use.

    Draft voices take respellings alone. The stub says no words at all: an entry gives the utterances it
    occurs in other noise, as it would give them another sound.

    Raises:
        OptionError: an entry is wrong, or of no use to this voice.
    """
    entries = []
    for number, asked in enumerate(narration.lexicon):
        try:
            entry = entry_of(asked)
            _check_entry(entry, manifest)
        except LexiconError as error:
            raise OptionError(("lexicon", str(number)), str(error)) from error
        entries.append(entry)
    return Lexicon(tuple(entries))


def check_lexicon(lexicon: Lexicon, manifest: VoiceManifest) -> None:
    """Whether a voice can use every entry of a lexicon that is to be its own.

    Raises:
        LexiconError: not one of them; the message names its number, from 1.
    """
    for number, entry in enumerate(lexicon.entries, start=1):
        try:
            _check_entry(entry, manifest)
        except LexiconError as error:
            raise LexiconError(f"entry {number}: {error}") from error


def entry_of(asked: Pronunciation) -> Entry:
    """The entry of a lexicon that was asked for. Raises LexiconError if it is wrong in itself."""
    phonemes = tuple((asked.phonemes or "").split())
    return Entry(asked.word, asked.language, phonemes, asked.respelling or "")


def _check_entry(entry: Entry, manifest: VoiceManifest) -> None:
    if not manifest.speaks(entry.language):
        raise LexiconError(
            f"{entry.word!r}: language: the voice {manifest.name!r} does not speak {entry.language!r}"
        )
    if manifest.family == "draft" and entry.phonemes:
        raise LexiconError(f"{entry.word!r}: phonemes: a draft voice takes a respelling only")
    if manifest.family == "gpt-sovits":
        if entry.language not in LANGUAGES["v2"]:
            known = ", ".join(sorted(LANGUAGES["v2"]))
            raise LexiconError(f"{entry.word!r}: language: {entry.language!r} is none of {known}")
        Lexicon((entry,)).check(_symbols_version(manifest))


def _symbols_version(manifest: VoiceManifest) -> SymbolsVersion:
    """The symbols a GPT-SoVITS voice has learnt: version 2 came with the languages that version 1 lacks.

    Told from the manifest, for whoever takes requests has neither the weights nor torch at hand. Where it
    names no version, its languages do; a version 2 voice of fewer is then checked by the smaller table.
    """
    if version := manifest.parameters.get("version"):
        return "v1" if version == "v1" else "v2"
    return "v2" if set(manifest.languages) & (LANGUAGES["v2"] - LANGUAGES["v1"]) else "v1"
