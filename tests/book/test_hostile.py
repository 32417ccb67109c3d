# ruff: noqa: E501 - markup and tables of cases read better on one line
"""Malicious and broken files: each ends in one clear line, soon, and within its memory."""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import docx
import pytest

from book.errors import BookError, HostileBookError, UnreadableBookError
from book.limits import MIB, Limits
from book.read import read, read_text
from tests.book.making import (
    CONTAINER,
    epub_members,
    line,
    ncx,
    opf,
    page,
    pdf_bytes,
    pdf_of_objects,
    point,
    zip_bytes,
)

# The aim is two seconds; a loaded CI machine may take longer.
MOST_SECONDS = 10.0
MOST_RSS_BYTES = 1200 * MIB

Hostile = tuple[str, Callable[[], bytes], type[BookError], str]


def epub(**members: str | bytes) -> bytes:
    """An EPUB with one page, and these members (dots written as __, slashes as ___) put in or over it."""
    whole = epub_members({"a.xhtml": "<h1>One</h1><p>text</p>"}, contents=line("a.xhtml", "One"))
    for name, content in members.items():
        whole[name.replace("___", "/").replace("__", ".")] = content
    return zip_bytes(whole)


def page_epub(markup: str | bytes) -> bytes:
    return epub(OEBPS___a__xhtml=markup)


def stored_page_epub(markup: str) -> bytes:
    """As page_epub, but not compressed, so that it is not its ratio that gives it away."""
    members = epub_members({"a.xhtml": "<p>x</p>"})
    members["OEBPS/a.xhtml"] = markup
    return zip_bytes(members, method=zipfile.ZIP_STORED)


def doctype(declarations: str, use: str) -> str:
    return f"<?xml version='1.0'?><!DOCTYPE html [{declarations}]><html><body><p>{use}</p></body></html>"


def laughs(kind: str) -> str:
    entities = "<!ENTITY l0 'lol'>" + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    return doctype(entities, "&l9;") if kind == "page" else entities


def bomb_in_page() -> bytes:
    return page_epub(page("<p>" + "a" * (80 * MIB) + "</p>"))


def many_bombs() -> bytes:
    """Each page below the limits of a member, together above those of a book."""
    filler = "a quick brown fox " * 140_000
    return zip_bytes(
        epub_members({f"{n}.xhtml": f"<p>{filler}</p>" for n in range(28)}), method=zipfile.ZIP_STORED
    )


def many_entries() -> bytes:
    members: dict[str, str | bytes] = {f"f{n}": b"" for n in range(30_000)}
    return zip_bytes(epub_members({"a.xhtml": "<p>x</p>"}) | members, method=zipfile.ZIP_STORED)


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


def lying_size() -> bytes:
    """A page of 40 MiB whose headers claim 100 bytes."""
    whole = bytearray(page_epub(page("<p>" + "b" * (40 * MIB) + "</p>")))
    archive = zipfile.ZipFile(io.BytesIO(bytes(whole)))
    entry = archive.getinfo("OEBPS/a.xhtml")
    struct.pack_into("<L", whole, entry.header_offset + 22, 100)
    at = whole.rindex(b"OEBPS/a.xhtml") - 46
    struct.pack_into("<L", whole, at + 24, 100)
    return bytes(whole)


def lying_count() -> bytes:
    whole = bytearray(epub())
    end = whole.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", whole, end + 8, 65000, 65000)
    return bytes(whole)


def lying_directory() -> bytes:
    whole = bytearray(epub())
    end = whole.rindex(b"PK\x05\x06")
    struct.pack_into("<LL", whole, end + 12, 0x7FFFFFF0, 0x10)
    return bytes(whole)


def encrypted_zip() -> bytes:
    whole = bytearray(epub())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := whole.find(signature, at + 1)) >= 0:
            struct.pack_into("<H", whole, at + offset, 1)
    return bytes(whole)


