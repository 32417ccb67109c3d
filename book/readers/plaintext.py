"""Plain text in any common encoding: paragraphs from lines, chapters from lines that look like headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import IO

from book.errors import HostileBookError, UnreadableBookError
from book.flow import LINE, Passage, heading, paragraph, same_words, tidy_line, words_key
from book.headings import HeadingKind, HeadingLine, read_heading
from book.language import normalise_tag
from book.limits import MIB, Limits
from book.matter import is_contents_title, matter_of_title
from book.readers.assemble import Metadata, assemble, make_chapter
from book.readers.boilerplate import cut_gutenberg
from book.readers.decode import CJK_ENCODINGS, OTHER_ENCODINGS, decode
from book.readers.lines import Paragraph, read_paragraphs
from book.structure import Block, BlockKind, Book, Chapter, LeftOut

_EMPHASIS = re.compile(r"(?<![\w_])_([^_\s](?:[^_]{0,500}[^_\s])?)_(?![\w_])")
_PICTURE = re.compile(
    r"\[(?:Illustration|Image|Figure|Abbildung|插图|挿絵)\b.{0,2000}\]", re.IGNORECASE | re.DOTALL
)
_NOTE = re.compile(r"\[(?:Footnote|Note|Fußnote)\s*(\w{1,4})?\s*:.{0,20000}\]?", re.IGNORECASE | re.DOTALL)
_NOTE_MARK = re.compile(r"(?<=\S)\[(\d{1,4})\]")
_BARE_NOTE = re.compile(r"\[(\d{1,4})\]\s+\S")
_TITLE_LINE = re.compile(r"(?:title|titel|书名|書名|題名|제목)\s*[:：]\s*(.{1,200})", re.IGNORECASE)
_AUTHOR_LINE = re.compile(
    r"(?:author|autor|auteur|作者|著者|지은이|저자)\s*[:：]\s*(.{1,200})", re.IGNORECASE
)
_BY_LINE = re.compile(r"(?:by|von|par|por)\s+(\S.{1,80})", re.IGNORECASE)
_LONGEST_TITLE = 80
_CONTENTS_RUN = 3


def prepare() -> None:
    """Reads a little of everything, so that no module or decoder is loaded later."""
    for encoding in (*CJK_ENCODINGS, *OTHER_ENCODINGS, "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        b"a".decode(encoding, "ignore")
    # A text in Russian makes charset-normalizer load all it uses.
    decode("Мой дядя самых честных правил, когда не в шутку занемог. ".encode("koi8-r") * 3)
    book_from_text(
        "Title\n\nCHAPTER I\n\n_A_ line.[1]\n\n[1] Note.\n\n第二章 二\n\nEnglish, then 中文。\n",
        limits=Limits(),
    )


def read(file: IO[bytes], limits: Limits) -> Book:
    """The book in a plain text file."""
    text = decode(file.read(limits.markup_bytes + 1))
    return book_from_text(text, limits=limits)


def book_from_text(text: str, *, title: str = "", language: str = "", limits: Limits) -> Book:
    """The book in a text; a title or language that is given wins over what the text suggests."""
    if len(text) > min(limits.markup_bytes, limits.characters):
        most = f"{limits.characters:,} characters or {limits.markup_bytes // MIB} MiB"
        raise HostileBookError(f"has more than {most} of text")
    paragraphs = read_paragraphs(text.replace("\x00", ""))
    if not paragraphs:
        raise UnreadableBookError("has no text to read aloud")
    metadata = Metadata(title=title, language=normalise_tag(language))
    return book_from_paragraphs(paragraphs, metadata, limits)


def book_from_paragraphs(paragraphs: Sequence[Paragraph], metadata: Metadata, limits: Limits) -> Book:
    """The book in these paragraphs; PDF comes through here too."""
    named_title, named_author = _named_in_header(paragraphs)
    lines = _without_notes_and_pictures(paragraphs, metadata)
    passages, boilerplate = cut_gutenberg([_passage(line) for line in lines])
    metadata.left_out += boilerplate
    kept = [
        line
        for line, passage in zip(lines, passages, strict=True)
        if passage.block.spans or passage.kind is BlockKind.BREAK
    ]
    headings = _choose_headings(kept)
    kept, headings = _without_contents_list(kept, headings, metadata)
    first_heading = min(headings, default=len(kept))
    opening = _opening_title(kept, first_heading) if headings else ""
    metadata.title = metadata.title or named_title or opening
    if not metadata.authors and named_author:
        metadata.authors = (named_author,)
    return assemble(metadata, _cut(kept, headings, metadata, opening), limits)


def _passage(line: Paragraph) -> Passage:
    # A line of nothing but invisible characters is an empty paragraph, which no chapter keeps.
    return Passage(paragraph([(_EMPHASIS.sub(r"\1", line.text), "")]) or Block(BlockKind.PARAGRAPH))


def _named_in_header(paragraphs: Sequence[Paragraph]) -> tuple[str, str]:
    """Title and author where the first lines name them, as Project Gutenberg's header does."""
    title = author = ""
    for line in paragraphs[:30]:
        for part in line.text.split(LINE):
            if not title and (match := _TITLE_LINE.fullmatch(part.strip())):
                title = tidy_line(match[1])
            elif not author and (match := _AUTHOR_LINE.fullmatch(part.strip())):
                author = tidy_line(match[1])
    return title, author


