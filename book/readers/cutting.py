"""Where chapters begin and end in the pages of an EPUB, what they are called, and where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from book.flow import Passage, same_words, words_key
from book.headings import is_bare_number, read_heading
from book.matter import judge_matter, matter_of_title
from book.readers.assemble import describe_title, make_chapter
from book.readers.contents import Unit, fallback_title
from book.structure import Block, BlockKind, Chapter, Matter, Span

# A part's page with more than this is a chapter of its own; with less it is spoken before its first chapter.
_LONGEST_PART_PAGE = 600
# A page before the book's declared beginning with more than this is no leaflet.
_LONGEST_LEAFLET = 3_000


@dataclass(slots=True)
class Stream:
    """All passages of the book in reading order, and where pages and anchors stand among them."""

    passages: list[Passage] = field(default_factory=list)
    pages: dict[str, int] = field(default_factory=dict)
    anchors: dict[tuple[str, str], int] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    """What each page calls itself in its head."""


@dataclass(slots=True)
class _Cut:
    """A chapter to be: where it starts, and what is known of it."""

    start: int
    title: str
    page: str
    unit: Unit | None = None


def cut_chapters(
    stream: Stream, units: Sequence[Unit], terms: Mapping[str, frozenset[str]], book_title: str
) -> list[Chapter]:
    """The chapters of the book: by its contents list, by its headings where that says nothing.

    `terms` are what guide and landmarks call the pages.
    """
    cuts = _cut_by_contents(stream, units)
    if len(cuts) < 2:
        by_headings = _cut_by_headings(stream)
        cuts = by_headings if len(by_headings) > len(cuts) else cuts
    return _make_chapters(stream, _cut_uncovered_pages(stream, cuts, terms), terms, book_title)


def _cut_by_contents(stream: Stream, units: Sequence[Unit]) -> list[_Cut]:
    """Where the lines of the contents list stand, in reading order.

    A line whose place is taken joins the other.
    """
    cuts: dict[int, _Cut] = {}
    for unit in units:
        start = _locate(stream, unit)
        if start is None:
            continue
        there = cuts.get(start)
        if there is None:
            cuts[start] = _Cut(start, unit.title, unit.page, unit)
        elif there.unit is not None and there.unit.is_part and not unit.is_part:
            # A part and its first chapter begin at the same place: the chapter takes it, the part is
            # announced.
            cuts[start] = _Cut(start, unit.title, unit.page, unit)
    return [cuts[start] for start in sorted(cuts)]


def _locate(stream: Stream, unit: Unit) -> int | None:
    page_start = stream.pages.get(unit.page)
    if page_start is None:
        return None
    if not unit.fragment:
        return page_start
    found = stream.anchors.get((unit.page, unit.fragment))
    if found is not None:
        return found
    # The anchor is missing: the heading that says the same will do.
    stop = min((start for start in stream.pages.values() if start > page_start), default=len(stream.passages))
    for index in range(page_start, stop):
        passage = stream.passages[index]
        if passage.level and same_words(describe_title(passage), unit.title):
            return index
    return page_start


def _cut_by_headings(stream: Stream) -> list[_Cut]:
    """Without a contents list: a page that begins with a heading begins a chapter.

    Others go on with the last.
    """
    cuts: list[_Cut] = []
    ends = [*sorted(stream.pages.values())[1:], len(stream.passages)]
    for (page, start), stop in zip(sorted(stream.pages.items(), key=lambda page: page[1]), ends, strict=True):
        opening = next((p for p in stream.passages[start : min(stop, start + 3)] if p.level), None)
        if opening is not None:
            cuts.append(_Cut(start, describe_title(opening), page))
    if len(stream.pages) > 2 or not stream.passages:
        return cuts
    levels = [passage.level for passage in stream.passages if passage.level]
    level = min((level for level in levels if levels.count(level) > 1), default=0)
    pages = sorted(stream.pages.items(), key=lambda page: page[1])
    inner = []
    for index, passage in enumerate(stream.passages):
        if level and passage.level == level:
            page = [name for name, start in pages if start <= index][-1]
            inner.append(_Cut(index, describe_title(passage), page))
    return inner if len(inner) > len(cuts) else cuts


def _cut_uncovered_pages(stream: Stream, cuts: list[_Cut], terms: Mapping[str, frozenset[str]]) -> list[_Cut]:
    """Pages before the contents list's first line, and later ones of other matter than what they follow."""
    known = {cut.start for cut in cuts}
    first = min(known, default=len(stream.passages))
    added: list[_Cut] = []
    starts = sorted(stream.pages.items(), key=lambda page: page[1])
    ends = [*(start for _, start in starts[1:]), len(stream.passages)]
    for (page, start), stop in zip(starts, ends, strict=True):
        if start in known or start == stop:
            continue
        title = _own_title(stream, page, start, stop)
        matter, _ = judge_matter(
            _shared_types(stream.passages[start:stop]) | terms.get(page, frozenset()), title
        )
        cut_before = max((cut for cut in cuts if cut.start < start), key=lambda cut: cut.start, default=None)
        before_is_body = cut_before is None or judge_matter(frozenset(), cut_before.title)[0] is Matter.BODY
        if start < first or (matter is not Matter.BODY and before_is_body):
            added.append(_Cut(start, title, page))
            # What follows a page of other matter is not part of it: the chapter before goes on.
            if start > first and cut_before is not None and stop < len(stream.passages) and stop not in known:
                added.append(_Cut(stop, cut_before.title, page))
    if not added and not cuts:
        added = [
            _Cut(start, _own_title(stream, page, start, stop), page)
            for (page, start), stop in zip(starts, ends, strict=True)
        ]
    merged = {cut.start: cut for cut in [*reversed(added), *cuts]}
    return [merged[start] for start in sorted(merged)]


