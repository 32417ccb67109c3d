"""PDF through pypdf.

Page numbers and running heads go, hyphenated words are joined, the outline gives chapters.
"""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import IO, Any

import pypdf
from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

from book.errors import HostileBookError, UnreadableBookError
from book.flow import Passage, heading, is_ornament, paragraph, tidy_line, words_key
from book.headings import HeadingKind, is_bare_number, read_heading
from book.language import normalise_tag
from book.limits import Limits
from book.readers import plaintext
from book.readers.assemble import Metadata, assemble, make_chapter
from book.readers.contents import Entry, Unit, choose_units, count_entries
from book.readers.lines import Paragraph, join_wrapped, width
from book.structure import Book, Chapter, LeftOut

_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_PAGE_NUMBER = re.compile(
    r"(?:[-–—|\[(]\s*)?(?:(?:page|seite|p\.?|s\.?)\s*)?(?:\d{1,5}|[ivxlc]{1,8})(?:\s*(?:of|/|von)\s*\d{1,5})?(?:\s*[-–—|\])])?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_ENDS_SENTENCE = re.compile(r"[.!?…。！？:：][”’\"'」』）)\]]*$")
_HYPHENATED = re.compile(r"(\w+)[-\u00ad\u2010]$")
_SURE = (HeadingKind.CHAPTER, HeadingKind.PART, HeadingKind.NAMED)
_LONGEST_STREAM_BYTES = 32 << 20
# A page of text has some thousands.
_MOST_OPERATORS = 500_000
# How many lines at the head and foot of a page may be furniture.
_FURNITURE_LINES = 2
_LONGEST_TITLE_LINES = 3


@dataclass(frozen=True, slots=True)
class _Line:
    page: int
    text: str


def prepare() -> None:
    """Reads a little document, so that nothing is imported or decoded by a module loaded later."""
    plaintext.prepare()
    for encoding in (
        "gbk",
        "gb2312",
        "big5",
        "shift_jis",
        "euc_kr",
        "utf-16-be",
        "mac_roman",
        "charmap",
        "latin-1",
    ):
        b"a".decode(encoding, "ignore")
    sample = pypdf.PdfWriter()
    sample.add_blank_page(100, 100)
    sample.add_outline_item(title="a", page_number=0)
    written = io.BytesIO()
    sample.write(written)
    reader = pypdf.PdfReader(io.BytesIO(written.getvalue()))
    _ = reader.pages[0].extract_text(), reader.outline, reader.metadata


def read(file: IO[bytes], limits: Limits) -> Book:
    """The book in a PDF file. Raises `UnreadableBookError` for a scan or a file under a password."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    configuration = pypdf.get_configuration().with_overwrites(
        zlib_maximum_output_length=_LONGEST_STREAM_BYTES,
        lzw_maximum_output_length=_LONGEST_STREAM_BYTES,
        run_length_maximum_output_length=_LONGEST_STREAM_BYTES,
        array_based_stream_maximum_output_length=_LONGEST_STREAM_BYTES,
        stream_decoding_work_maximum_length=_LONGEST_STREAM_BYTES,
        stream_parsing_work_maximum_count=_MOST_OPERATORS,
    )
    try:
        with pypdf.apply_configuration(configuration):
            return _read(file, limits)
    except LimitReachedError as error:
        raise HostileBookError(
            f"has a stream that inflates beyond {_LONGEST_STREAM_BYTES >> 20} MiB"
        ) from error
    except DependencyError as error:
        raise UnreadableBookError("is encrypted, so it cannot be read") from error
    except PyPdfError as error:
        raise UnreadableBookError(f"is a damaged PDF: {error}") from error


def _read(file: IO[bytes], limits: Limits) -> Book:
    reader = pypdf.PdfReader(file, strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableBookError("is protected by a password, so it cannot be read")
    n_pages = len(reader.pages)
    if n_pages > limits.pages:
        raise HostileBookError(f"has {n_pages:,} pages, more than {limits.pages:,}")
    pages = _read_pages(reader, limits)
    if not any(pages):
        raise UnreadableBookError("has no text, only pictures of pages (a scan?); run OCR on it first")
    metadata = _read_metadata(reader)
    lines = _without_furniture(pages, metadata)
    units = choose_units(_read_outline(reader, limits), metadata.title)
    starts = _locate_units(lines, units)
    vocabulary = _vocabulary(lines)
    if len(starts) >= 2:
        return assemble(metadata, _cut(lines, starts, vocabulary, metadata), limits)
    paragraphs = [Paragraph(text, is_line) for text, is_line in _paragraphs(lines, vocabulary)]
    if not paragraphs:
        raise UnreadableBookError("has no text to read aloud but page numbers")
    return plaintext.book_from_paragraphs(paragraphs, metadata, limits)


def _read_pages(reader: pypdf.PdfReader, limits: Limits) -> list[list[str]]:
    """The lines of each page, blank ones kept as "" between others."""
    pages: list[list[str]] = []
    n_characters = 0
    for page in reader.pages:
        text = page.extract_text().translate(_LIGATURES)
        n_characters += len(text)
        if n_characters > limits.characters:
            raise HostileBookError(f"has more than {limits.characters:,} characters")
        lines = [line.replace("\x00", "").rstrip() for line in text.split("\n")]
        pages.append(lines if any(line.strip() for line in lines) else [])
    return pages


def _read_metadata(reader: pypdf.PdfReader) -> Metadata:
    found = reader.metadata
    metadata = Metadata()
    if found is not None:
        metadata.title = _plausible_title(tidy_line(str(found.get("/Title") or "")))
        author = tidy_line(str(found.get("/Author") or ""))
        metadata.authors = tuple(name for name in re.split(r"\s*;\s*", author) if name)
        metadata.description = tidy_line(str(found.get("/Subject") or ""))
    root: Any = reader.trailer["/Root"]
    metadata.language = normalise_tag(str(root.get("/Lang") or ""))
    return metadata


def _plausible_title(title: str) -> str:
    """The title, unless it is the name of the file it was printed from."""
    return (
        ""
        if re.search(r"\.(?:docx?|indd|tex|dvi|qxd|pdf)$|^untitled|^microsoft word", title, re.IGNORECASE)
        else title
    )


def _without_furniture(pages: Sequence[Sequence[str]], metadata: Metadata) -> list[_Line]:
    """All lines but page numbers and the heads and feet that come again on many pages."""
    repeated: Counter[tuple[bool, str]] = Counter()
    for lines in pages:
        for is_head, text in set(_edge_keys(lines)):
            repeated[is_head, text] += 1
    # Left and right pages have heads of their own, and a chapter's head lasts as long as the chapter.
    often = max(3, len(pages) // 50)
    n_numbers = n_heads = 0
    kept: list[_Line] = []
    for number, lines in enumerate(pages):
        drop: set[int] = set()
        for is_head, index in _edges(lines):
            text = lines[index].strip()
            if _PAGE_NUMBER.fullmatch(text) and len(pages) > 1:
                n_numbers += 1
            elif repeated[is_head, _furniture_key(text)] >= often and not _is_surely_heading(text):
                n_heads += 1
            else:
                continue
            drop.add(index)
        kept += [_Line(number, line) for index, line in enumerate(lines) if index not in drop]
    if n_numbers:
        metadata.left_out.append(LeftOut(f"page numbers ({n_numbers})", "they belong to the paper"))
    if n_heads:
        metadata.left_out.append(LeftOut(f"running heads ({n_heads})", "they belong to the paper"))
    return kept


def _is_surely_heading(text: str) -> bool:
    """True for a line that names itself a chapter and is no running head of one."""
    found = read_heading(text)
    return found is not None and found.kind in _SURE


def _edges(lines: Sequence[str]) -> Iterator[tuple[bool, int]]:
    """The first and last lines with text, as (is it at the head, index)."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for index in filled[:_FURNITURE_LINES]:
        yield True, index
    for index in filled[max(_FURNITURE_LINES, len(filled) - _FURNITURE_LINES) :]:
        yield False, index


def _edge_keys(lines: Sequence[str]) -> Iterator[tuple[bool, str]]:
    return ((is_head, _furniture_key(lines[index].strip())) for is_head, index in _edges(lines))


def _furniture_key(text: str) -> str:
    """The line with its numbers made alike: "12 The Hound" and "14 The Hound" are one head."""
    return _DIGITS.sub("#", text.casefold())


def _read_outline(reader: pypdf.PdfReader, limits: Limits) -> list[Entry]:
    entries = _outline_entries(reader, reader.outline, limits, 0)
    if count_entries(entries) > limits.chapters:
        raise HostileBookError(f"has an outline of more than {limits.chapters:,} lines")
    return entries


def _outline_entries(
    reader: pypdf.PdfReader, outline: Sequence[Any], limits: Limits, depth: int
) -> list[Entry]:
    if depth > limits.depth:
        raise HostileBookError(f"the outline is nested more than {limits.depth} deep")
    entries: list[Entry] = []
    for line in outline:
        if isinstance(line, list):
            below = _outline_entries(reader, line, limits, depth + 1)
            if entries:
                entries[-1].children += below
            else:
                entries += below
            continue
        number = reader.get_destination_page_number(line)
        title = tidy_line(str(line.title))
        if title:
            entries.append(Entry(title, str(number) if number is not None and number >= 0 else ""))
    return entries


def _locate_units(lines: Sequence[_Line], units: Sequence[Unit]) -> list[tuple[int, Unit]]:
    """At which line each unit begins: where its page says its title, else at the head of the page."""
    firsts: dict[int, int] = {}
    for index, line in enumerate(lines):
        firsts.setdefault(line.page, index)
    found: dict[int, Unit] = {}
    for unit in units:
        page = int(unit.page) if unit.page else -1
        first = firsts.get(page)
        if first is None:
            continue
        start = _find_title(lines, first, page, unit.title)
        place = start if start is not None else first
        there = found.get(place)
        if there is None or (there.is_part and not unit.is_part):
            found[place] = unit
    return sorted(found.items(), key=lambda place: place[0])


def _find_title(lines: Sequence[_Line], first: int, page: int, title: str) -> int | None:
    wanted = words_key(title)
    index = first
    while index < len(lines) and lines[index].page == page:
        said = ""
        for line in lines[index : index + _LONGEST_TITLE_LINES]:
            said += words_key(line.text)
            if said and said == wanted and lines[index].text.strip():
                return index
        index += 1
    return None


def _cut(
    lines: Sequence[_Line], starts: Sequence[tuple[int, Unit]], vocabulary: Counter[str], metadata: Metadata
) -> list[Chapter]:
    chapters: list[Chapter] = []
    before = list(_passages(lines[: starts[0][0]], vocabulary))
    if before:
        title = metadata.title or "Title page"
        front = make_chapter(
            title, before, types=frozenset(("frontmatter",)) if len(before) < 40 else frozenset()
        )
        chapters.append(front)
    prelude: list[Passage] = []
    for (start, unit), stop in zip(starts, [*(start for start, _ in starts[1:]), len(lines)], strict=True):
        body_start = start + _title_lines(lines, start, stop, unit.title)
        spoken = heading([(unit.title, "")])
        passages = [*([Passage(spoken, 1)] if spoken else []), *_passages(lines[body_start:stop], vocabulary)]
        if unit.is_part and len(passages) <= 1 and stop < len(lines):
            prelude += passages
            continue
        chapters.append(make_chapter(unit.title, [*prelude, *passages]))
        prelude = []
    return chapters


def _title_lines(lines: Sequence[_Line], start: int, stop: int, title: str) -> int:
    """How many lines at the start say the title."""
    said = ""
    for count, line in enumerate(lines[start : min(stop, start + _LONGEST_TITLE_LINES)], 1):
        said += words_key(line.text)
        if said == words_key(title):
            return count
    return 0


def _passages(lines: Sequence[_Line], vocabulary: Counter[str]) -> Iterator[Passage]:
    for text, is_line in _paragraphs(lines, vocabulary):
        found = read_heading(text) if is_line else None
        block = heading([(text, "")]) if found and found.kind in _SURE else paragraph([(text, "")])
        if block is not None:
            yield Passage(block)


def _paragraphs(lines: Sequence[_Line], vocabulary: Counter[str]) -> Iterator[tuple[str, bool]]:
    """Paragraphs, and whether each may be a heading; see `_ends_paragraph` for where they end."""
    widths = [width(line.text.strip()) for line in lines if line.text.strip()]
    full = quantiles(widths, n=10)[-1] if len(widths) > 1 else 0.0
    held: list[str] = []
    gap = False
    for line in lines:
        text = line.text.strip()
        if not text:
            gap = True
            continue
        if held and _ends_paragraph(held, line.text, full, gap=gap):
            yield _joined(held, vocabulary), _may_be_heading(held)
            held = []
        held.append(text)
        gap = False
    if held:
        yield _joined(held, vocabulary), _may_be_heading(held)


def _ends_paragraph(held: Sequence[str], following: str, full: float, *, gap: bool) -> bool:
    """True if the lines held are a paragraph, judged by how they end and by the line that follows them."""
    last, after = held[-1], following.strip()
    is_done = bool(_ENDS_SENTENCE.search(last))
    if _is_titled_heading(held[0]):
        # A heading goes on over a second short line, and never over a third.
        return gap or len(held) > 1 or is_done or width(after) > 0.6 * full or _is_surely_heading(after)
    if is_ornament(last) or is_ornament(after) or _is_surely_heading(held[0]):
        return True
    begins_indented = following.startswith(("  ", "\t", "\u3000"))
    if is_done and (gap or begins_indented or width(last) < 0.8 * full or read_heading(after) is not None):
        return True
    is_short = width(last) < 0.6 * full
    if is_short and (gap or _is_surely_heading(after)):
        return True
    return len(held) == 1 and is_short and _looks_like_title(last)


def _is_titled_heading(text: str) -> bool:
    return _is_surely_heading(text) and not is_bare_number(text)


def _may_be_heading(held: Sequence[str]) -> bool:
    return len(held) == 1 or (len(held) == 2 and _is_titled_heading(held[0]))


def _looks_like_title(line: str) -> bool:
    """Most words begin with capitals, and nothing says that the line goes on."""
    if re.search(r"[,;，、；-]$", line):
        return False
    words = [word for word in line.split() if word[:1].isalpha()]
    return bool(words) and sum(word[0].isupper() for word in words) >= 0.6 * len(words)


def _vocabulary(lines: Sequence[_Line]) -> Counter[str]:
    """Words that stand inside lines, hyphens included.

    They tell a hyphen of a word from one of the line's end.
    """
    words: Counter[str] = Counter()
    for line in lines:
        words.update(
            word.casefold() for word in re.findall(r"\w+(?:-\w+)*", line.text.rstrip("-\u00ad\u2010"))
        )
    return words


def _joined(lines: Sequence[str], vocabulary: Counter[str]) -> str:
    joined = [lines[0]]
    for line in lines[1:]:
        hyphenated = _HYPHENATED.search(joined[-1])
        if hyphenated and line[:1].isalpha():
            first = re.match(r"\w+", line)
            word = hyphenated[1] + (first[0] if first else "")
            with_hyphen = hyphenated[1] + "-" + (first[0] if first else "")
            keeps = not line[0].islower() or vocabulary[with_hyphen.casefold()] > vocabulary[word.casefold()]
            joined[-1] = (joined[-1] if keeps else joined[-1][:-1]) + line
        else:
            joined.append(line)
    return join_wrapped(joined)
