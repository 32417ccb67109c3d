# ruff: noqa: E501 - markup and tables of cases read better on one line
"""Small book files made by code: EPUBs, PDFs and zips, whole or broken."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from book.limits import Limits
from book.readers import detect, load_reader
from book.structure import Book

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n a picture"


def page(body: str, *, head: str = "", attributes: str = "", body_attributes: str = "") -> str:
    """An XHTML page."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops" {attributes}><head><title>page</title>{head}</head>'
        f"<body {body_attributes}>{body}</body></html>"
    )


def nav(lines: str, *, landmarks: str = "") -> str:
    """An EPUB 3 navigation page around the lines of its list."""
    extra = f'<nav epub:type="landmarks"><ol>{landmarks}</ol></nav>' if landmarks else ""
    return page(f'<nav epub:type="toc"><h1>Contents</h1><ol>{lines}</ol></nav>{extra}')


def line(href: str, title: str, below: str = "") -> str:
    """A line of a nav list."""
    return f'<li><a href="{href}">{title}</a>{f"<ol>{below}</ol>" if below else ""}</li>'


def ncx(points: str) -> str:
    """An NCX around its points."""
    return (
        f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1"><navMap>{points}</navMap></ncx>'
    )


def point(src: str, title: str, below: str = "") -> str:
    """A point of an NCX."""
    return f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{src}"/>{below}</navPoint>'


def opf(
    pages: Iterable[str],
    *,
    metadata: str = "<dc:title>A Book</dc:title><dc:language>en</dc:language>",
    extra: str = "",
    has_nav: bool = False,
    spine_attributes: str = "",
    guide: str = "",
    version: str = "3.0",
) -> str:
    """A package document whose spine is these pages."""
    names = list(pages)
    listed = "".join(
        f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names
    )
    if has_nav:
        listed += '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    return (
        f'<package xmlns="http://www.idpf.org/2007/opf" xmlns:opf="http://www.idpf.org/2007/opf" version="{version}">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata>'
        f"<manifest>{listed}{extra}</manifest><spine {spine_attributes}>{spine}</spine>"
        f"<guide>{guide}</guide></package>"
    )


def zip_bytes(members: Mapping[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these members, in order."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in members.items():
            how = zipfile.ZIP_STORED if name == "mimetype" else method
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=how)
    return written.getvalue()


def epub_members(
    pages: Mapping[str, str], *, contents: str = "", ncx_points: str = "", landmarks: str = "", **package: str
) -> dict[str, str | bytes]:
    """The members of an EPUB of these page bodies; `contents` are nav lines, `ncx_points` NCX points."""
    extra = package.pop("extra", "")
    if ncx_points:
        extra += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        package.setdefault("spine_attributes", 'toc="ncx"')
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": opf(pages, has_nav=bool(contents), extra=extra, **package),
    }
    if contents:
        members["OEBPS/nav.xhtml"] = nav(contents, landmarks=landmarks)
    if ncx_points:
        members["OEBPS/toc.ncx"] = ncx(ncx_points)
    for name, body in pages.items():
        members["OEBPS/" + name] = body if body.lstrip().startswith("<?xml") else page(body)
    return members


def write_epub(folder: Path, pages: Mapping[str, str], *, name: str = "book.epub", **how: str) -> Path:
    """An EPUB file of these page bodies."""
    path = folder / name
    path.write_bytes(zip_bytes(epub_members(pages, **how)))
    return path


def read_here(path: Path) -> Book:
    """The book in this file, read in this process: quicker than `book.read.read`, and not confined."""
    limits = Limits()
    with path.open("rb") as file:
        reader = load_reader(detect(file, path.suffix, limits))
        file.seek(0)
        return reader(file, limits)


def pdf_bytes(
    pages: Iterable[Iterable[str]],
    *,
    title: str = "",
    outline: Iterable[tuple[str, int]] = (),
    extra_root: str = "",
) -> bytes:
    """A PDF with these lines of Latin text on its pages, and an outline of (title, page from 0)."""
    objects: dict[int, bytes] = {3: b"<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>"}
    kids: list[int] = []
    number = 10
    for lines in pages:
        shown = "".join(f"({_escaped(text)}) Tj T*\n" for text in lines)
        content = f"BT /F1 10 Tf 12 TL 50 780 Td\n{shown}ET".encode("cp1252")
        objects[number] = b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)
        objects[number + 1] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % number
        )
        kids.append(number + 1)
        number += 2
    entries = list(outline)
    root = "<</Type/Catalog/Pages 2 0 R" + extra_root
    if entries:
        root += f"/Outlines {number} 0 R"
        first, last = number + 1, number + len(entries)
        objects[number] = b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>" % (
            first,
            last,
            len(entries),
        )
        for index, (text, at) in enumerate(entries):
            own = first + index
            siblings = (f"/Prev {own - 1} 0 R" if index else "") + (
                f"/Next {own + 1} 0 R" if own < last else ""
            )
            objects[own] = (
                f"<</Title({_escaped(text)})/Parent {number} 0 R{siblings}/Dest[{kids[at]} 0 R/Fit]>>".encode(
                    "cp1252"
                )
            )
    objects[1] = (root + ">>").encode()
    objects[2] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]>>".encode()
    objects[4] = f"<</Title({_escaped(title)})>>".encode("cp1252")
    return pdf_of_objects(objects)


def pdf_of_objects(objects: Mapping[int, bytes], *, root: int = 1) -> bytes:
    """A PDF file of numbered objects, with a right cross-reference table."""
    written = bytearray(b"%PDF-1.7\n")
    offsets: dict[int, int] = {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(written)
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(written)
    written += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in sorted(offsets.items()):
        written += b"%d 1\n%010d 00000 n \n" % (number, offset)
    info = b"/Info 4 0 R" if 4 in objects else b""
    written += b"trailer\n<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        max(objects) + 1,
        root,
        info,
        at,
    )
    return bytes(written)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