def overlapping() -> bytes:
    """Many directory entries that point at the same bytes."""
    written = bytearray()
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = body.compress(b"c" * (30 * MIB)) + body.flush()
    names = [b"META-INF/container.xml", b"OEBPS/content.opf", *(b"OEBPS/%d.xhtml" % n for n in range(100))]
    written += (
        struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 33, 0, len(packed), 30 * MIB, 1, 0)
        + b"x"
        + packed
    )
    at = len(written)
    for name in names:
        written += struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            20,
            20,
            0,
            8,
            0,
            33,
            0,
            len(packed),
            30 * MIB,
            len(name),
            0,
            0,
            0,
            0,
            0,
            0,
        )
        written += name
    written += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(names), len(names), len(written) - at, at, 0)
    return bytes(written)


def bad_crc() -> bytes:
    members = epub_members({"a.xhtml": "<h1>One</h1><p>some text of the page</p>"})
    return patched(zip_bytes(members, method=zipfile.ZIP_STORED), b"some text of", b"SOME TEXT OF")


def nested_zip() -> bytes:
    inner = zip_bytes({"zeros": b"\0" * MIB})
    for _ in range(5):
        inner = zip_bytes({f"{n}.zip": inner for n in range(5)})
    return inner


def deep(tag: str, depth: int = 100_000) -> str:
    return page(f"<{tag}>" * depth + "x" + f"</{tag}>" * depth)


def deep_nav() -> bytes:
    lines = '<li><a href="a.xhtml">x</a><ol>' * 20_000 + "<li/>" + "</ol></li>" * 20_000
    return epub(OEBPS___nav__xhtml=page(f'<nav epub:type="toc"><ol>{lines}</ol></nav>'))


def deep_ncx(depth: int) -> bytes:
    opening = '<navPoint><navLabel><text>x</text></navLabel><content src="a.xhtml"/>' * depth
    members = epub_members({"a.xhtml": "<p>x</p>"}, ncx_points="x")
    members["OEBPS/toc.ncx"] = ncx(opening + "</navPoint>" * depth)
    return zip_bytes(members)


def long_contents() -> bytes:
    return zip_bytes(
        epub_members(
            {"a.xhtml": "<p>x</p>"}, contents="".join(line(f"a.xhtml#{n}", "again") for n in range(50_000))
        )
    )


def many_chapters() -> bytes:
    headings = "".join(f"<h2>c{n}</h2><p>x</p>" for n in range(20_000))
    return zip_bytes(epub_members({"a.xhtml": headings}))


def container_to(path: str) -> bytes:
    return epub(**{"META-INF___container__xml": CONTAINER.replace("OEBPS/content.opf", path)})


def manifest_to(href: str) -> bytes:
    return epub(OEBPS___content__opf=opf([href]))


def pdf_kids_loop() -> bytes:
    return pdf_of_objects(
        {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>"}
    )


def pdf_stream(content: bytes, filters: bytes = b"/FlateDecode") -> bytes:
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>"
    return pdf_of_objects(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R>>",
            4: b"<</Filter%s/Length %d>>stream\n%s\nendstream" % (filters, len(content), content),
            5: font,
        }
    )


def pdf_form_loop() -> bytes:
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>/Length 12>>stream\n/X Do /X Do \nendstream"
    return pdf_of_objects(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>/Contents 5 0 R>>",
            4: form,
            5: b"<</Length 6>>stream\n/X Do \nendstream",
        }
    )


