"""Mixed text by runs of script: what each stretch of a span is read as.

Letters decide, and only letters that belong to one language alone: Latin is English, kana Japanese, hangul
Korean. Han is read in the span's language if that is written so, else in the nearest such language of the
utterance. Figures and marks go with the span's language; between English words they are English.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from speech.errors import UnreadableTextError
from speech.text.chinese.normalise import UNITS as CHINESE_UNITS
from speech.text.japanese import UNITS as JAPANESE_UNITS
from speech.text.korean.normalise import UNITS as KOREAN_UNITS
from speech.text.raised import LOWERED
from speech.text.symbols import LANGUAGES, SymbolsVersion
from speech.text.utterance import Span

_NAMES: Final = {
    "cmn": "zh",
    "zh-yue": "yue",
    "eng": "en",
    "jpn": "ja",
    "kor": "ko",
    "zho": "zh",
    "chi": "zh",
}
_HAN: Final = "\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA: Final = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL: Final = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
_LATIN: Final = "A-Za-zＡ-Ｚａ-ｚ\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_WORD: Final = re.compile(
    rf"(?P<en>[{_LATIN}](?:[{_LATIN}\u0300-\u036f'’.&@_-]*[{_LATIN}\u0300-\u036f])?(?:-(?=\d))?)|(?P<ja>[{_KANA}]+)"
    rf"|(?P<ko>[{_HANGUL}]+)|(?P<han>[{_HAN}]+)"
)
_UNITS: Final = {"zh": CHINESE_UNITS, "yue": CHINESE_UNITS, "ja": JAPANESE_UNITS, "ko": KOREAN_UNITS}
_BETWEEN_ENGLISH: Final = re.compile(rf"[\x20-\x7e‘’“”–—…{LOWERED}]*")
"""What may stand between two English words in other text without ending the English."""


class Run(NamedTuple):
    """A stretch of the utterance's text in one language."""

    language: str
    text: str
    offset: int


def language_of(tag: str, version: SymbolsVersion) -> str:
    """The language a BCP 47 tag names, as the voices call it.

    Raises:
        UnreadableTextError: voices of this version do not read it; nothing is read as another language.
    """
    lower = tag.lower().replace("_", "-")
    name = _NAMES.get(lower) or _NAMES.get(lower.partition("-")[0]) or lower.partition("-")[0]
    if name not in LANGUAGES[version]:
        known = ", ".join(sorted(LANGUAGES[version]))
        raise UnreadableTextError(
            f"language: voices with symbols {version} do not read {tag!r}; they read {known}"
        )
    return name


@functools.cache
def _unit(language: str) -> re.Pattern[str]:
    units = "|".join(map(re.escape, sorted(_UNITS[language], key=len, reverse=True)))
    return re.compile(rf"(?<=\d)\s?(?:{units})(?![A-Za-z])")


def _read_han(languages: Sequence[str], at: int, text: str) -> str:
    """The language of Han characters in the span at an index; in Korean they are Korean."""
    if languages[at] == "ko":
        return "ko"
    for index in sorted(range(len(languages)), key=lambda index: abs(index - at)):
        if languages[index] in {"zh", "yue", "ja"}:
            return languages[index]
    return "ja" if re.search(f"[{_KANA}]", text) else "zh"


def split_runs(spans: Sequence[Span], version: SymbolsVersion) -> list[Run]:
    """The utterance's text as runs: joined they are the text, neighbours differ in language.

    Raises:
        UnreadableTextError: a span's, or a run's, language is none that the voice reads.
    """
    languages = [language_of(span.language, version) for span in spans]
    whole = "".join(span.text for span in spans)
    runs: list[Run] = []
    offset = 0
    for at, (span, language) in enumerate(zip(spans, languages, strict=True)):
        for run in _split_span(span.text, language, _read_han(languages, at, whole)):
            if run.language not in LANGUAGES[version]:
                raise UnreadableTextError(
                    f"character {offset + run.offset + 1}: {run.text.strip()[:20]!r} is in {run.language!r}, "
                    f"which voices with symbols {version} do not read"
                )
            _append(runs, run._replace(offset=offset + run.offset))
        offset += len(span.text)
    return _give_marks_away(runs)


def _append(runs: list[Run], run: Run) -> None:
    if runs and runs[-1].language == run.language:
        runs[-1] = runs[-1]._replace(text=runs[-1].text + run.text)
    elif run.text:
        runs.append(run)


def _split_span(text: str, language: str, han: str) -> list[Run]:
    """The runs of one span, neighbours of one language not yet joined."""
    units = [match.span() for match in _unit(language).finditer(text)] if language in _UNITS else []
    words: list[tuple[int, int, str]] = []
    for match in _WORD.finditer(text):
        script = str(match.lastgroup)
        if script == "en" and any(start <= match.start() < stop for start, stop in units):
            continue
        words.append((match.start(), match.end(), han if script == "han" else script))
    marks: list[tuple[int, int, str]] = []
    for before, after in pairwise([(0, 0, language), *words, (len(text), len(text), language)]):
        between = text[before[1] : after[0]]
        english = before[2] == after[2] == "en" and _BETWEEN_ENGLISH.fullmatch(between)
        # In the language of a span its own figures are read; mere marks stay with the word before them.
        owner = language if re.search(r"\w", between) or before[1] == 0 else before[2]
        marks.append((before[1], after[0], "en" if english else owner))
    return [Run(name, text[start:stop], start) for start, stop, name in sorted(words + marks) if stop > start]


def _give_marks_away(runs: list[Run]) -> list[Run]:
    """The runs, those without a letter or figure joined to a neighbour: a bracket alone is no language."""
    kept: list[Run] = []
    for run in runs:
        if kept and not (re.search(r"\w", run.text) and re.search(r"\w", kept[-1].text)):
            speaks = run if re.search(r"\w", run.text) else kept[-1]
            kept[-1] = Run(speaks.language, kept[-1].text + run.text, kept[-1].offset)
        elif kept and kept[-1].language == run.language:
            kept[-1] = kept[-1]._replace(text=kept[-1].text + run.text)
        else:
            kept.append(run)
    return kept
