# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

import base64
from pathlib import Path

import pytest

from book.errors import UnreadableBookError
from book.read import read
from book.structure import BlockKind, Book, Chapter, Matter
from tests.book.making import JPEG, PNG, epub_members, line, page, point, read_here, write_epub, zip_bytes


def chapter_titles(book: Book, matter: Matter = Matter.BODY) -> list[str]:
    return [chapter.title for chapter in book.chapters if chapter.matter is matter]


def texts(chapter: Chapter) -> list[str]:
    return ["* * *" if block.kind is BlockKind.BREAK else block.text for block in chapter.blocks]


def body_text(book: Book) -> str:
    return "\n".join(text for c in book.chapters if c.matter is Matter.BODY for text in texts(c))


def one_page(folder: Path, body: str, **how: str) -> Book:
    return read_here(write_epub(folder, {"a.xhtml": body}, contents=line("a.xhtml", "One"), **how))


def test_epub3_gives_title_authors_language_and_chapters(tmp_path: Path) -> None:
    book = read(
        write_epub(
            tmp_path,
            {"a.xhtml": "<h1>One</h1><p>First.</p>", "b.xhtml": "<h1>Two</h1><p>Second.</p>"},
            contents=line("a.xhtml", "One") + line("b.xhtml", "Two"),
            metadata=(
                "<dc:title>The Book</dc:title><dc:creator>Ann Author</dc:creator><dc:language>en-GB</dc:language>"
                "<dc:publisher>House</dc:publisher><dc:date>1892-10-14</dc:date>"
                "<dc:description>&lt;p&gt;It is &lt;b&gt;good&lt;/b&gt;.&lt;/p&gt;</dc:description>"
            ),
        )
    )
    assert (book.title, book.authors, book.language) == ("The Book", ("Ann Author",), "en-gb")
    assert (book.publisher, book.published) == ("House", "1892-10-14")
    assert book.description.replace(" .", ".") == "It is good."
    assert chapter_titles(book) == ["One", "Two"]
    assert texts(book.chapters[0]) == ["One", "First."]
    assert book.chapters[0].blocks[0].kind is BlockKind.HEADING


def test_epub2_takes_titles_from_the_ncx(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path,
        {"a.html": "<p>First.</p>", "b.html": "<p>Second.</p>"},
        ncx_points=point("a.html", "Chapter I") + point("b.html", "Chapter II"),
        version="2.0",
    )
    book = read_here(path)
    assert chapter_titles(book) == ["Chapter I", "Chapter II"]
    assert texts(book.chapters[1]) == ["Chapter II", "Second."]


def test_several_chapters_in_one_page_are_cut_at_fragments(tmp_path: Path) -> None:
    body = '<div><h2 id="x">One</h2><p>a</p><p>b<a id="y"/></p><h2>Two</h2><p>c</p><section id="z"><p>d</p></section></div>'
    book = read_here(
        write_epub(
            tmp_path,
            {"a.xhtml": body},
            contents=line("a.xhtml#x", "One") + line("a.xhtml#y", "Two") + line("a.xhtml#z", "Three"),
        )
    )
    assert [texts(chapter) for chapter in book.chapters] == [["One", "a", "b"], ["Two", "c"], ["Three", "d"]]


def test_one_chapter_over_several_pages_is_one_chapter(tmp_path: Path) -> None:
    pages = {"a.xhtml": "<h1>One</h1><p>a</p>", "b.xhtml": "<p>b</p>", "c.xhtml": "<h1>Two</h1><p>c</p>"}
    book = read_here(write_epub(tmp_path, pages, contents=line("a.xhtml", "One") + line("c.xhtml", "Two")))
    assert [texts(chapter) for chapter in book.chapters] == [["One", "a", "b"], ["Two", "c"]]


