# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.headings import HeadingKind, is_bare_number, is_part_title, read_heading, read_number


@pytest.mark.parametrize(
    ("line", "kind", "number"),
    [
        ("Chapter IV", HeadingKind.CHAPTER, 4),
        ("CHAPTER THE LAST", HeadingKind.CHAPTER, None),
        ("Chapter Twenty-One", HeadingKind.CHAPTER, 21),
        ("Chapter 12. The Title", HeadingKind.CHAPTER, 12),
        ("STAVE ONE", HeadingKind.CHAPTER, 1),
        ("Drittes Kapitel", HeadingKind.CHAPTER, 3),
        ("12. Kapitel", HeadingKind.CHAPTER, 12),
        ("第一百二十回", HeadingKind.CHAPTER, 120),
        ("第廿三章 归途", HeadingKind.CHAPTER, 23),
        ("第１２話", HeadingKind.CHAPTER, 12),
        ("제이십일장", HeadingKind.CHAPTER, 21),
        ("Part One", HeadingKind.PART, 1),
        ("BOOK THE SECOND", HeadingKind.PART, 2),
        ("Zweiter Teil", HeadingKind.PART, 2),
        ("第二部", HeadingKind.PART, 2),
        ("卷一", HeadingKind.PART, 1),
        ("제3부", HeadingKind.PART, 3),
        ("EPILOGUE", HeadingKind.NAMED, None),
        ("后记", HeadingKind.NAMED, None),
        ("XIV", HeadingKind.NUMBER, 14),
        ("- 7 -", HeadingKind.NUMBER, 7),
        ("十二", HeadingKind.NUMBER, 12),
        ("III. The Way Back", HeadingKind.NUMBERED, 3),
        ("THE LONG NIGHT", HeadingKind.CAPITALS, None),
    ],
)
def test_heading_line_is_read(line: str, kind: HeadingKind, number: int | None) -> None:
    found = read_heading(line)
    assert found is not None
    assert (found.kind, found.number) == (kind, number)


@pytest.mark.parametrize(
    "line",
    [
        "", "He went home.", "Chapter and verse", "Part of it", "chapter 5 of the book begins here and goes on", "mix", "did",
        "第一次", "第二天，他走了。", "我们的第三章", "Bookmark 3", "3 dogs", "Introduction to everything that is, was, and will be",
        "1. he said so.", "“NO!”", "A", "x" * 200,
    ],
)  # fmt: skip
def test_ordinary_line_is_no_heading(line: str) -> None:
    assert read_heading(line) is None


@given(st.integers(1, 3999))
def test_roman_numbers_are_read(number: int) -> None:
    roman = ""
    rest = number
    for value, sign in ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):  # fmt: skip
        roman += sign * (rest // value)
        rest %= value
    assert read_number(roman) == number


@given(st.text(max_size=120))
def test_any_line_is_judged_without_error(line: str) -> None:
    read_heading(line)


def test_parts_and_bare_numbers_are_told() -> None:
    assert is_part_title("BOOK II: The Return")
    assert not is_part_title("Chapter 2")
    assert all(map(is_bare_number, ("IV", "12.", "三", "Chapter 4", "第三章", "제1장")))
    assert not any(map(is_bare_number, ("Chapter 4: Home", "Home", "第三章 家")))
