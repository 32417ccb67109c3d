"""Subtitles, one cue for each utterance: SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from book.track import Cue

SHORTEST_MS: Final = 1
"""A cue lasts at least this: players drop one that ends when it begins."""

_ARROW = re.compile("-->")
_SRT_MARKUP = re.compile(r"<(?=[/A-Za-z])|\{(?=\\)")
_WORD_JOINER = "\u2060"


def shifted(cues: Iterable[Cue], seconds: float) -> tuple[Cue, ...]:
    """The same cues, later by `seconds`: a chapter's cues in its file, or in the whole book."""
    return tuple(
        Cue(cue.start_seconds + seconds, cue.end_seconds + seconds, cue.text, cue.boundary) for cue in cues
    )


def srt(cues: Iterable[Cue]) -> str:
    """The cues as SubRip text.

    The format has no escapes. So that no player takes the book's words for markup, a word joiner (U+2060,
    invisible) is put after `<` and `{` where a tag could begin, and the arrow of the time line is written
    as one character.
    """
    blocks = []
    for number, (start, end, text) in enumerate(_lines(cues), start=1):
        plain = _SRT_MARKUP.sub(lambda mark: mark[0] + _WORD_JOINER, _ARROW.sub("→", text))
        blocks.append(f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{plain}\n")
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """The cues as WebVTT (W3C Candidate Recommendation, 2019): `&`, `<` and `>` are escaped, hours may
    exceed 99."""
    blocks = ["WEBVTT\n"]
    for start, end, text in _lines(cues):
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(start, '.')} --> {_clock(end, '.')}\n{escaped}\n")
    return "\n".join(blocks)


def _lines(cues: Iterable[Cue]) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds and the text in one line: an empty line would end the cue."""
    for cue in cues:
        start = round(cue.start_seconds * 1000)
        yield start, max(start + SHORTEST_MS, round(cue.end_seconds * 1000)), " ".join(cue.text.split())


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"