def pdf_form_doubling() -> bytes:
    """Thirty forms, each drawing the next one twice: a billion laughs in PDF."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</XObject<</X 10 0 R>>>>/Contents 5 0 R>>",
        5: b"<</Length 6>>stream\n/X Do \nendstream",
    }
    for number in range(10, 40):
        objects[number] = (
            b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>/Length 12>>stream\n"
            b"/X Do /X Do \nendstream" % (number + 1)
        )
    objects[40] = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>stream\n  \nendstream"
    return pdf_of_objects(objects)


def pdf_outline_loop() -> bytes:
    whole = pdf_bytes([["text of the page"]] * 3, outline=[("One", 0), ("Two", 1)])
    # The second entry's neighbour becomes the first one again.
    return whole.replace(b"/Prev 17 0 R", b"/Next 17 0 R")


def pdf_xref_loop() -> bytes:
    whole = pdf_bytes([["text"]])
    at = whole.index(b"xref\n")
    return whole.replace(b"trailer\n<<", b"trailer\n<</Prev %d" % at)


def docx_bytes(**members: str | bytes) -> bytes:
    written = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("text")
    document.save(written)
    with zipfile.ZipFile(written) as archive:
        whole: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        whole[name.replace("___", "/").replace("__", ".")] = content
    return zip_bytes(whole)


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx_body(body: str, before: str = "") -> bytes:
    return docx_bytes(word___document__xml=f"{before}<w:document {W}><w:body>{body}</w:body></w:document>")


HOSTILE: list[Hostile] = [
    # archives
    ("zip bomb in a page", bomb_in_page, HostileBookError, "inflates to more than"),
    ("many bombs", many_bombs, HostileBookError, "MiB of pages|characters"),
    ("many entries", many_entries, HostileBookError, "members"),
    ("headers that lie about size", lying_size, UnreadableBookError, "damaged"),
    ("end record that lies about entries", lying_count, HostileBookError, "members"),
    ("end record that lies about its directory", lying_directory, HostileBookError, "directory"),
    ("password on the archive", encrypted_zip, UnreadableBookError, "encrypted"),
    ("overlapping members", overlapping, BookError, "."),
    ("wrong checksum", bad_crc, UnreadableBookError, "a.xhtml is damaged"),
    ("nested zips", nested_zip, UnreadableBookError, "zip archive with no book"),
    ("truncated zip", lambda: epub()[:-200], UnreadableBookError, "damaged zip"),
    ("half a zip", lambda: epub()[:600], UnreadableBookError, "damaged zip"),
    ("zip signature alone", lambda: b"PK\x03\x04", UnreadableBookError, "damaged zip"),
    ("empty zip", lambda: zip_bytes({}), UnreadableBookError, "no book"),
    ("bzip2 members", lambda: zip_bytes(epub_members({"a.xhtml": "<p>x</p>"}), method=zipfile.ZIP_BZIP2), UnreadableBookError, "method"),
    ("zip of a mimetype alone", lambda: zip_bytes({"mimetype": "application/epub+zip"}), UnreadableBookError, "container"),
    # packages
    ("container that leaves the archive", lambda: container_to("../../etc/passwd"), HostileBookError, "outside"),
    ("container with an absolute path", lambda: container_to("/etc/passwd"), HostileBookError, "outside"),
    ("manifest that leaves the archive", lambda: manifest_to("../../../etc/passwd"), HostileBookError, "outside"),
    ("manifest that leaves it in disguise", lambda: manifest_to("%2e%2e/%2e%2e/x.xhtml"), HostileBookError, "outside"),
    ("manifest that leaves it by backslashes", lambda: manifest_to("..\\..\\x.xhtml"), HostileBookError, "outside"),
    ("package that is no XML", lambda: epub(OEBPS___content__opf=b"\x00\x01\x02"), UnreadableBookError, "content.opf"),
    ("empty package", lambda: epub(OEBPS___content__opf=""), UnreadableBookError, "content.opf"),
    ("package without a spine", lambda: epub(OEBPS___content__opf=opf([])), UnreadableBookError, "no pages"),
    ("spine of missing pages", lambda: epub(OEBPS___content__opf=opf(["gone.xhtml"])), UnreadableBookError, "none of its pages"),
    ("container that names a missing package", lambda: container_to("gone.opf"), UnreadableBookError, "no package"),
    ("pages without text", lambda: page_epub(page('<p><img src="a.png" alt=""/></p>')), UnreadableBookError, "no text"),
    # markup
    ("billion laughs in a page", lambda: page_epub(laughs("page")), HostileBookError, "entities"),
    ("billion laughs in the package", lambda: epub(OEBPS___content__opf=f"<!DOCTYPE p [{laughs('')}]>" + opf(["a.xhtml"])), HostileBookError, "content.opf declares entities"),
    ("billion laughs in the container", lambda: epub(**{"META-INF___container__xml": f"<!DOCTYPE p [{laughs('')}]>" + CONTAINER}), HostileBookError, "entities"),
    ("quadratic blow-up", lambda: page_epub(doctype(f"<!ENTITY a '{'a' * 100_000}'>", "&a;" * 10_000)), HostileBookError, "entities"),
    ("external entity of a file", lambda: page_epub(doctype("<!ENTITY x SYSTEM 'file:///etc/passwd'>", "&x;")), HostileBookError, "entities"),
    ("external entity of the network", lambda: page_epub(doctype("<!ENTITY x SYSTEM 'http://127.0.0.1:9/'>", "&x;")), HostileBookError, "entities"),
    ("parameter entities", lambda: page_epub(doctype("<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;", "x")), HostileBookError, "entities"),
    ("entities in UTF-16", lambda: page_epub(laughs("page").encode("utf-16")), HostileBookError, "entities"),
    ("deep elements", lambda: stored_page_epub(deep("div")), HostileBookError, "deep"),
    ("deep inline elements", lambda: page_epub(deep("b")), HostileBookError, "deep"),
    ("deep tag soup", lambda: page_epub("<html><body>" + "<div>" * 200_000), HostileBookError, "deep"),
    ("deep contents list", deep_nav, HostileBookError, "deep"),
    ("deep NCX", lambda: deep_ncx(50_000), BookError, "."),
    ("endless contents list", long_contents, HostileBookError, "contents list"),
    ("endless chapters", many_chapters, HostileBookError, "chapters"),
    # other formats
    ("empty file", lambda: b"", UnreadableBookError, "is empty"),
    ("blanks alone", lambda: b" \n\t" * 1000, UnreadableBookError, "nothing but blanks"),
    ("NUL bytes", lambda: b"\x00" * 100_000, UnreadableBookError, "NUL"),
    ("random bytes", lambda: bytes((n * 7919 + n * n) % 256 for n in range(50_000)), UnreadableBookError, "."),
    ("program", lambda: b"\x7fELF" + bytes(1000), UnreadableBookError, "program"),
    ("picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000), UnreadableBookError, "picture"),
    ("gzip", lambda: b"\x1f\x8b" + bytes(100), UnreadableBookError, "gzip"),
    ("old Word file", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), UnreadableBookError, "old Word"),
    ("Kindle book", lambda: bytes(60) + b"BOOKMOBI" + bytes(1000), UnreadableBookError, "Kindle"),
    ("PDF header alone", lambda: b"%PDF-1.7\n", UnreadableBookError, "PDF|broken"),
    ("PDF of garbage", lambda: b"%PDF-1.7\n" + os.urandom(50_000), UnreadableBookError, "."),
    ("truncated PDF", lambda: pdf_bytes([["some text"]])[:400], UnreadableBookError, "."),
    ("PDF whose pages hold themselves", pdf_kids_loop, BookError, "."),
    ("PDF with a flate bomb", lambda: pdf_stream(zlib.compress(b"0 " * (60 * MIB), 9)), HostileBookError, "inflates"),
    ("PDF with a nested flate bomb", lambda: pdf_stream(zlib.compress(zlib.compress(b"0" * (200 * MIB), 9), 9), b"[/FlateDecode/FlateDecode]"), BookError, "."),
    ("PDF with endless operators", lambda: pdf_stream(zlib.compress(b"BT ET " * 1_000_000, 9)), BookError, "no text|inflates|processor time"),
    ("PDF form that draws itself", pdf_form_loop, BookError, "."),
    ("PDF forms that double", pdf_form_doubling, BookError, "."),
    ("PDF without text", lambda: pdf_bytes([[], []]), UnreadableBookError, "scan"),
    ("PDF under a password", lambda: patched(pdf_bytes([["x"]]), b"trailer\n<<", b"trailer\n<</Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4/O(" + b"o" * 32 + b")/U(" + b"u" * 32 + b")>>/ID[(a)(a)]"), UnreadableBookError, "password|encrypted"),
    ("DOCX bomb", lambda: docx_body("<w:p><w:r><w:t>" + "a" * (80 * MIB) + "</w:t></w:r></w:p>"), HostileBookError, "inflates"),
    ("DOCX picture bomb", lambda: docx_bytes(word___media___a__png=b"\0" * (70 * MIB)), HostileBookError, "inflates"),
    ("DOCX entities", lambda: docx_body("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>", f"<!DOCTYPE d [{laughs('')}]>"), HostileBookError, "DOCTYPE"),
    ("DOCX with deep elements", lambda: docx_body("<w:sdt><w:sdtContent>" * 5_000 + "</w:sdtContent></w:sdt>" * 5_000), BookError, "."),
    ("DOCX without a document", lambda: zip_bytes({"[Content_Types].xml": "<Types/>", "word/a.xml": "<a/>"}), UnreadableBookError, "damaged DOCX"),
    ("DOCX of broken XML", lambda: docx_bytes(word___document__xml="<w:document"), UnreadableBookError, "damaged DOCX"),
    ("spreadsheet", lambda: zip_bytes({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<a/>"}), UnreadableBookError, "Office"),
]  # fmt: skip


def refuse(path: Path, error_type: type[BookError], pattern: str) -> float:
    """Reads the file, which must fail with one clear line; gives the seconds that took."""
    began = time.monotonic()
    with pytest.raises(error_type) as caught:
        read(path)
    seconds = time.monotonic() - began
    assert_one_clear_line(caught.value, path, error_type, pattern)
    return seconds


def assert_one_clear_line(
    error: Exception | None, path: Path, error_type: type[BookError], pattern: str
) -> None:
    assert isinstance(error, error_type)
    message = str(error)
    assert re.search(pattern, message)
    assert message.startswith(path.name + ": ")
    assert message.isprintable()
    assert len(message) <= 300
    assert "Traceback" not in message


def refusal(path: Path) -> tuple[Exception | None, float, int]:
    """What reading this file raised, the seconds it took, and the most memory of any reader yet, in KiB."""
    began = time.monotonic()
    error: Exception | None = None
    try:
        read(path)
    except BookError as refused:
        error = refused
    seconds = time.monotonic() - began
    return error, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


@pytest.fixture(scope="module")
def small_parent() -> Iterator[ProcessPoolExecutor]:
    """A parent for the readers that has little memory itself.

    Linux counts a child's largest memory from before its exec too, when it still shares its parent's: under a
    parent of 3 GB every reader would seem to have taken 3 GB.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize(
    ("name", "make", "error_type", "pattern"), HOSTILE, ids=[name for name, *_ in HOSTILE]
)
def test_hostile_file_is_refused_in_one_line(
    tmp_path: Path,
    name: str,
    make: Callable[[], bytes],
    error_type: type[BookError],
    pattern: str,
    record_property: Callable[[str, object], None],
    small_parent: ProcessPoolExecutor,
) -> None:
    path = tmp_path / "book.bin"
    path.write_bytes(make())
    before = sorted(tmp_path.iterdir())
    error, seconds, peak_kib = small_parent.submit(refusal, path).result()
    record_property("seconds", round(seconds, 3))
    assert_one_clear_line(error, path, error_type, pattern)
    assert seconds < MOST_SECONDS
    assert peak_kib <= MOST_RSS_BYTES // 1024
    assert sorted(tmp_path.iterdir()) == before, "nothing is written to disk"