def _own_title(stream: Stream, page: str, start: int, stop: int) -> str:
    opening = next((p for p in stream.passages[start:stop] if p.level), None)
    return (
        (describe_title(opening) if opening is not None else "")
        or stream.titles.get(page)
        or fallback_title(page)
    )


def _make_chapters(
    stream: Stream, cuts: Sequence[_Cut], terms: Mapping[str, frozenset[str]], book_title: str
) -> list[Chapter]:
    repeated = _repeated_titles(cuts)
    text_starts = next((cut.start for cut in cuts if "starts-text" in terms.get(cut.page, frozenset())), 0)
    chapters: list[Chapter] = []
    prelude: list[Passage] = []
    announced: set[str] = set()
    for cut, stop in zip(cuts, [*(cut.start for cut in cuts[1:]), len(stream.passages)], strict=True):
        passages = stream.passages[cut.start : stop]
        types = _shared_types(passages)
        if stream.pages.get(cut.page) == cut.start:
            types |= terms.get(cut.page, frozenset())
        unit = cut.unit
        if unit is not None and unit.is_part:
            announced.add(unit.title)
            if sum(len(p.text) for p in passages) <= _LONGEST_PART_PAGE and cut is not cuts[-1]:
                opening = (
                    _announce(unit.title, passages, book_title)
                    if same_words(unit.title, book_title) is False
                    else passages
                )
                prelude += opening
                continue
        if unit is not None and unit.part and (part := unit.part.rpartition(", ")[2]) not in announced:
            announced.add(part)
            if not any(words_key(part) in words_key(p.text) for p in passages[:4] if p.level):
                prelude.append(_spoken_heading(part))
        title = cut.title
        if unit is not None and unit.part and words_key(title) in repeated and is_bare_number(title):
            title = f"{unit.part}, {title}"
        chapter = make_chapter(
            title, [*prelude, *_announce(cut.title, passages, book_title if unit else cut.title)], types=types
        )
        prelude = []
        chapters.append(_judge_leaflet(chapter, cut, text_starts))
    return chapters


def _repeated_titles(cuts: Sequence[_Cut]) -> set[str]:
    keys = Counter(words_key(cut.title) for cut in cuts if cut.unit is None or not cut.unit.is_part)
    return {key for key, count in keys.items() if count > 1}


def _announce(title: str, passages: Sequence[Passage], book_title: str) -> list[Passage]:
    """The passages with the chapter's title spoken once at their head.

    A paragraph that says the title is made a heading; a title that stands only in the contents list is put
    before the text, unless it is merely the book's.
    """
    opening = [index for index, p in enumerate(passages) if p.block.spans][:4]
    wanted = words_key(title)
    said = ""
    for n_seen, index in enumerate(opening):
        passage = passages[index]
        key = words_key(passage.text)
        if passage.level:
            said += key
            if key and (key in wanted or wanted in said or wanted in key):
                return list(passages)
            continue
        if key and n_seen <= 2 and (key == wanted or said + key == wanted) and len(passage.text) <= 200:
            promoted = Passage(
                Block(BlockKind.HEADING, passage.block.spans), 2, passage.anchors, passage.types
            )
            return [*passages[:index], promoted, *passages[index + 1 :]]
    has_heading = any(passages[index].level for index in opening[:2])
    if not wanted or has_heading or not opening or same_words(title, book_title) or matter_of_title(title):
        return list(passages)
    return [_spoken_heading(title), *passages]


def _spoken_heading(title: str) -> Passage:
    return Passage(Block(BlockKind.HEADING, (Span(title, ""),)), 2)


def _judge_leaflet(chapter: Chapter, cut: _Cut, text_starts: int) -> Chapter:
    """A short page before the declared beginning of the text that is no chapter is front matter."""
    is_leaflet = cut.start < text_starts and chapter.n_characters < _LONGEST_LEAFLET
    if chapter.matter is not Matter.BODY or not is_leaflet or read_heading(cut.title):
        return chapter
    is_named_body = any(
        block.kind is BlockKind.HEADING and read_heading(block.text) for block in chapter.blocks[:2]
    )
    if is_named_body:
        return chapter
    return Chapter(
        chapter.title, chapter.blocks, Matter.FRONT, "it stands before the beginning the book declares"
    )


def _shared_types(passages: Sequence[Passage]) -> frozenset[str]:
    """The terms that hold for all of a chapter.

    Those of a note or a motto inside it say nothing of the whole.
    """
    shared: frozenset[str] | None = None
    for passage in passages:
        if passage.block.spans:
            shared = passage.types if shared is None else shared & passage.types
    return shared or frozenset()
