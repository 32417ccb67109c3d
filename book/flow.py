"""What every reader pours its text into.

Passages in reading order, tidied, before they are cut into chapters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from book.structure import Block, BlockKind, Span

CJK = r"\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31f0-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U000323af"
"""Han, kana and their punctuation, as the inside of a character class. Not hangul, which writes spaces."""

CJK_CHARACTER = re.compile(f"[{CJK}\uac00-\ud7af]")
"""One character of a script of wide characters, hangul among them."""

LINE = "\u2028"
"""A line break that is meant (br, a line of verse); it becomes a newline inside a block's text."""

# Soft hyphen, zero-width space, word joiner, byte order mark, directional marks, controls, lone surrogates.
_INVISIBLE = re.compile(
    "[\u0001-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffc\ud800-\udfff]"
)
_BETWEEN_CJK = re.compile(f"(?<=[{CJK}])([ \t\x00]*[\n\r][ \t\n\r\x00]*)(?=[{CJK}])")
_BLANKS = re.compile(f"[^\\S{LINE}]+(?:\x00+[^\\S{LINE}]+)*")
_SEPARATOR = "\x00"

_ORNAMENTS = "*＊⁂⁎⁑•·∙●○◦◆◇■□▲△▼▽★☆✦✧✩✪✫✬✭✮✯✱✲✳✴✵✶✷✸✹✺❀❁❂❃❄❅❆❇❈❉❊❋❖❦❧☙❡§¶※〇～~∼—–―─━═-_=+#×✕✖・☘♦♠♣♥"
_ORNAMENT = re.compile(f"[{re.escape(_ORNAMENTS)}\\s\\[\\]().]{{1,60}}")
_ORNAMENT_CHARACTER = re.compile(f"[{re.escape(_ORNAMENTS)}]")


@dataclass(slots=True)
class Passage:
    """A block on its way into a chapter, with what only the cutting needs to know."""

    block: Block
    level: int = 0
    """1 to 6 for a heading; 0 for others."""
    anchors: tuple[str, ...] = ()
    """Names by which a contents list may point here."""
    types: frozenset[str] = frozenset()
    """epub:type terms and roles of the elements around it."""
    link_share: float = 0.0
    """Share of its characters that are links into the book."""
    is_blank: bool = False
    """An empty paragraph that may be a section break."""

    @property
    def kind(self) -> BlockKind:
        """The block's kind."""
        return self.block.kind

    @property
    def text(self) -> str:
        """The block's text."""
        return self.block.text


def tidy_spans(runs: Iterable[tuple[str, str]]) -> tuple[Span, ...]:
    """Runs of text and language made spans, as a page would show them.

    Blanks of every kind collapse to one space, none stands at either end; a line end between Han or kana
    characters is no space; LINE becomes a newline; invisible characters go; the text is in Unicode NFC.
    """
    pairs = [(text.replace(_SEPARATOR, ""), language) for text, language in runs if text]
    joined = _INVISIBLE.sub("", _SEPARATOR.join(text for text, _ in pairs))
    joined = unicodedata.normalize("NFC", joined)
    joined = _BETWEEN_CJK.sub(lambda match: _SEPARATOR * match[1].count(_SEPARATOR), joined)
    joined = _BLANKS.sub(lambda match: " " + _SEPARATOR * match[0].count(_SEPARATOR), joined)
    joined = _join_lines([_trim(line) for line in joined.split(LINE)])
    spans: list[Span] = []
    for text, (_, language) in zip(joined.split(_SEPARATOR), pairs, strict=False):
        # A blank that two runs share was kept by each of them.
        tidied = text.lstrip(" ") if not spans or spans[-1].text.endswith((" ", "\n")) else text
        if not tidied:
            continue
        if spans and (spans[-1].language == language or tidied.isspace()):
            spans[-1] = Span(spans[-1].text + tidied, spans[-1].language)
        else:
            spans.append(Span(tidied, language))
    return _strip(spans)


def _join_lines(lines: list[str]) -> str:
    """The lines divided by newlines; blank ones leave only their separators."""
    has_text = bool(lines[0].strip(_SEPARATOR))
    parts = [lines[0]]
    for line in lines[1:]:
        is_blank = not line.strip(_SEPARATOR)
        parts.append(line if is_blank or not has_text else "\n" + line)
        has_text = has_text or not is_blank
    return "".join(parts)


def _trim(line: str) -> str:
    """The line without blanks at its ends; separators stay, for they count the runs."""
    ends = " " + _SEPARATOR
    core = line.strip(ends)
    if not core:
        return _SEPARATOR * line.count(_SEPARATOR)
    at = line.index(core)
    before, after = line[:at].count(_SEPARATOR), line[at + len(core) :].count(_SEPARATOR)
    return _SEPARATOR * before + core + _SEPARATOR * after


def _strip(spans: list[Span]) -> tuple[Span, ...]:
    while spans and not (text := spans[0].text.lstrip()):
        spans.pop(0)
    if spans:
        spans[0] = Span(text, spans[0].language)
    while spans and not (text := spans[-1].text.rstrip()):
        spans.pop()
    if spans:
        spans[-1] = Span(text, spans[-1].language)
    return tuple(spans)


def tidy_line(text: str) -> str:
    """A title or name as one tidy line."""
    return " ".join("".join(span.text for span in tidy_spans([(text, "")])).split())


def is_ornament(text: str) -> bool:
    """True for a paragraph of asterisks, dashes or fleurons: a section break."""
    return _ORNAMENT.fullmatch(text) is not None and _ORNAMENT_CHARACTER.search(text) is not None


def paragraph(runs: Iterable[tuple[str, str]]) -> Block | None:
    """A paragraph of these runs; a section break if they are an ornament; None if they are blank."""
    spans = tidy_spans(runs)
    if not spans:
        return None
    if is_ornament("".join(span.text for span in spans)):
        return Block(BlockKind.BREAK)
    return Block(BlockKind.PARAGRAPH, spans)


def heading(runs: Iterable[tuple[str, str]]) -> Block | None:
    """A heading of these runs, None if they are blank."""
    spans = tidy_spans(runs)
    return Block(BlockKind.HEADING, spans) if spans else None


def same_words(first: str, second: str) -> bool:
    """True if two titles differ in nothing but case, blanks and punctuation."""
    return bool(words := words_key(first)) and words == words_key(second)


def words_key(text: str) -> str:
    """The letters and digits of a text, case folded: what is compared of two titles."""
    return "".join(
        character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum()
    )


def tidy_passages(passages: Sequence[Passage]) -> list[Passage]:
    """The passages without doubled headings and without breaks at either end or in a row."""
    kept: list[Passage] = []
    for passage in passages:
        before = kept[-1] if kept else None
        if passage.kind is BlockKind.BREAK and (before is None or before.kind is not BlockKind.PARAGRAPH):
            continue
        doubled = (
            before is not None
            and passage.kind is before.kind is BlockKind.HEADING
            and same_words(passage.text, before.text)
        )
        if doubled and before is not None:
            kept[-1] = replace(before, anchors=before.anchors + passage.anchors)
            continue
        if passage.kind is BlockKind.HEADING and before is not None and before.kind is BlockKind.BREAK:
            kept.pop()
        kept.append(passage)
    while kept and kept[-1].kind is BlockKind.BREAK:
        kept.pop()
    return kept
