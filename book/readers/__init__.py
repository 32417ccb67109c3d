"""One file per format: bytes of a book file in, a Book out. Run only inside `book.child`."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable
from typing import IO

from book.errors import UnreadableBookError
from book.limits import Limits
from book.structure import Book

Reader = Callable[[IO[bytes], Limits], Book]


class Format(enum.StrEnum):
    """The kinds of book file that can be read; each value names its module."""

    EPUB = "epub"
    DOCX = "docx"
    PDF = "pdf"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "plaintext"


# What people send that is no book for us, by its first bytes.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Word or Office file; save it as DOCX"),
    (b"{\\rtf", "is an RTF file; save it as DOCX"),
    (b"\x1f\x8b", "is a gzip archive, not a book; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive, not a book"),
    (b"Rar!\x1a\x07", "is a RAR archive, not a book"),
    (b"BZh", "is a bzip2 archive, not a book"),
    (b"\xfd7zXZ\x00", "is an xz archive, not a book"),
    (b"\xff\xd8\xff", "is a picture, not a book"),
    (b"\x89PNG", "is a picture, not a book"),
    (b"GIF8", "is a picture, not a book"),
    (b"RIFF", "is a sound or picture file, not a book"),
    (b"ID3", "is a sound file, not a book"),
    (b"fLaC", "is a sound file, not a book"),
    (b"OggS", "is a sound file, not a book"),
    (b"\x7fELF", "is a program, not a book"),
    (b"MZ\x90", "is a program, not a book"),
    (b"AT&TFORM", "is a DjVu file, which cannot be read; convert it to PDF with text or to EPUB"),
    (b"ITOLITLS", "is a LIT file, which cannot be read; convert it to EPUB"),
    (b"SQLite format 3", "is a database, not a book"),
)
_MARKDOWN_SUFFIXES = (".md", ".markdown", ".mkd", ".mdown")
_HTML_SUFFIXES = (".html", ".htm", ".xhtml", ".xht")
_HTML_BEGINNINGS = (b"<!doctype html", b"<html", b"<head", b"<body")
_SNIFFED_BYTES = 4096


def detect(file: IO[bytes], suffix: str, limits: Limits) -> Format:
    """The format of a file, by its content first and its suffix (".md") second.

    Raises `UnreadableBookError` for a file that is recognised as something else.
    """
    file.seek(0)
    head = file.read(_SNIFFED_BYTES)
    for signature, message in _OTHERS:
        if head.startswith(signature):
            raise UnreadableBookError(message)
    if head[60:68] in (b"BOOKMOBI", b"TEXtREAd"):
        raise UnreadableBookError("is a Mobipocket or Kindle book, which cannot be read; convert it to EPUB")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _detect_in_archive(file, limits)
    if b"%PDF-" in head[:1024]:
        return Format.PDF
    if not head.strip():
        file.seek(0)
        if not file.read(1 << 20).strip():
            raise UnreadableBookError("has nothing but blanks in it")
    return _detect_text(head, suffix)


def load_reader(book_format: Format) -> Reader:
    """The function that reads this format, with everything it will import already imported."""
    module = importlib.import_module(f"book.readers.{book_format}")
    prepare: Callable[[], None] | None = getattr(module, "prepare", None)
    if prepare is not None:
        prepare()
    reader: Reader = module.read
    return reader


def _detect_in_archive(file: IO[bytes], limits: Limits) -> Format:
    from book.readers.archive import Archive

    archive = Archive(file, limits)
    names = archive.names
    if archive.find("META-INF/container.xml") or any(name.lower().endswith(".opf") for name in names):
        return Format.EPUB
    if archive.find("[Content_Types].xml") and any(name.startswith("word/") for name in names):
        return Format.DOCX
    if archive.find("[Content_Types].xml"):
        raise UnreadableBookError("is an Office file but no DOCX document")
    if archive.find("mimetype") and archive.read("mimetype").startswith(b"application/epub+zip"):
        raise UnreadableBookError("is a damaged EPUB: META-INF/container.xml is missing")
    if archive.find("content.xml") and archive.find("META-INF/manifest.xml"):
        raise UnreadableBookError("is an OpenDocument file; save it as DOCX or EPUB")
    raise UnreadableBookError("is a zip archive with no book that can be read; send the book itself")


def _detect_text(head: bytes, suffix: str) -> Format:
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix in _MARKDOWN_SUFFIXES:
        return Format.MARKDOWN
    if suffix in _HTML_SUFFIXES or beginning.startswith(_HTML_BEGINNINGS):
        return Format.HTML
    if beginning.startswith((b"<?xml", b"<!--")):
        if b"<fictionbook" in beginning:
            raise UnreadableBookError("is a FictionBook file, which cannot be read; convert it to EPUB")
        if b"<html" in beginning or b"<!doctype html" in beginning:
            return Format.HTML
    return Format.TEXT
