"""Lines of plain text become paragraphs: hard-wrapped ones are joined again, verse keeps its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles

from book.flow import CJK, LINE
from book.headings import HeadingKind, read_heading

_INDENT = re.compile(r"(?:[ \t]{2,}|\t|\u3000+| \u3000)(?=\S)")
_ENDS_SENTENCE = re.compile(r"[.!?…:;。！？；：—”’\"'」』）)\]*]\s*$")
_CJK_END = re.compile(f"[{CJK}]$")
_CJK_START = re.compile(f"^[{CJK}]")
_WIDE = re.compile(f"[{CJK}\uac00-\ud7af]")
_LIST = re.compile(r"\s*(?:[-*•–]|\d{1,3}[.)])\s+\S")
# No one wraps by hand beyond this; longer lines are paragraphs already.
_WIDEST_WRAP = 100
_SURE_HEADINGS = (HeadingKind.PART, HeadingKind.CHAPTER, HeadingKind.NAMED)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text; verse lines are divided by LINE."""

    text: str
    is_line: bool
    """It stands on a single line: only such may be headings."""
    after_gap: int = 1
    """Blank lines before it."""


def width(line: str) -> int:
    """Columns that a line takes where Han, kana and hangul take two."""
    return len(line) + len(_WIDE.findall(line))


def read_paragraphs(text: str) -> list[Paragraph]:
    """The paragraphs of a text, by blank lines where it has them, else by indent, else one to a line."""
    lines = [line.rstrip() for line in re.split(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)]
    groups = list(_groups(lines))
    n_lines = sum(len(group) for _, group in groups)
    wrap = _wrap_width(groups)
    paragraphs: list[Paragraph] = []
    for gap, group in groups:
        parts = _split_group(group, wrap, is_whole=n_lines == len(group))
        for index, part in enumerate(parts):
            paragraphs.append(Paragraph(_join(part, wrap), len(part) == 1, gap if index == 0 else 0))
    return paragraphs


def _groups(lines: Sequence[str]) -> Iterable[tuple[int, list[str]]]:
    """Runs of lines without a blank one, each with the number of blank lines before it."""
    group: list[str] = []
    gap = 0
    for line in lines:
        if line.strip(" \t\u3000\xa0\ufeff"):
            group.append(line)
            continue
        if group:
            yield gap, group
            group, gap = [], 0
        gap += 1
    if group:
        yield gap, group


def _wrap_width(groups: Sequence[tuple[int, list[str]]]) -> int:
    """The column at which the text is wrapped by hand; 0 if it is not."""
    widths = [width(line.strip()) for _, group in groups if len(group) > 1 for line in group[:-1]]
    if not widths:
        return 0
    # Text wrapped by hand has many lines that end near the same column, and next to none beyond it.
    near_widest = quantiles(widths, n=20)[-2] if len(widths) > 1 else widths[0]
    if near_widest > _WIDEST_WRAP:
        return 0
    full = sum(length > 0.75 * near_widest for length in widths)
    return int(near_widest) if full >= 0.4 * len(widths) and near_widest >= 30 else 0


def _split_group(group: list[str], wrap: int, *, is_whole: bool) -> list[list[str]]:
    """The paragraphs inside lines that no blank line divides."""
    if len(group) == 1:
        return [group]
    indented = [bool(_INDENT.match(line)) for line in group]
    if any(indented) and not all(indented) and (indented[0] or wrap):
        starts = [index for index, is_indented in enumerate(indented) if is_indented or index == 0]
        # An indent on every other line is verse, not a book of two-line paragraphs.
        if is_whole or len(starts) * 2 <= len(group) or wrap:
            return _headed([group[a:b] for a, b in pairwise([*starts, len(group)])])
    if all(indented) and not wrap:
        return [[line] for line in group]
    if not wrap or not _is_wrapped(group, wrap):
        short = all(width(line.strip()) <= 60 for line in group)
        if (
            not is_whole
            and short
            and len(group) <= 60
            and not any(_LIST.match(line) for line in group)
            and not _mostly_sentences(group)
        ):
            return _headed([group])
        return [[line] for line in group]
    if is_whole:
        return _split_by_short_lines(group, wrap)
    return _headed([group])


def _headed(parts: list[list[str]]) -> list[list[str]]:
    """The paragraphs, with a first line that is surely a heading set apart."""
    headed: list[list[str]] = []
    for part in parts:
        found = read_heading(part[0].strip()) if len(part) > 1 else None
        headed += [part[:1], part[1:]] if found and found.kind in _SURE_HEADINGS else [part]
    return headed


def _is_wrapped(group: list[str], wrap: int) -> bool:
    lengths = [width(line.strip()) for line in group[:-1]]
    return sum(lengths) / len(lengths) > 0.6 * wrap


def _mostly_sentences(group: list[str]) -> bool:
    """True if most lines end as sentences do: then each is a paragraph."""
    return sum(bool(_ENDS_SENTENCE.search(line)) for line in group) > 0.7 * len(group)


def _split_by_short_lines(group: list[str], wrap: int) -> list[list[str]]:
    """Wrapped text without blank lines or indents: a short line that ends a sentence ends a paragraph."""
    parts: list[list[str]] = [[]]
    for line in group:
        stripped = line.strip()
        heading = read_heading(stripped)
        if heading and heading.kind in _SURE_HEADINGS:
            parts += [[line], []]
            continue
        parts[-1].append(line)
        if width(stripped) < 0.8 * wrap and _ENDS_SENTENCE.search(stripped):
            parts.append([])
    return [part for part in parts if part]


def _join(part: Sequence[str], wrap: int) -> str:
    """One paragraph's lines as one text: joined if they were wrapped, else kept as lines."""
    stripped = [line.strip(" \t\u3000\xa0\ufeff") for line in part]
    if len(stripped) == 1:
        return stripped[0]
    if not wrap or not _is_wrapped(list(part), wrap):
        return LINE.join(stripped)
    return join_wrapped(stripped)


def join_wrapped(lines: Sequence[str]) -> str:
    """Wrapped lines as running text.

    No space between Han or kana, after a dash, or after a hyphen inside a word.
    """
    joined = lines[0]
    for line in lines[1:]:
        if (_CJK_END.search(joined) and _CJK_START.match(line)) or re.search(r"(?:--|—|\w-)$", joined):
            joined += line
        else:
            joined += " " + line
    return joined