def test_parts_are_spoken_before_their_first_chapter(tmp_path: Path) -> None:
    pages = {
        "p1.xhtml": "<h1>Part One</h1>",
        "a.xhtml": "<h2>I</h2><p>a</p>",
        "b.xhtml": "<h2>II</h2><p>b</p>",
        "p2.xhtml": "<h1>Part Two</h1>",
        "c.xhtml": "<h2>I</h2><p>c</p>",
    }
    contents = line("p1.xhtml", "Part One", line("a.xhtml", "I") + line("b.xhtml", "II")) + line(
        "p2.xhtml", "Part Two", line("c.xhtml", "I")
    )
    book = read_here(write_epub(tmp_path, pages, contents=contents))
    assert chapter_titles(book) == ["Part One, I", "II", "Part Two, I"]
    assert [texts(chapter) for chapter in book.chapters] == [
        ["Part One", "I", "a"],
        ["II", "b"],
        ["Part Two", "I", "c"],
    ]


def test_numbered_sections_of_a_story_stay_one_chapter(tmp_path: Path) -> None:
    body = '<h2>A Story</h2><section id="s1"><h3>I</h3><p>a</p></section><section id="s2"><h3>II</h3><p>b</p></section>'
    contents = line("a.xhtml", "A Story", line("a.xhtml#s1", "I") + line("a.xhtml#s2", "II")) + line(
        "b.xhtml", "Other"
    )
    book = read_here(
        write_epub(tmp_path, {"a.xhtml": body, "b.xhtml": "<h2>Other</h2><p>c</p>"}, contents=contents)
    )
    assert chapter_titles(book) == ["A Story", "Other"]
    assert texts(book.chapters[0]) == ["A Story", "I", "a", "II", "b"]


def test_book_line_above_all_chapters_is_no_chapter(tmp_path: Path) -> None:
    body = '<h1>A Book</h1><h2 id="c1">Chapter 1</h2><p>a</p><h2 id="c2">Chapter 2</h2><p>b</p>'
    contents = line("a.xhtml", "A Book", line("a.xhtml#c1", "Chapter 1") + line("a.xhtml#c2", "Chapter 2"))
    book = read_here(write_epub(tmp_path, {"a.xhtml": body}, contents=contents))
    assert chapter_titles(book) == ["Chapter 1", "Chapter 2"]
    assert body_text(book).count("A Book") == 1


@pytest.mark.parametrize(
    ("title", "matter"),
    [
        ("Cover", Matter.FRONT),
        ("Impressum", Matter.FRONT),
        ("Table des matières", Matter.FRONT),
        ("Dedicatoria", Matter.FRONT),
        ("版权信息", Matter.FRONT),
        ("目次", Matter.FRONT),
        ("차례", Matter.FRONT),
        ("Prologue", Matter.BODY),
        ("Introduction", Matter.BODY),
        ("Preface to the Second Edition", Matter.BODY),
        ("序章", Matter.BODY),
        ("The Index Finger", Matter.BODY),
    ],
)
def test_front_matter_is_known_by_title(tmp_path: Path, title: str, matter: Matter) -> None:
    pages = {"a.xhtml": f"<h1>{title}</h1><p>x</p>", "b.xhtml": "<h1>Chapter 1</h1><p>y</p>"}
    book = read_here(
        write_epub(tmp_path, pages, contents=line("a.xhtml", title) + line("b.xhtml", "Chapter 1"))
    )
    first = book.chapters[0]
    assert (first.title, first.matter) == (title, matter)
    assert first.reason == ("" if matter is Matter.BODY else f"title: {title}")


@pytest.mark.parametrize(
    "title",
    [
        "Index",
        "About the Author",
        "Bibliographie",
        "Glosario",
        "Note",
        "参考文献",
        "奥付",
        "찾아보기",
        "Colophon",
        "Licence",
    ],
)
def test_back_matter_is_known_by_title(tmp_path: Path, title: str) -> None:
    pages = {"a.xhtml": "<h1>Chapter 1</h1><p>y</p>", "b.xhtml": f"<h1>{title}</h1><p>x</p>"}
    book = read_here(
        write_epub(tmp_path, pages, contents=line("a.xhtml", "Chapter 1") + line("b.xhtml", title))
    )
    assert [chapter.matter for chapter in book.chapters] == [Matter.BODY, Matter.BACK]
    assert f"chapter: {title}" in [left.what for left in book.left_out]