def _without_notes_and_pictures(paragraphs: Sequence[Paragraph], metadata: Metadata) -> list[Paragraph]:
    counts: Counter[str] = Counter()
    notes: set[str] = set()
    kept: list[Paragraph] = []
    marks = {mark for line in paragraphs for mark in _NOTE_MARK.findall(line.text)}
    for line in paragraphs:
        if _PICTURE.fullmatch(line.text):
            counts["pictures"] += 1
        elif match := _NOTE.fullmatch(line.text):
            counts["footnotes"] += 1
            notes.add(match[1] or "")
        elif (match := _BARE_NOTE.match(line.text)) and match[1] in marks:
            counts["footnotes"] += 1
            notes.add(match[1])
        else:
            kept.append(line)
    if notes:
        kept = [
            Paragraph(
                _NOTE_MARK.sub(lambda mark: "" if mark[1] in notes else mark[0], line.text),
                line.is_line,
                line.after_gap,
            )
            for line in kept
        ]
    reasons = {"pictures": "they cannot be read aloud", "footnotes": "they interrupt the text"}
    metadata.left_out += [LeftOut(f"{what} ({count})", reasons[what]) for what, count in counts.items()]
    return kept


def _choose_headings(lines: Sequence[Paragraph]) -> dict[int, HeadingLine]:
    """Which lines begin chapters: those that say so, else numbers in sequence, else lines in capitals."""
    found = {
        index: read
        for index, line in enumerate(lines)
        if line.is_line and (read := read_heading(line.text.strip()))
    }
    sure = {i: h for i, h in found.items() if h.kind in (HeadingKind.CHAPTER, HeadingKind.PART)}
    if sure:
        named = {i: h for i, h in found.items() if h.kind is HeadingKind.NAMED}
        matter = {i: HeadingLine(HeadingKind.NAMED) for i in _matter_lines(lines)}
        return matter | named | sure
    for kind in (HeadingKind.NUMBERED, HeadingKind.NUMBER):
        numbered = {i: h for i, h in found.items() if h.kind is kind}
        if sequence := _longest_count(numbered):
            named = {i: h for i, h in found.items() if h.kind is HeadingKind.NAMED}
            return named | sequence
    capitals = {i: h for i, h in found.items() if h.kind is HeadingKind.CAPITALS and _stands_apart(lines, i)}
    named = {i: h for i, h in found.items() if h.kind is HeadingKind.NAMED}
    return named | capitals if len(capitals) >= 2 or named else {}


def _matter_lines(lines: Sequence[Paragraph]) -> list[int]:
    """Lines such as "About the Author" standing apart."""
    return [
        i
        for i, line in enumerate(lines)
        if line.is_line
        and len(line.text) < 60
        and _stands_apart(lines, i)
        and matter_of_title(line.text.strip())
    ]


def _longest_count(numbered: dict[int, HeadingLine]) -> dict[int, HeadingLine]:
    """The lines that count 1, 2, 3...; a single 1 at the beginning counts too. Restarts at 1 are parts."""
    counted: dict[int, HeadingLine] = {}
    expected = 1
    for index in sorted(numbered):
        number = numbered[index].number
        if number == expected or (number == 1 and expected > 2):
            counted[index] = numbered[index]
            expected = (number or 0) + 1
    if len(counted) >= 2 or (counted and min(counted) <= 3):
        return counted
    return {}


def _stands_apart(lines: Sequence[Paragraph], index: int) -> bool:
    after = lines[index + 1].after_gap if index + 1 < len(lines) else 1
    return (index == 0 or lines[index].after_gap > 0) and after > 0


