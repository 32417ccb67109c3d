"""A book file becomes a Book. The file is parsed in a child process; see `book.sandbox`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from book.limits import Limits
from book.structure import Book

__all__ = ["Limits", "read", "read_text"]

_DEFAULT_LIMITS = Limits()


def read(path: Path, *, limits: Limits = _DEFAULT_LIMITS) -> Book:
    """The book in this file: EPUB, HTML, Markdown, plain text, DOCX or PDF, told apart by content.

    The title falls back to the file's name. Raises `UnreadableBookError` for what is no book or is broken,
    and `HostileBookError` for what breaks a limit; both with one line that names the place.
    """
    from book.sandbox import read_confined

    book = read_confined(path, limits)
    return book if book.title else replace(book, title=path.stem)


def read_text(text: str, *, title: str = "", language: str = "", limits: Limits = _DEFAULT_LIMITS) -> Book:
    """The book in a text given inline, by the rules of plain text files.

    A title or language that is given wins over what the text suggests. Parsed in this process: it holds no
    format that could be hostile beyond its length. Raises `UnreadableBookError` if there is nothing to read.
    """
    from book.readers.plaintext import book_from_text

    return book_from_text(text, title=title, language=language, limits=limits)
