"""An utterance's phonemes: its spans cut into runs of one language, each normalised and pronounced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from speech.errors import UnreadableTextError
from speech.text import cantonese, japanese
from speech.text.chinese import normalise as chinese_normalise
from speech.text.chinese import words as chinese_words
from speech.text.chinese.words import Polyphones
from speech.text.english import normalise as english_normalise
from speech.text.english import words as english_words
from speech.text.korean import normalise as korean_normalise
from speech.text.korean import words as korean_words
from speech.text.lexicon import Lexicon, is_private
from speech.text.reading import Reading, unreadable
from speech.text.runs import Run, split_runs
from speech.text.symbols import IDS, MARKS, SymbolsVersion
from speech.text.traced import Place, TracedText
from speech.text.utterance import Span

_LEAST: Final = 6
"""Phonemes of the shortest utterance; shorter ones begin with a mark, as in upstream: less is said badly."""
_LEAST_ENGLISH: Final = 4
"""The same for an English run, which begins with a comma then."""
_PER_CHARACTER: Final = frozenset({"zh", "yue"})
"""Languages read one character at a time, whose features the linguistic backbone gives per character."""


@dataclass(frozen=True, slots=True)
class SpokenRun:
    """A stretch in one language, as it was normalised and pronounced."""

    language: str
    text: str
    """Normalised; for zh and yue one entry of `word2ph` for each character."""
    n_phonemes: int
    word2ph: tuple[int, ...] | None
    """Phonemes of each character of `text`, for zh and yue; None for languages without such features."""


@dataclass(frozen=True, slots=True)
class Phonemes:
    """The phonemes of an utterance."""

    ids: tuple[int, ...]
    """[P]; each within the symbol table."""
    runs: tuple[SpokenRun, ...]
    """In order; their `n_phonemes` add up to P."""
    places: tuple[Place, ...]
    """[P]; the characters of the utterance's text that each phoneme was read from."""

    @property
    def text(self) -> str:
        """The normalised text."""
        return "".join(run.text for run in self.runs)


def phonemise(
    spans: Sequence[Span],
    *,
    symbols_version: SymbolsVersion,
    lexicon: Lexicon | None = None,
    polyphones: Polyphones | None = None,
) -> Phonemes:
    """The phonemes of an utterance.

    An utterance that ends without a mark gets a full stop, a very short one a mark before it: the voices
    were trained on sentences.

    Args:
        spans: the utterance's text, each span with its language (BCP 47).
        symbols_version: of the voice: "v1", or "v2" for v2, v2Pro and v2ProPlus.
        lexicon: pronunciations that go before everything else.
        polyphones: a model that tells readings of Chinese characters apart by their sentence
            (`speech.text.chinese.g2pw.G2pw`); without one, words tell.

    Raises:
        UnreadableTextError: a character or a language cannot be read, or there is nothing to say; the message
            names the character and its place (counted from 1).
        LexiconError: an entry's symbol is none of this version.
    """
    lexicon = lexicon or Lexicon()
    lexicon.check(symbols_version)
    whole = "".join(span.text for span in spans)
    for at, character in enumerate(whole):
        if is_private(character):
            raise unreadable(character, Place(at, at + 1), "any language")
    runs = split_runs(spans, symbols_version)
    parts = [_read(run, symbols_version, lexicon, polyphones, goes_on=run is not runs[-1]) for run in runs]
    parts = [part for part in parts if part.readings]
    if not any(symbol not in MARKS for part in parts for r in part.readings for symbol in r.symbols):
        raise UnreadableTextError(f"text: there is nothing to say in {whole[:40]!r}")
    parts[-1] = _close(parts[-1])
    if sum(_count(part) for part in parts) < _LEAST:
        parts[0] = _open(parts[0], ".")
    return _join([_lengthen(part) for part in parts], symbols_version)


@dataclass(frozen=True, slots=True)
class _Part:
    """A run with its normalised text and the readings of all its characters that sound."""

    language: str
    text: TracedText
    readings: tuple[Reading, ...]


