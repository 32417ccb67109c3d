"""Chapters and what the file says of itself become a Book: languages settled, limits kept, nothing empty."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

from book.errors import HostileBookError, UnreadableBookError
from book.flow import CJK_CHARACTER, Passage, tidy_line, tidy_passages
from book.headings import HeadingKind, is_bare_number, is_part_title, read_heading
from book.language import UNKNOWN, contradicts, guess_language, normalise_tag, primary
from book.limits import Limits
from book.matter import judge_matter
from book.structure import Block, BlockKind, Book, Chapter, Cover, LeftOut, Matter, Span

_LONGEST_TITLE = 300
_SAMPLE_CHARACTERS = 20_000
_LONGEST_TITLE_PAGE = 250
_LONGEST_TITLE_LINE = 100
_LONGEST_NOTICE = 6_000
# Less than this beside a title page is no book that could do without it.
_LEAST_BOOK = 2_000
_NOTICE = re.compile(
    r"©|copyright|isbn|all rights reserved|alle rechte vorbehalten|tous droits réservés|first published|"
    r"published by|printed in|library of congress|no part of this|版权所有|版權所有|出版社|定价|"
    r"著作権|発行所|저작권|펴낸곳"
)
# A paragraph too short for words to tell is left in the language around it.
_LEAST_LETTERS_TO_GUESS = 40


@dataclass(slots=True)
class Metadata:
    """What a file says of itself; each field may be empty."""

    title: str = ""
    authors: tuple[str, ...] = ()
    language: str = ""
    cover: Cover | None = None
    publisher: str = ""
    published: str = ""
    description: str = ""
    left_out: list[LeftOut] = field(default_factory=list)


def assemble(metadata: Metadata, chapters: Iterable[Chapter], limits: Limits) -> Book:
    """The finished book. Raises `UnreadableBookError` if nothing in it can be read aloud."""
    left_out = list(metadata.left_out)
    with_text = []
    for chapter in chapters:
        if any(block.spans for block in chapter.blocks):
            with_text.append(chapter)
        elif chapter.title:
            left_out.append(LeftOut(f"chapter: {chapter.title}", "it has no text"))
    kept = _ensure_body(with_text)
    _check_limits(kept, limits)
    left_out += [
        LeftOut(f"chapter: {chapter.title}", chapter.reason)
        for chapter in kept
        if chapter.matter is not Matter.BODY
    ]
    language = _settle_book_language(normalise_tag(metadata.language), kept)
    return Book(
        title=tidy_line(metadata.title)[:_LONGEST_TITLE],
        authors=tuple(name for author in metadata.authors if (name := tidy_line(author)[:_LONGEST_TITLE])),
        language=language,
        chapters=tuple(
            _settle_languages(chapter, normalise_tag(metadata.language), language) for chapter in kept
        ),
        cover=metadata.cover,
        left_out=tuple(left_out),
        publisher=tidy_line(metadata.publisher)[:_LONGEST_TITLE],
        published=tidy_line(metadata.published)[:40],
        description=tidy_line(metadata.description)[:10_000],
    )


def make_chapter(title: str, passages: Sequence[Passage], *, types: frozenset[str] = frozenset()) -> Chapter:
    """A chapter of these passages, judged by its types and title."""
    matter, reason = judge_matter(types, title)
    blocks = tuple(passage.block for passage in tidy_passages([p for p in passages if _has_substance(p)]))
    return Chapter(tidy_line(title.replace("\n", " "))[:_LONGEST_TITLE], blocks, matter, reason)


def split_by_headings(passages: Sequence[Passage], *, book_title: str = "") -> tuple[str, list[Chapter]]:
    """The title that the headings give the book, and its chapters by its headings.

    A single heading of the top level that stands first names the book, and chapters begin at the next level;
    headings that name parts are spoken at the head of their first chapter.
    """
    passages = [passage for passage in passages if _has_substance(passage)]
    levels = sorted({passage.level for passage in passages if passage.level})
    if not levels:
        return "", [make_chapter(book_title, passages)] if passages else []
    title = ""
    top = [index for index, passage in enumerate(passages) if passage.level == levels[0]]
    if len(top) == 1 and len(levels) > 1 and top[0] <= 3:
        title = _heading_title(passages[top[0]])
        levels = levels[1:]
        passages = [*passages[: top[0]], *passages[top[0] + 1 :]]
    elif len(top) == 1 and len(levels) == 1 and top[0] == 0:
        title = _heading_title(passages[0])
    level = levels[0]
    at_level = [passage for passage in passages if passage.level == level]
    if len(levels) > 1 and at_level and all(is_part_title(_heading_title(passage)) for passage in at_level):
        level = levels[1]
    starts = [index for index, passage in enumerate(passages) if 0 < passage.level <= level]
    chapters = []
    if not starts or starts[0] > 0:
        before = passages[: starts[0] if starts else len(passages)]
        chapters.append(make_chapter(title or book_title, before))
    prelude: list[Passage] = []
    for start, stop in pairwise([*starts, len(passages)]):
        held = [*prelude, *passages[start:stop]]
        # A part's heading, or a title over a subtitle, with no text of its own belongs to what follows.
        if stop < len(passages) and stop - start == 1 and passages[start].level < passages[stop].level:
            prelude = held
            continue
        prelude = []
        chapters.append(make_chapter(_heading_title(passages[start]), held))
    return title, chapters


def describe_title(passage: Passage) -> str:
    """The title that a heading passage gives its chapter."""
    return _heading_title(passage)


def _heading_title(passage: Passage) -> str:
    first, _, rest = passage.text.partition("\n")
    if not rest:
        return first
    # "Chapter I / The Title" on two lines; a title merely wrapped in two goes on as it is.
    rest = rest.replace("\n", " ")
    sign = ": " if is_bare_number(first) and first[-1:].isalnum() else " "
    return first + sign + rest


def _has_substance(passage: Passage) -> bool:
    return bool(passage.block.spans) or passage.kind is BlockKind.BREAK


def _ensure_body(chapters: list[Chapter]) -> list[Chapter]:
    if not chapters:
        raise UnreadableBookError("has no text to read aloud")
    if any(chapter.matter is Matter.BODY for chapter in chapters):
        return _settle_matter(_free_of_title_page(chapters))
    # A book whose only chapters are named like front or back matter is read after all, except what the
    # file marks.
    freed = [
        replace(chapter, matter=Matter.BODY, reason="") if chapter.reason.startswith("title:") else chapter
        for chapter in chapters
    ]
    if all(chapter.matter is not Matter.BODY for chapter in freed):
        raise UnreadableBookError("has no text to read aloud but front and back matter")
    return _settle_matter(freed)


def _free_of_title_page(chapters: list[Chapter]) -> list[Chapter]:
    """The chapters with short unnamed pages at the head made front matter.

    Title pages and copyright notices.
    """
    n_opening = next(
        (i for i, chapter in enumerate(chapters) if not _is_opening_page(chapter)), len(chapters)
    )
    # Where everything is short, or nothing else is there, it is the text.
    if (
        n_opening >= len(chapters)
        or sum(chapter.n_characters for chapter in chapters[n_opening:]) < _LEAST_BOOK
    ):
        return chapters
    reason = "a title page or copyright notice before the first chapter"
    return [
        replace(chapter, matter=Matter.FRONT, reason=reason)
        if index < n_opening and chapter.matter is Matter.BODY
        else chapter
        for index, chapter in enumerate(chapters)
    ]


def _is_opening_page(chapter: Chapter) -> bool:
    if chapter.matter is not Matter.BODY:
        return True
    heading = read_heading(chapter.title)
    if heading is not None and heading.kind is not HeadingKind.CAPITALS:
        return False
    text = "\n".join(block.text for block in chapter.blocks)
    if len(text) < _LONGEST_NOTICE and len(set(_NOTICE.findall(text.casefold()))) >= 2:
        return True
    return (
        len(text) < _LONGEST_TITLE_PAGE
        and all(len(line) < _LONGEST_TITLE_LINE for line in text.split("\n"))
        and not re.search(r"[.!?。！？]\s+\S.*[.!?。！？]", text)
    )


def _settle_matter(chapters: list[Chapter]) -> list[Chapter]:
    """What is left out before the first body chapter is front matter, after the last one back matter."""
    body = [index for index, chapter in enumerate(chapters) if chapter.matter is Matter.BODY]
    return [
        replace(chapter, matter=Matter.FRONT if index < body[0] else Matter.BACK)
        if index < body[0] or index > body[-1]
        else chapter
        for index, chapter in enumerate(chapters)
    ]


def _check_limits(chapters: Sequence[Chapter], limits: Limits) -> None:
    if len(chapters) > limits.chapters:
        raise HostileBookError(f"has {len(chapters):,} chapters, more than {limits.chapters:,}")
    n_characters = sum(chapter.n_characters for chapter in chapters)
    if n_characters > limits.characters:
        raise HostileBookError(f"has {n_characters:,} characters, more than {limits.characters:,}")


def _settle_book_language(declared: str, chapters: Sequence[Chapter]) -> str:
    """The declared language, unless its script is not the one the text is in; without one, the text's."""
    sample = _sample(chapters)
    if declared and not contradicts(declared, sample):
        return declared
    # Paragraph by paragraph, so that a quotation in another language has its own vote and no more.
    votes: Counter[str] = Counter()
    for line in sample.split("\n"):
        votes[guess_language(line)] += len(line) * (3 if CJK_CHARACTER.search(line) else 1)
    del votes[UNKNOWN]
    guessed = votes.most_common(1)[0][0] if votes else guess_language(sample)
    return guessed if guessed != UNKNOWN or not declared else declared


