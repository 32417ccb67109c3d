"""EPUB 2 and 3: pages in the order of the spine, cut into chapters by the book's own contents list."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import IO

from book.errors import HostileBookError, UnreadableBookError
from book.limits import MIB, Limits
from book.readers import html
from book.readers.archive import Archive
from book.readers.assemble import assemble
from book.readers.boilerplate import cut_gutenberg
from book.readers.contents import Entry, choose_units, count_entries, read_nav, read_ncx
from book.readers.cutting import Stream, cut_chapters
from book.readers.markup import Element, local_name, parse_page, parse_xml
from book.readers.notes import find_notes
from book.readers.package import Package, read_package
from book.readers.pages import PageReader, describe_left_out, page_title
from book.readers.styles import Styles, read_styles
from book.structure import Book, LeftOut

_LONGEST_STYLE_BYTES = MIB


def prepare() -> None:
    """Loads what parsing pages and names of encodings would load later."""
    html.prepare()
    read(io.BytesIO(_tiny_epub()), Limits())


def _tiny_epub() -> bytes:
    """The smallest book that runs through all of this module."""
    container = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    package = (
        "<package><metadata><title>t</title><description>&lt;p&gt;d&lt;/p&gt;</description></metadata><manifest>"
        '<item id="p" href="p.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest>'
        '<spine><itemref idref="p"/></spine></package>'
    )
    page = '<body><p>a &nbsp;</p><nav><ol><li><a href="#x">b</a></li></ol></nav><h1 id="x">b</h1><br></body>'
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("META-INF/container.xml", container), ("a.opf", package), ("p.xhtml", page)):
            archive.writestr(name, content)
    return written.getvalue()


def read(file: IO[bytes], limits: Limits) -> Book:
    """The book in an EPUB file.

    Raises `UnreadableBookError` or `HostileBookError` naming the member at fault.
    """
    archive = Archive(file, limits)
    package = read_package(archive, limits)
    roots = _load_pages(archive, package, limits)
    entries, landmarks = _load_contents(archive, package, limits)
    stream = _read_stream(archive, package, roots, limits)
    stream.passages, boilerplate = cut_gutenberg(stream.passages)
    package.metadata.left_out += boilerplate
    terms = _page_terms(package, landmarks)
    units = choose_units(entries, package.metadata.title)
    return assemble(package.metadata, cut_chapters(stream, units, terms, package.metadata.title), limits)


def _load_pages(archive: Archive, package: Package, limits: Limits) -> dict[str, Element]:
    roots: dict[str, Element] = {}
    markup_bytes = 0
    for entry in package.spine:
        member = archive.find(entry.name)
        if member is None:
            package.metadata.left_out.append(LeftOut(f"page: {entry.name}", "it is missing from the file"))
            continue
        content = archive.read(member)
        markup_bytes += len(content)
        if markup_bytes > limits.markup_bytes:
            raise HostileBookError(f"has more than {limits.markup_bytes // MIB} MiB of pages")
        if content.strip():
            roots[entry.name] = parse_page(content, member, limits)
    if not roots:
        raise UnreadableBookError("is a damaged EPUB: none of its pages exists")
    if package.asides:
        package.metadata.left_out.append(
            LeftOut(f"pages beside the text ({len(package.asides)})", "the book marks them as not linear")
        )
    return roots


def _load_contents(
    archive: Archive, package: Package, limits: Limits
) -> tuple[list[Entry], list[tuple[str, frozenset[str]]]]:
    entries: list[Entry] = []
    landmarks: list[tuple[str, frozenset[str]]] = []
    nav = archive.find(package.nav) if package.nav else None
    if nav is not None:
        entries, landmarks = read_nav(parse_page(archive.read(nav), nav, limits), package.nav, limits)
    ncx = archive.find(package.ncx) if package.ncx and not entries else None
    if ncx is not None:
        entries = read_ncx(parse_xml(archive.read(ncx), ncx), package.ncx, limits)
    if count_entries(entries) > limits.chapters:
        raise HostileBookError(f"has a contents list of more than {limits.chapters:,} lines")
    return entries, landmarks


def _read_stream(archive: Archive, package: Package, roots: dict[str, Element], limits: Limits) -> Stream:
    notes = find_notes(roots)
    reader = PageReader(notes=notes, styles=_load_styles(archive, package, roots))
    stream = Stream()
    for name, root in roots.items():
        types = frozenset(("endnotes",)) if name in notes.documents else frozenset()
        start = len(stream.passages)
        stream.pages[name] = start
        stream.titles[name] = page_title(root)
        for index, passage in enumerate(reader.read(root, types=types), start):
            stream.passages.append(passage)
            for anchor in passage.anchors:
                stream.anchors.setdefault((name, anchor), index)
    package.metadata.left_out += [
        LeftOut(what, reason) for what, reason in describe_left_out(reader.left_out)
    ]
    if sum(len(passage.text) for passage in stream.passages) > limits.characters:
        raise HostileBookError(f"has more than {limits.characters:,} characters")
    return stream


def _load_styles(archive: Archive, package: Package, roots: dict[str, Element]) -> Styles:
    styles = Styles()
    for entry in package.entries.values():
        member = archive.find(entry.name) if entry.media_type == "text/css" else None
        if member is not None:
            styles |= read_styles(archive.read(member)[:_LONGEST_STYLE_BYTES].decode("utf-8", "replace"))
    for root in roots.values():
        for element in root.iter():
            if local_name(element) == "style" and element.text:
                styles |= read_styles(element.text[:_LONGEST_STYLE_BYTES])
            elif local_name(element) == "body":
                break
    return styles


def _page_terms(
    package: Package, landmarks: Sequence[tuple[str, frozenset[str]]]
) -> dict[str, frozenset[str]]:
    """What guide and landmarks call the pages."""
    terms: dict[str, frozenset[str]] = {}
    for page, found in [*landmarks, *((page, frozenset((term,))) for page, term in package.guide)]:
        terms[page] = terms.get(page, frozenset()) | found
    # Guides point at the first chapter by many names, none of which tells what it is.
    start_terms = frozenset(("text", "start", "bodymatter", "other.text", "other.start"))
    return {
        page: (found - start_terms) | ({"starts-text"} if found & start_terms else set())
        for page, found in terms.items()
    }
