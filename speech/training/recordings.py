"""List files: which recording says what. Upstream's own, as they are: `path|speaker|language|text`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from speech.errors import TrainingError
from speech.voice import Samples

LANGUAGES: Final = {
    **dict.fromkeys(("zh",), "zh"),
    **dict.fromkeys(("ja", "jp"), "ja"),
    **dict.fromkeys(("en",), "en"),
    **dict.fromkeys(("ko",), "ko"),
    **dict.fromkeys(("yue",), "yue"),
}
"""BCP 47 for what a list may say, in any case."""

_FIELDS: Final = ("path", "speaker", "language", "text")
_READ_AS: Final = str.maketrans({"%": "-", "￥": ","})  # as upstream, which cannot read these two


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list file."""

    number: int
    """In the file, from 1."""
    name: str
    """The recording's file name, without the folders that stood before it on its owner's machine."""
    speaker: str
    language: str
    """BCP 47."""
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """Some seconds of speech and what is said."""

    name: str
    sound: Samples
    """Mono, 32 kHz."""
    language: str
    """BCP 47."""
    text: str


def parse_list(content: str) -> list[Line]:
    """The lines of a list file; empty ones are passed over.

    Raises:
        TrainingError: a line cannot be read, or names a recording that another has named; with its number.
    """
    lines: list[Line] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(content.removeprefix("\ufeff").splitlines(), start=1):
        if row.strip():
            line = _parse_line(number, row)
            if line.name in seen:
                raise TrainingError(f"line {number}: {line.name} was named in line {seen[line.name]} already")
            seen[line.name] = number
            lines.append(line)
    if not lines:
        raise TrainingError("the list is empty")
    return lines


def _parse_line(number: int, row: str) -> Line:
    fields = [field.strip() for field in row.split("|")]
    if len(fields) != len(_FIELDS):
        raise TrainingError(f"line {number}: {len(fields)} fields, not the four {'|'.join(_FIELDS)}")
    for field, value in zip(_FIELDS, fields, strict=True):
        if not value and field != "speaker":
            raise TrainingError(f"line {number}: {field} is empty")
    path, speaker, language, text = fields
    if language.lower() not in LANGUAGES:
        known = ", ".join(sorted(set(LANGUAGES.values())))
        raise TrainingError(f"line {number}: language {language!r} is none of {known}")
    name = PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
    return Line(number, name, speaker, LANGUAGES[language.lower()], text.translate(_READ_AS))