def test_there_are_forty_hostile_files_and_more() -> None:
    assert len({name for name, *_ in HOSTILE}) >= 40


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop_of_links(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


SPECIAL: list[tuple[str, Callable[[Path], object], str]] = [
    ("folder", lambda path: path.mkdir(), "folder"),
    ("FIFO", fifo, "not a regular file"),
    ("device", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    ("dangling link", lambda path: path.symlink_to("/nowhere/at/all"), "no such file"),
    ("loop of links", loop_of_links, "cannot be opened"),
    ("missing file", lambda _: None, "no such file"),
]


@pytest.mark.parametrize(("name", "make", "pattern"), SPECIAL, ids=[name for name, *_ in SPECIAL])
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, name: str, make: Callable[[Path], object], pattern: str
) -> None:
    make(tmp_path / "book.epub")
    assert refuse(tmp_path / "book.epub", UnreadableBookError, pattern) < 1.0


def test_file_above_its_size_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    with path.open("wb") as sparse:
        sparse.truncate(600 * MIB)
    assert refuse(path, HostileBookError, "bytes, more than") < 1.0


def test_name_of_the_file_cannot_break_the_line(tmp_path: Path) -> None:
    path = tmp_path / "bo\nok\x1b[31m.epub"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UnreadableBookError) as caught:
        read(path)
    assert str(caught.value).isprintable()


