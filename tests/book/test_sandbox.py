# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from book import child, wire
from book.errors import HostileBookError
from book.limits import MIB, Limits
from book.read import read
from book.sandbox import read_confined
from book.structure import Block, BlockKind, Book, Chapter, Cover, LeftOut, Matter, Span
from tests.book.making import epub_members, line, pdf_bytes, write_epub, zip_bytes


def test_book_crosses_the_wire_unchanged() -> None:
    book = Book(
        "Ti\ntle \U0001f4d6",
        ("Ann", "Bob"),
        "en",
        (
            Chapter(
                "c",
                (Block(BlockKind.PARAGRAPH, (Span("a\nb", "fr"),)), Block(BlockKind.BREAK)),
                Matter.BACK,
                "why",
            ),
        ),
        Cover("image/png", b"\x89PNG\n\x00\xff\n"),
        (LeftOut("x", "y"),),
        "p",
        "1892",
        "d",
    )
    assert wire.unpack(wire.pack(book)) == book
    bare = dataclasses.replace(book, cover=None)
    assert wire.unpack(wire.pack(bare)) == bare


@pytest.mark.parametrize(
    "packed", [b"", b"{}", b"[]\n", b'{"title": 1}', wire.pack(Book("t", (), "en", ()))[:-3]]
)
def test_nonsense_on_the_wire_is_no_book(packed: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        wire.unpack(packed)


def test_child_can_open_nothing_once_it_reads() -> None:
    """Neither file nor socket nor pipe: the kernel refuses, whoever asks."""
    program = (
        "import os, socket, sys; sys.path.insert(0, sys.argv[1])\n"
        "from book.limited import give_up_files\ngive_up_files()\n"
        "for attempt in (lambda: open('/etc/hostname'), socket.socket, os.pipe, lambda: open('/tmp/x', 'w')):\n"
        "    try:\n        attempt()\n    except OSError as error:\n        print(error.errno)\n"
    )
    root = str(Path(child.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program, root], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"24"] * 4


def test_memory_limit_holds(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("A paragraph of some words.\n\n" * 400_000)
    with pytest.raises(HostileBookError, match=r"MiB of memory|crash"):
        read_confined(path, Limits(memory_bytes=160 * MIB))


def test_processor_time_limit_holds(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("A paragraph of some words.\n\n" * 100_000)
    with pytest.raises(HostileBookError, match=r"more than 0\.\d s of processor time"):
        read_confined(path, Limits(cpu_seconds=0.1))


def test_books_are_read_from_many_threads_at_once(tmp_path: Path) -> None:
    path = write_epub(tmp_path, {"a.xhtml": "<h1>One</h1><p>text</p>"}, contents=line("a.xhtml", "One"))
    books: list[Book] = []
    threads = [threading.Thread(target=lambda: books.append(read(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(books) == 4
    assert all(book == books[0] for book in books)


def test_child_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "evil.py"))
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(7)")
    path = tmp_path / "book.txt"
    path.write_text("Some text.")
    assert read(path).chapters


@pytest.mark.parametrize(
    ("content", "suffix", "first"),
    [
        (b"# One\n\ntext", ".md", "One"),
        (b"# One\n\ntext", ".txt", "# One"),
        (b"<!doctype html><h1>One</h1><p>text", ".txt", "One"),
        (b"<h1>One</h1><p>text", ".html", "One"),
        (pdf_bytes([["Chapter 1", "some text."]]), ".txt", "Chapter 1"),
        (zip_bytes(epub_members({"a.xhtml": "<h1>One</h1><p>x</p>"})), ".pdf", "One"),
    ],
)
def test_format_is_told_by_content_before_suffix(
    tmp_path: Path, content: bytes, suffix: str, first: str
) -> None:
    path = tmp_path / f"book{suffix}"
    path.write_bytes(content)
    assert read(path).chapters[0].blocks[0].text == first


def test_link_to_a_book_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("Some text.")
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert read(tmp_path / "link.txt").title == "link"


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("Some text.")
    before = len(list(Path("/proc/self/fd").iterdir()))
    read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