def _sample(chapters: Sequence[Chapter]) -> str:
    body = [chapter for chapter in chapters if chapter.matter is Matter.BODY]
    sample: list[str] = []
    length = 0
    for chapter in body:
        # A little of every chapter: a foreign motto at the start must not decide.
        within = 0
        for block in chapter.blocks:
            sample.append(block.text)
            within += len(block.text)
            if within > max(500, _SAMPLE_CHARACTERS // len(body)):
                break
        length += within
        if length > _SAMPLE_CHARACTERS:
            break
    return "\n".join(sample)


def _settle_languages(chapter: Chapter, declared: str, language: str) -> Chapter:
    return replace(
        chapter,
        blocks=tuple(
            _settle_block(block, declared, language) if block.spans else block for block in chapter.blocks
        ),
    )


def _settle_block(block: Block, declared: str, language: str) -> Block:
    """The block with every span in a language.

    Its own tag if its letters allow, else the book's or what they say.
    """
    settled = []
    for span in block.spans:
        tagged = span.language if span.language and span.language != declared else language
        if contradicts(tagged, span.text):
            tagged = _guess_foreign(span.text, tagged)
        elif not span.language and _may_be_foreign(span.text, tagged):
            guessed = guess_language(span.text)
            tagged = guessed if _is_another(guessed, tagged, span.text) else tagged
        settled.append(Span(span.text, tagged))
    merged = tuple(
        Span("".join(span.text for span in spans), tag)
        for tag, spans in (
            (tag, list(group)) for tag, group in groupby(settled, key=lambda span: span.language)
        )
    )
    return Block(block.kind, merged)


def _guess_foreign(text: str, tagged: str) -> str:
    guessed = guess_language(text)
    return tagged if guessed == UNKNOWN else guessed


def _is_another(guessed: str, tagged: str, text: str) -> bool:
    if guessed == UNKNOWN or primary(guessed) == primary(tagged):
        return False
    # A few Han characters alone are as good Japanese or Korean as Chinese.
    return not (
        primary(tagged) in ("ja", "ko") and guessed in ("zh", "yue") and len(text) < _LEAST_LETTERS_TO_GUESS
    )


def _may_be_foreign(text: str, tagged: str) -> bool:
    """Untagged text of a Chinese book may be Cantonese or Japanese; short Latin text never tells."""
    if primary(tagged) in ("zh", "ja", "yue", "ko", UNKNOWN):
        return True
    return len(text) >= 5 * _LEAST_LETTERS_TO_GUESS
