# ruff: noqa: E501 - markup and tables of cases read better on one line
"""Properties of the way text takes through the readers: none of it is lost, its order is kept."""

from __future__ import annotations

import io
import unicodedata
from html import escape

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from book.flow import LINE, is_ornament, tidy_line, tidy_spans
from book.limits import Limits
from book.read import read_text
from book.readers import epub, html
from book.structure import Book, Span
from tests.book.making import epub_members, line, zip_bytes

LETTERS = st.text("abcdefgz äßéñ漢字かな한글.,!“” \n\t", min_size=1, max_size=40)
WORD = st.text("abcdefghkz漢字仮名한글äé", min_size=1, max_size=8).map(
    lambda word: unicodedata.normalize("NFC", word)
)
SENTENCE = st.lists(WORD, min_size=2, max_size=12).map(lambda words: " ".join(words) + " q.")
BLANK = st.sampled_from([" ", "\n", "\t", "\u00a0", "\u3000", "\u00ad", "\u200b", "\ufeff", LINE])
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def letters_of(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", "".join(text.split())))


def body_text(book: Book) -> str:
    return "".join(block.text for chapter in book.chapters for block in chapter.blocks)


def test_spans_are_tidied_as_a_page_would_show_them() -> None:
    assert tidy_spans([("  Hello \n", ""), (" world", "fr"), (" \u00a0 ", ""), ("x\u00ady", "")]) == (
        Span("Hello ", ""),
        Span("world ", "fr"),
        Span("xy", ""),
    )
    assert tidy_spans([("漢\n", ""), ("\n字 a", "ja"), (LINE, ""), ("  b ", "")]) == (
        Span("漢", ""),
        Span("字 a\n", "ja"),
        Span("b", ""),
    )
    assert tidy_spans([(" \n", ""), ("\u200b", "en")]) == ()
    assert tidy_line("  e\u0301 \n b ") == "é b"


@given(st.lists(st.tuples(LETTERS | BLANK, st.sampled_from(["", "en", "ja"])), max_size=12))
@settings(deadline=None)
def test_tidying_keeps_every_letter_in_order_and_in_its_language(runs: list[tuple[str, str]]) -> None:
    spans = tidy_spans(runs)
    invisible = {"\u00ad", "\u200b", "\ufeff"}
    expected = [
        (c, language) for text, language in runs for c in text if not c.isspace() and c not in invisible
    ]
    assert [(c, span.language) for span in spans for c in span.text if not c.isspace()] == expected
    text = "".join(span.text for span in spans)
    assert text == text.strip()
    assert not any(double in text for double in ("  ", " \n", "\n ", "\n\n", "\t"))
    assert tidy_spans([tuple(span) for span in spans]) == spans or "\n" in text


@given(st.text("*•·~—- #\n", min_size=1, max_size=30))
def test_ornament_has_no_letter_and_no_text_is_one(text: str) -> None:
    assert not is_ornament(text + "a")
    assert is_ornament(text) == bool(text.strip() and len(text) <= 60)


@given(st.lists(SENTENCE, min_size=1, max_size=12), st.randoms(use_true_random=False))
@QUICK
def test_markup_loses_no_visible_text_and_keeps_its_order(sentences: list[str], random) -> None:  # type: ignore[no-untyped-def]  # Hypothesis's own random type
    wrappings = ["<p>{}</p>", "<div><p>{}</p></div>", "<blockquote>{}</blockquote>", "<ul><li>{}</li></ul>", "<div>{}<br/></div>",
                 "<p><b>{}</b></p>", "<table><tr><td>{}</td></tr></table>", "<section><p><i lang='fr'>{}</i></p></section>", "{}<br/><br/>"]  # fmt: skip
    markup = "".join(random.choice(wrappings).format(escape(sentence)) for sentence in sentences)
    book = html.read_markup(f"<html lang='en'><body>{markup}</body></html>", Limits())
    assert letters_of(body_text(book)) == letters_of("".join(sentences))


@given(st.lists(st.lists(SENTENCE, min_size=1, max_size=3), min_size=1, max_size=6), st.data())
@QUICK
def test_epub_of_any_cut_loses_no_text_and_keeps_its_order(
    chapters: list[list[str]], draw: st.DataObject
) -> None:
    """Chapters spread over pages at random, in a contents list that names some of them."""
    pages: dict[str, str] = {}
    contents = ""
    for number, sentences in enumerate(chapters):
        text = f'<h2 id="c{number}">Chapter {number + 1}</h2>' + "".join(f"<p>{s}</p>" for s in sentences)
        if pages and draw.draw(st.booleans()):
            name = list(pages)[-1]
            pages[name] += text
        else:
            name = f"p{number}.xhtml"
            pages[name] = text
        if draw.draw(st.booleans()):
            contents += line(f"{name}#c{number}", f"Chapter {number + 1}")
    book = epub.read(io.BytesIO(zip_bytes(epub_members(pages, contents=contents))), Limits())
    whole = "".join(f"Chapter {n + 1}" + "".join(sentences) for n, sentences in enumerate(chapters))
    assert letters_of(body_text(book)) == letters_of(whole)


@given(
    st.lists(st.lists(SENTENCE, min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
@QUICK
def test_plain_text_loses_no_text_and_keeps_its_order(chapters: list[list[str]], newline: str) -> None:
    text = "\n\n".join(
        f"Chapter {n + 1}\n\n" + "\n\n".join(sentences) for n, sentences in enumerate(chapters)
    )
    book = read_text(text.replace("\n", newline))
    assert letters_of(body_text(book)) == letters_of(text)
    assert [chapter.title for chapter in book.chapters] == [f"Chapter {n + 1}" for n in range(len(chapters))]


@given(
    st.lists(st.text("ab .\n漢", min_size=1, max_size=200), min_size=1, max_size=5)
    .map("\n".join)
    .filter(str.strip)
)
@QUICK
def test_any_plain_text_keeps_its_letters(text: str) -> None:
    # A first line that names the book is its title and not read twice.
    book = read_text(text, title="b")
    assert letters_of(body_text(book)) == letters_of(text)