@pytest.mark.parametrize(
    ("attributes", "matter"),
    [
        ('epub:type="backmatter"', Matter.BACK),
        ('epub:type="colophon"', Matter.BACK),
        ('role="doc-bibliography"', Matter.BACK),
        ('epub:type="backmatter afterword"', Matter.BODY),
    ],
)
def test_types_of_the_page_decide_the_matter(tmp_path: Path, attributes: str, matter: Matter) -> None:
    pages = {
        "a.xhtml": "<h1>Chapter 1</h1><p>y</p>",
        "b.xhtml": f"<section {attributes}><h1>Some</h1><p>x</p></section>",
    }
    book = read_here(
        write_epub(tmp_path, pages, contents=line("a.xhtml", "Chapter 1") + line("b.xhtml", "Some"))
    )
    assert book.chapters[1].matter is matter


def test_guide_and_unlisted_pages_are_judged(tmp_path: Path) -> None:
    pages = {
        "cover.xhtml": '<p><img src="c.jpg" alt="Cover"/></p>',
        "title.xhtml": "<p>A Book by Ann</p>",
        "a.xhtml": "<h1>Chapter 1</h1><p>y</p>",
        "about.xhtml": '<section epub:type="contributors"><h1>Who</h1><p>x</p></section>',
    }
    book = read_here(
        write_epub(
            tmp_path,
            pages,
            contents=line("a.xhtml", "Chapter 1"),
            guide='<reference type="title-page" href="title.xhtml"/><reference type="text" href="a.xhtml"/>',
        )
    )
    assert [(chapter.title, chapter.matter) for chapter in book.chapters] == [
        ("page", Matter.FRONT),
        ("Chapter 1", Matter.BODY),
        ("Who", Matter.BACK),
    ]
    assert body_text(book) == "Chapter 1\ny"


def test_page_of_other_matter_amid_a_chapter_does_not_swallow_its_rest(tmp_path: Path) -> None:
    pages = {
        "a.xhtml": "<h1>One</h1><p>a</p>",
        "ad.xhtml": '<section epub:type="other-credits"><p>ad</p></section>',
        "b.xhtml": "<p>b</p>",
    }
    book = read_here(write_epub(tmp_path, pages, contents=line("a.xhtml", "One")))
    assert "ad" not in body_text(book)
    assert "b" in body_text(book)


@pytest.mark.parametrize(
    ("mark", "note"),
    [
        ('<a epub:type="noteref" href="#n1">1</a>', '<aside epub:type="footnote" id="n1"><p>A note.</p></aside>'),
        ('<a role="doc-noteref" href="#n1">1</a>', '<div role="doc-footnote" id="n1"><p>A note.</p></div>'),
        ('<sup><a id="r1" href="#n1">1</a></sup>', '<p id="n1"><a href="#r1">1</a> A note.</p>'),
        ('<a id="r1" href="#n1"><sup>1</sup></a>', '<p><a id="n1" href="#r1">1</a> A note.</p>'),
        ('<a id="r1" href="#n1">[1]</a>', '<p id="n1">[1] A note.</p>'),
        ('<a class="fnref" href="#n1">*</a>', '<p id="n1">* A note.</p>'),
        ('<a id="r1" href="#n1">1</a>', '<p><a id="n1" href="#r1">↩</a> A note.</p>'),
        ('<a class="footnote-ref" href="#n1">3</a>', '<div class="footnotes"><hr/><ol><li id="n1"><p>A note.</p></li></ol></div>'),
        ('<a href="#n1"><span style="vertical-align: super">a</span></a><sup><a href="#n1">a</a></sup>', '<p id="n1"><a href="#r">a</a> A note.</p>'),
    ],
)  # fmt: skip
def test_notes_and_their_marks_are_not_read(tmp_path: Path, mark: str, note: str) -> None:
    book = one_page(
        tmp_path,
        f"<h1>One</h1><p>A long enough sentence before the mark{mark} and after it.</p><p>End.</p>{note}",
    )
    read_aloud = body_text(book)
    if "vertical-align" in mark:
        read_aloud = read_aloud.replace("marka", "mark")
    assert read_aloud == "One\nA long enough sentence before the mark and after it.\nEnd."
    assert any(left.what.startswith("footnotes") for left in book.left_out)


