# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

import io
from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml

from book.errors import UnreadableBookError
from book.read import read
from book.structure import Book

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read_docx(folder: Path, document: Document) -> Book:
    written = io.BytesIO()
    document.save(written)
    (folder / "book.docx").write_bytes(written.getvalue())
    return read(folder / "book.docx")


def outline(book: Book) -> list[list[str]]:
    return [[block.text or "* * *" for block in chapter.blocks] for chapter in book.chapters]


def test_heading_styles_decide_the_chapters(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.author = "Ann Author; Bob Other"
    document.core_properties.title = "The Book"
    document.core_properties.language = "en-GB"
    document.add_heading("The Book", 0)
    document.add_heading("One", 1)
    document.add_paragraph("First paragraph.")
    document.add_heading("inner", 2)
    document.add_paragraph("* * *")
    document.add_paragraph("entry", style="List Number")
    document.add_heading("Two", 1)
    table = document.add_table(2, 2)
    for index, text in enumerate(("Tea", "2", "Milk", "3")):
        table.cell(index // 2, index % 2).text = text
    book = read_docx(tmp_path, document)
    assert (book.title, book.authors, book.language) == ("The Book", ("Ann Author", "Bob Other"), "en-gb")
    assert outline(book) == [["One", "First paragraph.", "inner", "entry"], ["Two", "Tea, 2", "Milk, 3"]]


def test_manuscript_without_styles_is_read_by_its_lines(tmp_path: Path) -> None:
    document = docx.Document()
    for text in ("A Novel", "Chapter 1", "Text one.", "", "Chapter 2", "Text two."):
        document.add_paragraph(text)
    book = read_docx(tmp_path, document)
    assert book.title == "A Novel"
    assert outline(book) == [["Chapter 1", "Text one."], ["Chapter 2", "Text two."]]


def test_deleted_hidden_and_field_text_stays_out(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    document.element.body.insert(
        1,
        parse_xml(
            f"<w:p {W}><w:r><w:t xml:space='preserve'>kept </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
            "<w:ins><w:r><w:t xml:space='preserve'>added </w:t></w:r></w:ins>"
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
            "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r>"
            "<w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>17</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r>"
            "<w:r><w:rPr><w:lang w:val='fr-FR'/></w:rPr><w:t>bonjour</w:t><w:br/><w:t>line</w:t><w:footnoteReference w:id='1'/>"
            "<w:t>.</w:t></w:r><w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink></w:p>"
        ),
    )
    book = read_docx(tmp_path, document)
    assert outline(book) == [["One", "kept added bonjour\nline. link"]]
    assert "fr-fr" in {span.language for span in book.chapters[0].blocks[1].spans}
    assert "footnotes (1)" in [left.what for left in book.left_out]


def test_empty_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match="no text"):
        read_docx(tmp_path, docx.Document())