def test_odd_but_honest_files_are_read(tmp_path: Path) -> None:
    """What looks hostile and is harmless: none of it may be refused."""
    odd = {
        "wrong mimetype": epub(mimetype="application/zip"),
        "traversal name": epub(**{"..___..___evil": b"evil"}),
        "absolute name": epub(___etc___evil=b"evil"),
        "self-listing spine": zip_bytes(epub_members({"a.xhtml": "<p>text</p>"}, contents=line("nav.xhtml", "x"))),
        "huge attribute": page_epub(page(f'<p class="{"x " * 200_000}">text</p>')),
        "many attributes": page_epub(page("<p " + " ".join(f'a{n}="1"' for n in range(20_000)) + ">text</p>")),
        "NUL in a page": page_epub("<html><body><p>te\x00xt</p></body></html>"),
        "invalid UTF-8": page_epub(b"<html><body><p>text caf\xe9 and more of the same</p></body></html>"),
        "PDF at the end of a zip": epub() + pdf_bytes([["pdf"]])[:0],
        "zip behind a PDF": pdf_bytes([["the text of a page"]]) + epub(),
        "cyclic NCX": zip_bytes(epub_members({"a.xhtml": "<p>text</p>"}, ncx_points=point("toc.ncx", "x", point("a.xhtml", "text")))),
        "outline that loops": pdf_outline_loop(),
        "cross-reference tables that loop": pdf_xref_loop(),
        "one long line": b"words and words " * 100_000,
        "form feeds and controls": b"text\x0c\x1b[0m and \x07 more of it, as it was.\n",
    }  # fmt: skip
    for name, content in odd.items():
        path = tmp_path / "book.bin"
        path.write_bytes(content)
        began = time.monotonic()
        book = read(path)
        assert book.chapters, name
        assert "evil" not in "".join(block.text for chapter in book.chapters for block in chapter.blocks), (
            name
        )
        assert time.monotonic() - began < MOST_SECONDS, name


