"""Which chapters are narrated: by where they stand in the book, and by number."""

from __future__ import annotations

import re

from book.errors import BookError
from book.structure import Book, Chapter, Matter

BODY_ONLY = frozenset({Matter.BODY})

_PART = re.compile(r"(\d{1,9})(?:-(\d{1,9})?)?")


def narrated(book: Book, *, matter: frozenset[Matter] = BODY_ONLY) -> tuple[Chapter, ...]:
    """The chapters whose matter is wanted, in the book's order.

    Their numbers, from 1, are what `select` takes.
    """
    return tuple(chapter for chapter in book.chapters if chapter.matter in matter)


def select(
    book: Book, *, chapters: str | None = None, matter: frozenset[Matter] = BODY_ONLY
) -> tuple[Chapter, ...]:
    """The chapters that a selection such as "1-3,5,8-" names in the narrated list; None takes all of them.

    Numbers count from 1 over `narrated(book, matter=matter)`. The result is in the book's order and holds no
    chapter twice. Raises `BookError` that names the part of the selection which is malformed or unknown.
    """
    listed = narrated(book, matter=matter)
    if chapters is None:
        return listed
    chosen: set[int] = set()
    joined = re.sub(r"\s*[-–]\s*", "-", chapters.strip())
    for part in re.split(r"\s*[,，、;]\s*|\s+", joined):
        match = _PART.fullmatch(part)
        if match is None:
            raise BookError(f'chapters: "{part}" is neither a number nor a range such as 2-5')
        first = int(match[1])
        is_range = len(match[0]) > len(match[1])
        last = int(match[2]) if match[2] else len(listed) if is_range else first
        for number in (first, last):
            if not 1 <= number <= len(listed):
                raise BookError(f"chapters: there is no chapter {number}, the list has {_count(len(listed))}")
        if last < first:
            raise BookError(f'chapters: the range "{part}" runs backwards')
        chosen.update(range(first, last + 1))
    return tuple(listed[number - 1] for number in sorted(chosen))


def _count(n_chapters: int) -> str:
    return "none" if n_chapters == 0 else "only chapter 1" if n_chapters == 1 else f"1 to {n_chapters}"