def _read(
    run: Run, version: SymbolsVersion, lexicon: Lexicon, polyphones: Polyphones | None, *, goes_on: bool
) -> _Part:
    language = run.language
    text = TracedText.read(run.text, run.offset)
    pattern = lexicon.pattern(language)
    if pattern:
        text = text.sub(pattern, lambda m: _stand_in(lexicon, language, m.group()))
    if language == "en":
        text = english_normalise.normalise(text)
        readings = english_words.pronounce(text.text)
    elif language == "zh":
        text = chinese_normalise.normalise(text)
        readings = chinese_words.pronounce(text.text, polyphones)
    elif language == "yue":
        text = cantonese.normalise(text)
        readings = cantonese.pronounce(text.text)
    elif language == "ja":
        text = japanese.normalise(text)
        readings = japanese.pronounce(text, pitch=version == "v2")
    else:
        text = korean_normalise.normalise(text, goes_on=goes_on)
        readings = korean_words.pronounce(text.text)
    readings = _override(text, readings, language, lexicon)
    for reading in readings:
        if not reading.symbols:
            characters = text.text[reading.start : reading.stop]
            raise unreadable(characters, text.span(reading.start, reading.stop), language)
    return _Part(language, text, tuple(readings))


def _stand_in(lexicon: Lexicon, language: str, word: str) -> str:
    """The word's stand-in; languages read by characters keep the word, whose readings are replaced later."""
    entry = lexicon.entry(language, word)
    return word if entry.phonemes and language in _PER_CHARACTER else lexicon.stand_in(language, word)


def _override(text: TracedText, readings: list[Reading], language: str, lexicon: Lexicon) -> list[Reading]:
    """The readings with the lexicon's phonemes in place."""
    if language not in _PER_CHARACTER:
        said: list[Reading] = []
        for reading in readings:
            symbols = lexicon.phonemes_of(language, reading.symbols[0]) or reading.symbols
            if symbols == ("'s",):  # after a word of the lexicon: which s it is depends on that word's end
                symbols = english_words.with_s(said[-1].symbols)[len(said[-1].symbols) :]
            said.append(reading._replace(symbols=symbols))
        return said
    pattern = lexicon.pattern(language)
    for match in pattern.finditer(text.text) if pattern else ():
        phonemes = lexicon.entry(language, match.group()).phonemes
        for index, reading in enumerate(readings):
            if phonemes and match.start() <= reading.start < match.end():
                at = 2 * (reading.start - match.start())
                readings[index] = reading._replace(symbols=phonemes[at : at + 2])
    return readings


def _count(part: _Part) -> int:
    return sum(len(reading.symbols) for reading in part.readings)


def _close(part: _Part) -> _Part:
    """The run with a mark at its end."""
    if part.readings[-1].symbols[-1] in MARKS:
        return part
    n_before = len(part.text.text)
    stop = TracedText(".", (part.text.span(n_before, n_before),))
    return replace(
        part,
        text=TracedText.join((part.text, stop)),
        readings=(*part.readings, Reading((".",), n_before, n_before + 1)),
    )


def _open(part: _Part, mark: str) -> _Part:
    """The run with a mark at its beginning."""
    start = TracedText(mark, (part.text.span(0, 0),))
    shifted = (Reading(r.symbols, r.start + 1, r.stop + 1) for r in part.readings)
    return replace(
        part, text=TracedText.join((start, part.text)), readings=(Reading((mark,), 0, 1), *shifted)
    )


def _lengthen(part: _Part) -> _Part:
    return _open(part, ",") if part.language == "en" and _count(part) < _LEAST_ENGLISH else part


def _join(parts: Sequence[_Part], version: SymbolsVersion) -> Phonemes:
    ids: list[int] = []
    places: list[Place] = []
    runs: list[SpokenRun] = []
    for part in parts:
        for reading in part.readings:
            ids += [IDS[version][symbol] for symbol in reading.symbols]
            places += [part.text.span(reading.start, reading.stop)] * len(reading.symbols)
        per_character = part.language in _PER_CHARACTER
        word2ph = tuple(len(reading.symbols) for reading in part.readings) if per_character else None
        runs.append(SpokenRun(part.language, part.text.text, _count(part), word2ph))
    return Phonemes(tuple(ids), tuple(runs), tuple(places))