def test_processor_time_grows_with_the_file_only() -> None:
    limits = Limits()
    assert limits.cpu_budget_seconds(10_000) < 2
    assert limits.cpu_budget_seconds(2 * MIB) > 60
    assert limits.cpu_budget_seconds(10**12) == limits.cpu_seconds


def test_inline_text_beyond_its_limit_is_refused() -> None:
    with pytest.raises(HostileBookError, match="characters"):
        read_text("a" * 1001, limits=Limits(characters=1000))
    with pytest.raises(UnreadableBookError, match="no text"):
        read_text(" \n ")


def test_page_of_hostile_regular_expression_food_is_quick(tmp_path: Path) -> None:
    """Strings made to make backtracking expressions explode, in the places where expressions look."""
    food = [
        "[" * 50_000, "* " * 50_000 + "a", "_" * 50_000, "_a" * 50_000, "I" * 80, "chapter " + "i" * 70, "\n" * 200_000 + "a",
        "第" * 50_000, "<!--" * 20_000, "&" * 50_000, "&a" * 50_000, "漢 \t" * 30_000 + "\n", "-" * 100_000 + "\n" + "a", "(" * 40_000 + "1",
        "[Illustration" * 5_000, "[1] " * 20_000, "[^" * 30_000, "- " * 20_000, "|a" * 20_000, "`" * 50_000, "**a" * 10_000, "[a](" * 10_000,
    ]  # fmt: skip
    for suffix in (".txt", ".md", ".html"):
        path = tmp_path / f"food{suffix}"
        path.write_text("\n\n".join(["Chapter 1", *food, "Chapter 2", "text"]))
        began = time.monotonic()
        assert read(path).chapters, suffix
        assert time.monotonic() - began < MOST_SECONDS, suffix
