"""What is said of a prompt: its language and its transcript, checked against the recording's length.

No language library is needed for it: whoever takes a prompt need not be able to speak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from speech.errors import UnreadableTextError, VoiceError
from speech.text.runs import language_of

LEAST_PACE: Final = 3.0
MOST_PACE: Final = 25.0
"""Phonemes a second: what lies outside upstream takes out of its training data (GPT-SoVITS 48b1a01)."""

_HAN: Final = "\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA: Final = "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL: Final = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
_LATIN: Final = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"

_SCRIPTS: Final[Mapping[str, str]] = MappingProxyType(
    {"en": _LATIN, "ja": _HAN + _KANA, "ko": _HANGUL, "yue": _HAN, "zh": _HAN}
)
"""The letters without which nothing is said in a language."""

_PHONEMES: Final = (
    (re.compile(f"[{_HAN}]"), 2.0),  # an initial and a final; in Japanese about two moras
    (re.compile(f"[{_KANA}]"), 1.7),
    (re.compile(f"[{_HANGUL}]"), 2.4),
    (re.compile(f"[{_LATIN}]"), 0.8),  # English: "though" has six letters and two phonemes
    (re.compile(r"\d"), 3.0),
)
"""About how many phonemes a character is spoken as: right to a third, with limits eight times apart."""


class SaidError(VoiceError):
    """What is said of a prompt is wrong; `field` is "language" or "transcript"."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_language(tag: str, *, place: str) -> str:
    """The tag in lower case.

    Raises:
        SaidError: no voice that is cloned from prompts knows the language.
    """
    try:
        language_of(tag, "v2")
    except UnreadableTextError as error:
        raise SaidError("language", f"{place}: {error}") from error
    return tag.lower().replace("_", "-")


def check_transcript(transcript: str, language: str, seconds: float, *, place: str) -> str:
    """The transcript on one line, blanks made single.

    Raises:
        SaidError: it is empty, in another language's letters, or too short or long for what was recorded.
    """
    text = " ".join(transcript.split())
    name = language_of(language, "v2")
    if not re.search(f"[{_SCRIPTS[name]}]", text):
        fault = "is empty" if not text else f"has no letter of the language {language!r}: {text[:40]!r}"
        raise SaidError("transcript", f"{place}: the transcript {fault}")
    n_phonemes = sum(weight * len(pattern.findall(text)) for pattern, weight in _PHONEMES)
    pace = n_phonemes / seconds
    if not LEAST_PACE <= pace <= MOST_PACE:
        fault = "short" if pace < LEAST_PACE else "long"
        raise SaidError(
            "transcript",
            f"{place}: the transcript is too {fault} for {seconds:.1f} s: about {pace:.1f} phonemes a second;"
            f" speech has {LEAST_PACE:g} to {MOST_PACE:g}",
        )
    return text
