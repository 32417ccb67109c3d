"""A Book as bytes and back: JSON and the cover's bytes behind it, never pickle.

It crosses from the reading process, which has met a stranger's file, into ours; so what comes back is checked
field by field, as any other input.
"""

from __future__ import annotations

import json
from typing import Any

from book.structure import Block, BlockKind, Book, Chapter, Cover, LeftOut, Matter, Span


def pack(book: Book) -> bytes:
    """The book as one line of JSON, then the bytes of its cover if it has one."""
    head = {
        "title": book.title,
        "authors": book.authors,
        "language": book.language,
        "publisher": book.publisher,
        "published": book.published,
        "description": book.description,
        "left_out": [[left.what, left.reason] for left in book.left_out],
        "cover": book.cover.media_type if book.cover else None,
        "chapters": [
            {
                "title": chapter.title,
                "matter": chapter.matter.value,
                "reason": chapter.reason,
                "blocks": [
                    [block.kind.value, [list(span) for span in block.spans]] for block in chapter.blocks
                ],
            }
            for chapter in book.chapters
        ],
    }
    line = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return line + b"\n" + (book.cover.content if book.cover else b"")


def unpack(packed: bytes) -> Book:
    """The book that `pack` made these bytes of. Raises ValueError, KeyError or TypeError if it did not."""
    line, _, cover_content = packed.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    media_type = head["cover"]
    return Book(
        title=_text(head["title"]),
        authors=tuple(_text(author) for author in head["authors"]),
        language=_text(head["language"]),
        chapters=tuple(_chapter(chapter) for chapter in head["chapters"]),
        cover=Cover(_text(media_type), cover_content) if media_type is not None else None,
        left_out=tuple(LeftOut(_text(what), _text(reason)) for what, reason in head["left_out"]),
        publisher=_text(head["publisher"]),
        published=_text(head["published"]),
        description=_text(head["description"]),
    )


def _chapter(chapter: dict[str, Any]) -> Chapter:
    blocks = tuple(
        Block(BlockKind(kind), tuple(Span(_text(text), _text(language)) for text, language in spans))
        for kind, spans in chapter["blocks"]
    )
    return Chapter(_text(chapter["title"]), blocks, Matter(chapter["matter"]), _text(chapter["reason"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
