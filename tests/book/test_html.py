# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

from pathlib import Path

import pytest

from book.read import read
from book.structure import Book
from tests.book.making import read_here


def read_html(folder: Path, markup: str, name: str = "book.html", encoding: str = "utf-8") -> Book:
    path = folder / name
    path.write_bytes(markup.encode(encoding))
    # Decoders are loaded from disk, which the confined reader may not: there it must have them already.
    return read_here(path) if encoding == "utf-8" else read(path)


def outline(book: Book) -> list[list[str]]:
    return [[block.text or "* * *" for block in chapter.blocks] for chapter in book.chapters]


def test_single_top_heading_names_the_book_and_the_next_level_its_chapters(tmp_path: Path) -> None:
    book = read_html(
        tmp_path,
        '<!DOCTYPE html><html lang="en"><head><title>Shown in the tab</title><meta name="author" content="Ann Author"></head>'
        "<body><h1>The Book</h1><h2>One</h2><p>a<h3>inner</h3><p>b<h2>Two</h2>c</body></html>",
    )
    assert (book.title, book.authors, book.language) == ("The Book", ("Ann Author",), "en")
    assert [chapter.title for chapter in book.chapters] == ["One", "Two"]
    assert outline(book) == [["One", "a", "inner", "b"], ["Two", "c"]]


def test_several_top_headings_are_the_chapters(tmp_path: Path) -> None:
    book = read_html(tmp_path, "<title>Book</title><h1>One</h1><p>a</p><h1>Two</h1><h2>inner</h2><p>b</p>")
    assert book.title == "Book"
    assert outline(book) == [["One", "a"], ["Two", "inner", "b"]]


def test_parts_hold_chapters(tmp_path: Path) -> None:
    book = read_html(
        tmp_path,
        "<h1>Part One</h1><h2>First</h2><p>a</p><h2>Second</h2><p>b</p><h1>Part Two</h1><h2>Third</h2><p>c</p>",
    )
    assert [chapter.title for chapter in book.chapters] == ["First", "Second", "Third"]
    assert outline(book)[2] == ["Part Two", "Third", "c"]


def test_page_without_headings_is_one_chapter(tmp_path: Path) -> None:
    book = read_html(
        tmp_path, "<html><head><title>Letter</title></head><body>Dear all,<br><br>it rains.</body></html>"
    )
    assert book.title == "Letter"
    assert outline(book) == [["Dear all,", "it rains."]]


def test_scripts_forms_and_navigation_are_not_read(tmp_path: Path) -> None:
    book = read_html(
        tmp_path,
        "<nav><a href='#a'>Home</a></nav><script>var x</script><style>p{}</style><h1>One</h1><p>text</p>"
        "<form><button>Send</button></form><template>t</template><svg><text>drawn</text></svg>",
    )
    assert outline(book) == [["One", "text"]]


def test_gutenberg_page_loses_its_header_and_licence(tmp_path: Path) -> None:
    book = read_html(
        tmp_path,
        "<h2>The Project Gutenberg eBook of X</h2><p>*** START OF THE PROJECT GUTENBERG EBOOK X ***</p>"
        "<h1>X</h1><h2>Chapter 1</h2><p>a</p><h2>Chapter 2</h2><p>b</p>"
        "<p>*** END OF THE PROJECT GUTENBERG EBOOK X ***</p><h2>License</h2><p>terms</p>",
    )
    assert outline(book) == [["Chapter 1", "a"], ["Chapter 2", "b"]]
    assert book.title == "X"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "山路を登りながら、こう考えた。"),
        ("gb2312", "山路上的人慢慢地走着，没有人说话。"),
        ("cp1252", "Café “fermé” – là-bas"),
    ],
)
def test_declared_encoding_is_honoured(tmp_path: Path, encoding: str, text: str) -> None:
    book = read_html(
        tmp_path,
        f'<html><head><meta charset="{encoding}"></head><body><p>{text}</p></body></html>',
        encoding=encoding,
    )
    assert outline(book) == [[text]]


def test_markdown_headings_decide_chapters(tmp_path: Path) -> None:
    book = read_html(
        tmp_path,
        '---\ntitle: "The Book"\nauthor: Ann Author\nlang: en\n---\n\n# One\n\nText *with* `marks`[^1] and\na wrapped line.\n\n'
        "* * *\n\n1. first\n2. second\n\n[^1]: A note.\n\n# Two\n\n> quoted\n\n| a | b |\n|---|---|\n| c | d |\n",
        "book.md",
    )
    assert (book.title, book.authors, book.language) == ("The Book", ("Ann Author",), "en")
    assert outline(book) == [
        ["One", "Text with marks and a wrapped line.", "* * *", "1. first", "2. second"],
        ["Two", "quoted", "a, b", "c, d"],
    ]
    assert any(left.what.startswith("footnotes") for left in book.left_out)