def test_notes_on_a_page_of_their_own_are_back_matter(tmp_path: Path) -> None:
    pages = {
        "a.xhtml": '<h1>One</h1><p>Text<a epub:type="noteref" href="notes.xhtml#n1" id="r1">1</a>.</p>',
        "notes.xhtml": '<section epub:type="endnotes"><h2>Remarks</h2><ol><li id="n1" epub:type="endnote"><p>A note.</p></li></ol></section>',
    }
    book = read_here(
        write_epub(tmp_path, pages, contents=line("a.xhtml", "One") + line("notes.xhtml", "Remarks"))
    )
    assert body_text(book) == "One\nText."
    assert chapter_titles(book, Matter.BACK) == ["Remarks"]
    assert "A note." in book.chapters[1].blocks[-1].text


def test_links_and_powers_that_are_no_notes_are_read(tmp_path: Path) -> None:
    book = one_page(
        tmp_path,
        '<h1>One</h1><p>See <a href="#x">chapter 2</a>: E = mc<sup>2</sup>, the 1<sup>st</sup> law, <a href="http://a.b/#c">1</a>.</p>'
        '<p id="x">Target.</p>',
    )
    assert body_text(book) == "One\nSee chapter 2: E = mc2, the 1st law, 1.\nTarget."


def test_page_numbers_are_not_read(tmp_path: Path) -> None:
    book = one_page(
        tmp_path,
        '<h1>One</h1><p>be<span epub:type="pagebreak" id="p1" title="1">1</span>fore <span class="pagenum">[Pg 12]</span>after '
        '<a role="doc-pagebreak">13</a>end</p>',
    )
    assert body_text(book) == "One\nbefore after end"
    assert "page numbers (3)" in [left.what for left in book.left_out]


def test_language_is_known_per_element(tmp_path: Path) -> None:
    book = one_page(
        tmp_path,
        '<h1>One</h1><p>He said <i xml:lang="fr">bonjour</i>, then <i lang="de">guten <b>Tag</b></i>.</p><p lang="la">Ave.</p>',
    )
    spans = book.chapters[0].blocks[1].spans
    assert [(span.text, span.language) for span in spans] == [
        ("He said ", "en"), ("bonjour", "fr"), (", then ", "en"), ("guten Tag", "de"), (".", "en"),
    ]  # fmt: skip
    assert book.chapters[0].blocks[2].spans[0].language == "la"


def test_language_that_the_letters_contradict_is_mended(tmp_path: Path) -> None:
    metadata = "<dc:title>书</dc:title><dc:language>en</dc:language>"
    book = one_page(tmp_path, "<h1>第一章</h1><p>山路上的人慢慢地走着，没有人说话。</p>", metadata=metadata)
    assert book.language == "zh"
    assert {
        span.language for chapter in book.chapters for block in chapter.blocks for span in block.spans
    } <= {"zh", "en"}
    assert book.chapters[0].blocks[-1].spans[0].language == "zh"


def test_ruby_is_read_once(tmp_path: Path) -> None:
    book = one_page(
        tmp_path, "<h1>一</h1><p><ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>へ行く。</p>"
    )
    assert body_text(book).splitlines()[-1] == "東京へ行く。"
    assert "ruby readings (1)" in [left.what for left in book.left_out]


def test_inline_markup_of_every_kind_is_tidied(tmp_path: Path) -> None:
    book = one_page(
        tmp_path,
        '<h1>One</h1><p><span class="dropcap">T</span><span style="font-variant:small-caps">he quick</span>\n'
        "   brown&#160;&#160;fox,\u200b over\u00adjoyed,<br/>jumps.</p>"
        '<p><img src="t.png" alt="H"/>e ran.</p><p>A <img src="p.png" alt="picture of a dog"/>picture.</p>'
        '<p style="display:none">hidden</p><p hidden="hidden">hidden</p><p>Seen.</p>',
    )
    assert texts(book.chapters[0]) == [
        "One",
        "The quick brown fox, overjoyed,\njumps.",
        "He ran.",
        "A picture.",
        "Seen.",
    ]


