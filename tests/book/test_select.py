from __future__ import annotations

import pytest

from book.errors import BookError
from book.select import narrated, select
from book.structure import Book, Chapter, Matter

BOOK = Book(
    "T",
    (),
    "en",
    (
        Chapter("Cover", (), Matter.FRONT, "title: Cover"),
        *(Chapter(f"c{number}", ()) for number in range(1, 7)),
        Chapter("Index", (), Matter.BACK, "title: Index"),
    ),
)


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (None, [1, 2, 3, 4, 5, 6]),
        ("1-3,5", [1, 2, 3, 5]),
        ("5, 1 - 3", [1, 2, 3, 5]),
        ("4-", [4, 5, 6]),
        ("2", [2]),
        ("3,3,2-4", [2, 3, 4]),
        ("1–2", [1, 2]),
        ("1 3", [1, 3]),
    ],
)
def test_selection_names_chapters_of_the_body(selection: str | None, numbers: list[int]) -> None:
    assert [chapter.title for chapter in select(BOOK, chapters=selection)] == [
        f"c{number}" for number in numbers
    ]


def test_numbers_count_over_the_matter_that_is_wanted() -> None:
    wanted = frozenset({Matter.FRONT, Matter.BODY})
    assert [chapter.title for chapter in select(BOOK, chapters="1-2", matter=wanted)] == ["Cover", "c1"]
    assert len(narrated(BOOK, matter=wanted)) == 7
    assert select(BOOK, chapters=None, matter=frozenset({Matter.BACK}))[0].title == "Index"


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("7", "there is no chapter 7, the list has 1 to 6"),
        ("1-9", "there is no chapter 9"),
        ("0", "there is no chapter 0"),
        ("3-1", 'the range "3-1" runs backwards'),
        ("one", '"one" is neither'),
        ("", '"" is neither'),
        ("1,,2", "is neither"),
        ("-2", "is neither"),
        ("1e3", "is neither"),
    ],
)
def test_unknown_selection_is_named(selection: str, message: str) -> None:
    with pytest.raises(BookError, match=message) as caught:
        select(BOOK, chapters=selection)
    assert str(caught.value).startswith("chapters: ")
