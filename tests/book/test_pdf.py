from __future__ import annotations

from pathlib import Path

from book.read import read
from book.structure import Book
from tests.book.making import pdf_bytes

FULL = "It was a bright cold day in the house by the sea, and all the"


def read_pdf(folder: Path, content: bytes) -> Book:
    (folder / "book.pdf").write_bytes(content)
    return read(folder / "book.pdf")


def outline(book: Book) -> list[list[str]]:
    return [[block.text for block in chapter.blocks] for chapter in book.chapters]


def test_running_heads_and_page_numbers_go_and_paragraphs_cross_pages(tmp_path: Path) -> None:
    people = ["Anna", "Bertha", "Clara", "Dora"]
    pages = [
        [
            "THE BOOK",
            f"heard of hotel, where {name} sat and waited for the rain.",
            FULL,
            f"clocks were striking. {name} looked up from the well-known",
            f"table, asked {name} for the time, and left the quite un-",
            f"1{number}",
        ]
        for number, name in enumerate(people)
    ]
    book = read_pdf(tmp_path, pdf_bytes([["Chapter 1"], *pages]))
    text = " ".join(outline(book)[0])
    assert "THE BOOK" not in text
    assert "unheard of hotel" in text
    assert "well-known" in text
    assert " 12" not in text
    what = [left.what for left in book.left_out]
    assert "page numbers (4)" in what
    assert "running heads (4)" in what


def test_outline_gives_the_chapters(tmp_path: Path) -> None:
    pages = [
        ["A Book", "by Ann Author"],
        ["The First", FULL, "clocks were striking."],
        ["and so on.", "The Second", FULL, "clocks stopped."],
    ]
    book = read_pdf(tmp_path, pdf_bytes(pages, title="A Book", outline=[("The First", 1), ("The Second", 2)]))
    assert book.title == "A Book"
    assert [chapter.title for chapter in book.chapters] == ["A Book", "The First", "The Second"]
    assert outline(book)[1] == ["The First", FULL + " clocks were striking.", "and so on."]
    assert outline(book)[2] == ["The Second", FULL + " clocks stopped."]


def test_headings_give_the_chapters_where_there_is_no_outline(tmp_path: Path) -> None:
    pages = [["CHAPTER I", FULL, "clocks were striking."], ["CHAPTER II", FULL, "clocks stopped."]]
    book = read_pdf(tmp_path, pdf_bytes(pages))
    assert [chapter.title for chapter in book.chapters] == ["CHAPTER I", "CHAPTER II"]
    assert outline(book)[1] == ["CHAPTER II", FULL + " clocks stopped."]
    assert book.title == "book"
