"""An HTML page as a book: its headings decide the chapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from book.errors import HostileBookError
from book.flow import Passage
from book.language import normalise_tag
from book.limits import MIB, Limits
from book.readers import plaintext
from book.readers.assemble import Metadata, assemble, split_by_headings
from book.readers.boilerplate import cut_gutenberg
from book.readers.decode import declared_encoding, decode
from book.readers.markup import Element, language_tag, local_name, parse_html
from book.readers.notes import find_notes
from book.readers.pages import PageReader, describe_left_out, page_title
from book.readers.styles import Styles, read_styles
from book.structure import Book, LeftOut

_PAGE = "page"


def prepare() -> None:
    """Reads a little page, so that nothing is imported later."""
    plaintext.prepare()
    sample = "<title>t</title><style>.a{display:none}</style><h1>a</h1><ol><li><ruby>c<rt>d</rt></ruby></ol>"
    read_markup(sample, Limits())


def read(file: IO[bytes], limits: Limits) -> Book:
    """The book in an HTML file."""
    content = file.read(limits.markup_bytes + 1)
    return read_markup(decode(content, declared=declared_encoding(content), what="the page"), limits)


def read_markup(text: str, limits: Limits, *, title: str = "") -> Book:
    """The book in HTML text; Markdown comes through here too."""
    if len(text) > limits.markup_bytes:
        raise HostileBookError(f"has more than {limits.markup_bytes // MIB} MiB of text")
    root = parse_html(text, "the page", limits)
    metadata = _read_metadata(root)
    reader = PageReader(notes=find_notes({_PAGE: root}), styles=_read_styles(root))
    passages: list[Passage] = reader.read(root)
    passages, boilerplate = cut_gutenberg(passages)
    metadata.left_out += boilerplate
    metadata.left_out += [LeftOut(what, reason) for what, reason in describe_left_out(reader.left_out)]
    head_title = page_title(root)
    by_headings, chapters = split_by_headings(passages, book_title=head_title or title)
    metadata.title = title or by_headings or head_title
    return assemble(metadata, chapters, limits)


def _read_metadata(root: Element) -> Metadata:
    named: dict[str, list[str]] = {}
    for name, content in _metas(root):
        named.setdefault(name, []).append(content)
    authors = named.get("author") or named.get("dc.creator") or named.get("dcterms.creator") or []
    language = normalise_tag(language_tag(root)) or next(iter(named.get("dc.language", [])), "")
    return Metadata(
        authors=tuple(dict.fromkeys(authors)),
        language=language,
        description=next(iter(named.get("description", [])), ""),
        published=next(iter(named.get("dc.date", named.get("date", []))), ""),
    )


def _metas(root: Element) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        local = local_name(element)
        if local == "body":
            return
        if local == "meta" and element.get("name") and element.get("content"):
            yield (element.get("name") or "").lower(), element.get("content") or ""


def _read_styles(root: Element) -> Styles:
    styles = Styles()
    for element in root.iter():
        if local_name(element) == "style" and element.text:
            styles |= read_styles(element.text[:MIB])
    return styles
