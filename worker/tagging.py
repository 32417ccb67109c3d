"""What a narration's files are called and what they say of themselves."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from book.bind import file_name
from book.structure import Cover
from book.tags import Tags
from worker.workshop import Workshop

GENERATOR: Final = f"Lectorium {version('lectorium')}"
"""Stands in every file's tags and in the manifest."""


def book_tags(
    workshop: Workshop, plan: dict[str, Any], *, title: str, number: int = 0, total: int = 0
) -> Tags:
    """The tags of a chapter's file, or of the book itself, from what the plan step told."""
    cover = plan["cover"]
    return Tags(
        title=title,
        album=plan["title"],
        authors=tuple(plan["authors"]),
        narrator=plan["narrator"],
        number=number,
        total=total,
        language=plan["language"],
        publisher=plan["publisher"],
        published=plan["published"],
        description=plan["description"],
        cover=None
        if cover is None
        else Cover(cover["media_type"], workshop.objects.get(cover["key"], sha256=cover["sha256"])),
        generator=GENERATOR,
    )


def chapter_file_name(number: int, total: int, title: str, suffix: str, *, part: int = 0) -> str:
    """ "03 - The Title.mp3", or "03 - The Title (part 2).mp3" for a chapter in several files."""
    return file_name(number, total, f"{title} (part {part})" if part else title, suffix)


def file_title(title: str) -> str:
    """The book's title as the stem of a file name."""
    return file_name(1, 1, title, "").partition(" - ")[2] or "book"