def test_passages_that_the_style_sheet_hides_are_not_read(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path,
        {"a.xhtml": page('<h1>One</h1><p class="no x">hidden</p><p class="print">shown</p>', head="<style>p.no, .z { display: none }\n@media amzn-kf8 { .print { display:none } } </style>")},
        contents=line("a.xhtml", "One"),
    )  # fmt: skip
    assert body_text(read_here(path)) == "One\nshown"


@pytest.mark.parametrize(
    "ornament",
    [
        "<hr/>",
        "<p>* * *</p>",
        "<p>⁂</p>",
        "<div>• • •</div>",
        "<p>———</p>",
        "<p>#</p>",
        '<hr class="x"/><hr/>',
    ],
)
def test_ornaments_are_section_breaks(tmp_path: Path, ornament: str) -> None:
    book = one_page(tmp_path, f"<h1>One</h1>{ornament}<p>a</p>{ornament}<p>b</p>{ornament}")
    assert texts(book.chapters[0]) == ["One", "a", "* * *", "b"]


def test_rare_blank_paragraphs_are_breaks_and_common_ones_are_not(tmp_path: Path) -> None:
    blank = "<p>&#160;</p>"
    few = one_page(tmp_path, "<h1>One</h1>" + "<p>a</p>" * 5 + blank + "<p>b</p>" * 5)
    assert texts(few.chapters[0]).count("* * *") == 1
    many = one_page(tmp_path, "<h1>One</h1>" + f"<p>a</p>{blank}" * 6)
    assert "* * *" not in texts(many.chapters[0])


def test_tables_lists_and_verse_keep_their_order(tmp_path: Path) -> None:
    book = one_page(
        tmp_path,
        "<h1>One</h1><table><caption>Prices</caption><tr><th>Tea</th><td>2</td></tr><tr><td>Milk.</td><td><i>3</i></td></tr></table>"
        '<ul><li>first</li><li><p>second</p></li></ul><ol start="3"><li>third<ol><li>inner</li></ol></li><li><p>fourth</p><p>on</p></li></ol>'
        '<div class="stanza"><div>line a</div><div>line b</div></div><p>line c<br/>line d<br/><br/>after</p><pre>x\n  y</pre>',
    )
    assert texts(book.chapters[0])[1:] == [
        "Prices", "Tea, 2", "Milk. 3", "first", "second", "3. third", "1. inner", "4. fourth", "on",
        "line a\nline b", "line c\nline d", "after", "x\ny",
    ]  # fmt: skip


def test_titles_are_spoken_once(tmp_path: Path) -> None:
    pages = {
        "a.xhtml": "<h1>Chapter 1</h1><h1>CHAPTER 1</h1><p>a</p>",
        "b.xhtml": '<p class="title">Chapter 2</p><p>The Sea</p><p>b</p>',
        "c.xhtml": '<p><img src="c3.png"/></p><p>c</p>',
        "d.xhtml": "<h1>Chapter 4<br/>The End</h1><p>d</p>",
    }
    contents = "".join(
        line(f"{name}.xhtml", title)
        for name, title in (
            ("a", "Chapter 1"),
            ("b", "Chapter 2"),
            ("c", "Chapter 3"),
            ("d", "Chapter 4: The End"),
        )
    )
    book = read_here(write_epub(tmp_path, pages, contents=contents))
    assert [texts(chapter) for chapter in book.chapters] == [
        ["Chapter 1", "a"], ["Chapter 2", "The Sea", "b"], ["Chapter 3", "c"], ["Chapter 4\nThe End", "d"],
    ]  # fmt: skip
    assert [chapter.blocks[0].kind for chapter in book.chapters] == [BlockKind.HEADING] * 4


