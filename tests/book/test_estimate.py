# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

from pathlib import Path

import pytest

from book.estimate import estimate_chapter_seconds, estimate_seconds
from book.read import read, read_text
from book.select import select


@pytest.mark.parametrize(
    ("language", "characters", "seconds"),
    [
        ("en", 9300 * 5.7, 3600),
        ("en-GB".lower(), 9300 * 5.7, 3600),
        ("ja", 300, 60),
        ("zh", 260, 60),
        ("und", 53_000, 3600),
    ],
)
def test_rates_are_those_of_narration(language: str, characters: float, seconds: float) -> None:
    assert estimate_seconds("x" * round(characters), language) == pytest.approx(seconds, rel=0.05)


def test_chapter_counts_its_languages_and_pauses() -> None:
    chapter = read_text(
        "Chapter 1\n\nHe said that it was late, and so they all went home.\n\n东京的天气很热，我们都在家里。\n"
    ).chapters[0]
    spoken = sum(
        estimate_seconds(span.text, span.language) for block in chapter.blocks for span in block.spans
    )
    assert spoken < estimate_chapter_seconds(chapter) < spoken + 5


def test_sherlock_holmes_is_some_eleven_hours_long(shared_books: Path) -> None:
    book = read(shared_books / "sherlock-holmes.epub")
    hours = sum(estimate_chapter_seconds(chapter) for chapter in select(book)) / 3600
    # 104,582 words by the edition's own count, at ACX's 9,300 an hour, are 11.2 hours.
    assert hours == pytest.approx(11.2, rel=0.1)