def _without_contents_list(
    lines: list[Paragraph], headings: dict[int, HeadingLine], metadata: Metadata
) -> tuple[list[Paragraph], dict[int, HeadingLine]]:
    """The text without the contents list at its head: headings in a row whose words all come again."""
    keys = {index: words_key(lines[index].text) for index in headings}
    run: list[int] = []
    for index in sorted(headings):
        # The list ends where its first line comes again: that is the first chapter.
        if run and (index != run[-1] + 1 or keys[index] in [keys[other] for other in run]):
            if len(run) >= _CONTENTS_RUN:
                break
            run = []
        run.append(index)
    later = {key for index, key in keys.items() if run and index > run[-1]}
    listed = [index for index in run if not is_contents_title(lines[index].text)]
    if len(listed) < _CONTENTS_RUN or sum(keys[index] in later for index in listed) < 0.6 * len(listed):
        return lines, headings
    first = run[0] - 1 if run[0] > 0 and is_contents_title(lines[run[0] - 1].text) else run[0]
    metadata.left_out.append(LeftOut("contents lists (1)", "links, not text"))
    cut = run[-1] + 1 - first
    kept = [*lines[:first], *lines[run[-1] + 1 :]]
    moved = {
        index - cut if index > run[-1] else index: read
        for index, read in headings.items()
        if not first <= index <= run[-1]
    }
    return kept, moved


def _opening_title(lines: Sequence[Paragraph], first_heading: int) -> str:
    """A short first line before the first heading names the book."""
    if 0 < first_heading <= 4 and lines[0].is_line and len(lines[0].text) <= _LONGEST_TITLE:
        text = lines[0].text.strip()
        return "" if re.search(r"[,;，；。]$", text) else tidy_line(text)
    return ""


def _cut(
    lines: Sequence[Paragraph], headings: dict[int, HeadingLine], metadata: Metadata, opening: str
) -> list[Chapter]:
    """The chapters; the lines before the first heading are the title page if they are few, else a chapter."""
    starts = sorted(headings)
    chapters: list[Chapter] = []
    before = list(lines[: starts[0]] if starts else lines)
    if opening:
        before = before[1:]
    if (
        before
        and metadata.authors == ()
        and (match := _BY_LINE.fullmatch(before[0].text.strip()))
        and starts
        and len(before) == 1
    ):
        metadata.authors = (tidy_line(match[1]),)
        before = []
    while before and starts and before[0].is_line and same_words(before[0].text, metadata.title):
        before = before[1:]
    if before:
        chapters.append(make_chapter(metadata.title if starts else "", [_passage(line) for line in before]))
    prelude: list[Passage] = []
    for start, stop in pairwise([*starts, len(lines)]):
        title, used = _heading_and_subtitle(lines, start, stop, headings[start])
        block = heading([(title, "")])
        held = [
            *prelude,
            *([Passage(block, 2)] if block else []),
            *(_passage(line) for line in lines[start + used : stop]),
        ]
        is_bare = start + used == stop
        if is_bare and stop < len(lines) and headings[start].kind is HeadingKind.PART:
            prelude = held
            continue
        prelude = []
        chapters.append(make_chapter(title.replace(LINE, ": "), held))
    return chapters


def _heading_and_subtitle(
    lines: Sequence[Paragraph], start: int, stop: int, found: HeadingLine
) -> tuple[str, int]:
    """The heading, with a title on the line below it ("CHAPTER I" / "The Rabbit-Hole"), and lines used."""
    first = _EMPHASIS.sub(r"\1", lines[start].text.strip())
    says_only_number = (
        re.fullmatch(r"(?:\w+\.?\s+)?[\w-]+[.:]?", first) and found.kind is not HeadingKind.NAMED
    )
    if not says_only_number or start + 2 >= stop or found.kind is HeadingKind.CAPITALS:
        return first, 1
    below = lines[start + 1]
    text = _EMPHASIS.sub(r"\1", below.text.strip())
    is_title = below.is_line and len(text) <= 60 and not re.search(r"[,;:。，；：!?！？…”’\"」.]$", text)
    starts_big = text[:1].isupper() and (text.isupper() or text.istitle() or _is_title_case(text))
    return (
        (first.rstrip(".:") + LINE + text, 2)
        if is_title and starts_big and below.after_gap <= 2
        else (first, 1)
    )


def _is_title_case(text: str) -> bool:
    words = [word for word in text.split() if word[:1].isalpha()]
    # "from" and "the" stay small in titles, the first and last word never do.
    return (
        len(words) > 0
        and words[0][0].isupper()
        and words[-1][0].isupper()
        and sum(w[0].isupper() for w in words) * 2 >= len(words)
    )