def test_contents_page_inside_the_text_is_left_out(tmp_path: Path) -> None:
    body = "<h2>Contents</h2>" + "".join(f'<p><a href="a.xhtml#c{n}">Chapter {n}</a></p>' for n in (1, 2, 3))
    chapters = "".join(f'<h2 id="c{n}">Chapter {n}</h2><p>text {n}</p>' for n in (1, 2, 3))
    contents = "".join(line(f"a.xhtml#c{n}", f"Chapter {n}") for n in (1, 2, 3))
    book = read_here(write_epub(tmp_path, {"a.xhtml": body + chapters}, contents=contents))
    assert chapter_titles(book) == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert body_text(book).count("Chapter 1") == 1


@pytest.mark.parametrize("contents", ["", line("nowhere.xhtml", "Ghost"), line("a.xhtml", "Start")])
def test_headings_decide_where_the_contents_list_does_not(tmp_path: Path, contents: str) -> None:
    pages = {f"{n}.xhtml": f"<h2>Chapter {n}</h2><p>text</p>" for n in "abc"} | {"d.xhtml": "<p>goes on</p>"}
    book = read_here(write_epub(tmp_path, pages, contents=contents))
    assert chapter_titles(book) == ["Chapter a", "Chapter b", "Chapter c"]
    assert texts(book.chapters[2]) == ["Chapter c", "text", "goes on"]


def test_gutenberg_header_and_licence_are_cut(tmp_path: Path) -> None:
    pages = {
        "a.xhtml": "<p>The Project Gutenberg eBook of A Book</p><p>This ebook is for the use of anyone.</p>"
        "<p>*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***</p><p>Produced by A. Volunteer</p><h2>Chapter 1</h2><p>a</p>",
        "b.xhtml": "<h2>Chapter 2</h2><p>b</p><p>*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***</p><h2>FULL LICENSE</h2><p>Terms.</p>",
    }
    book = read_here(
        write_epub(tmp_path, pages, contents=line("a.xhtml", "Chapter 1") + line("b.xhtml", "Chapter 2"))
    )
    assert body_text(book) == "Chapter 1\na\nChapter 2\nb"
    assert any("Gutenberg" in left.what for left in book.left_out)


@pytest.mark.parametrize(
    ("creators", "authors"),
    [
        ("<dc:creator>Doyle, Arthur Conan</dc:creator>", ("Arthur Conan Doyle",)),
        ('<dc:creator opf:role="trl">T. Lator</dc:creator><dc:creator opf:role="aut">A. Uthor</dc:creator>', ("A. Uthor",)),
        ("<dc:creator>A &amp; B</dc:creator><dc:creator>C</dc:creator>", ("A", "B", "C")),
        (
            (
                '<dc:creator id="x">Second</dc:creator><meta refines="#x" property="display-seq">2</meta>'
                '<dc:creator id="y">First</dc:creator><meta refines="#y" property="display-seq">1</meta>'
                '<dc:creator id="z">Ill</dc:creator><meta refines="#z" property="role" scheme="marc:relators">ill</meta>'
            ),
            ("First", "Second"),
        ),
        ("<dc:creator>Books, Inc.</dc:creator>", ("Books, Inc.",)),
        ("", ()),
    ],
)  # fmt: skip
def test_authors_are_named_as_spoken(tmp_path: Path, creators: str, authors: tuple[str, ...]) -> None:
    book = one_page(
        tmp_path, "<p>a</p>", metadata=f"<dc:title>B</dc:title>{creators}<dc:language>en</dc:language>"
    )
    assert book.authors == authors


@pytest.mark.parametrize(
    ("extra", "metadata", "media_type"),
    [
        ('<item id="c" href="c.jpg" media-type="image/jpeg" properties="cover-image"/>', "", "image/jpeg"),
        (
            '<item id="c" href="c.png" media-type="image/png"/>',
            '<meta name="cover" content="c"/>',
            "image/png",
        ),
        ('<item id="my-cover" href="c.jpg" media-type="image/jpeg"/>', "", "image/jpeg"),
        ('<item id="c" href="c.svg" media-type="image/svg+xml" properties="cover-image"/>', "", "image/jpeg"),
    ],
)
def test_cover_is_found(tmp_path: Path, extra: str, metadata: str, media_type: str) -> None:
    members = epub_members({"a.xhtml": "<p>a</p>"}, extra=extra, metadata=f"<dc:title>B</dc:title>{metadata}")
    uri = "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{uri}"/></svg>'
    members |= {"OEBPS/c.jpg": JPEG, "OEBPS/c.png": PNG, "OEBPS/c.svg": svg}
    (tmp_path / "b.epub").write_bytes(zip_bytes(members))
    cover = read_here(tmp_path / "b.epub").cover
    assert cover is not None
    assert (cover.media_type, cover.content) == (media_type, PNG if media_type == "image/png" else JPEG)


def test_sloppy_books_are_read_all_the_same(tmp_path: Path) -> None:
    members = epub_members(
        {
            "a%20b.xhtml": "<p>x</p>",
            "c.xhtml": (
                "<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.1//EN' 'http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd'>"
                "<html><body><h1>Two</h1><p>Unclosed &nbsp;&mdash; text<br>and <b>bold</p><p>&hellip;end &unknown; & more</p></body></html>"
            ),
        },
        contents=line("a%20b.xhtml", "One") + line("C.XHTML", "Two"),
    )
    members["OEBPS/a b.xhtml"] = page("<h1>One</h1><p>first</p>")
    del members["mimetype"]
    (tmp_path / "b.epub").write_bytes(zip_bytes(members))
    book = read_here(tmp_path / "b.epub")
    assert body_text(book) == "One\nfirst\nTwo\nUnclosed — text\nand bold\n…end &unknown; & more"


def test_drm_is_named(tmp_path: Path) -> None:
    members = epub_members({"a.xhtml": "<p>x</p>"})
    encrypted = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
        '<enc:EncryptedData><enc:EncryptionMethod Algorithm="{}"/></enc:EncryptedData></encryption>'
    )
    members["META-INF/encryption.xml"] = encrypted.format("http://www.idpf.org/2008/embedding")
    path = tmp_path / "b.epub"
    path.write_bytes(zip_bytes(members))
    assert read(path).chapters, "scrambled fonts are no protection of the text"
    members["META-INF/encryption.xml"] = encrypted.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    members["META-INF/rights.xml"] = "<rights/>"
    path.write_bytes(zip_bytes(members))
    with pytest.raises(
        UnreadableBookError, match=r"^b\.epub: is protected by DRM \(Adobe ADEPT\), so it cannot be read$"
    ):
        read(path)


def test_pages_not_in_reading_order_of_the_contents_follow_the_spine(tmp_path: Path) -> None:
    pages = {"a.xhtml": "<h1>One</h1><p>a</p>", "b.xhtml": "<h1>Two</h1><p>b</p>"}
    book = read_here(write_epub(tmp_path, pages, contents=line("b.xhtml", "Two") + line("a.xhtml", "One")))
    assert chapter_titles(book) == ["One", "Two"]


def test_sherlock_holmes_has_its_twelve_stories(shared_books: Path) -> None:
    book = read(shared_books / "sherlock-holmes.epub")
    assert book.authors == ("Arthur Conan Doyle",)
    assert book.language == "en-gb"
    assert chapter_titles(book) == [
        "A Scandal in Bohemia", "The Redheaded League", "A Case of Identity", "The Boscombe Valley Mystery",
        "The Five Orange Pips", "The Man with the Twisted Lip", "The Adventure of the Blue Carbuncle",
        "The Adventure of the Speckled Band", "The Adventure of the Engineer’s Thumb",
        "The Adventure of the Noble Bachelor", "The Adventure of the Beryl Coronet",
        "The Adventure of the Copper Beeches",
    ]  # fmt: skip
    assert [chapter.title for chapter in book.chapters if chapter.matter is not Matter.BODY] == [
        "Titlepage", "Imprint", "Colophon", "Uncopyright",
    ]  # fmt: skip
    assert all(chapter.reason for chapter in book.chapters if chapter.matter is not Matter.BODY)
    read_aloud = body_text(book)
    assert 540_000 < len(read_aloud) < 570_000
    assert "Standard Ebooks" not in read_aloud
    assert "Gutenberg" not in read_aloud
    assert book.cover is not None
    assert book.cover.media_type == "image/jpeg"
