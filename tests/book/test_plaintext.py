# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

from pathlib import Path

import pytest

from book.read import read, read_text
from book.structure import BlockKind, Book, Chapter, Matter


def titles(book: Book) -> list[str]:
    return [chapter.title for chapter in book.chapters]


def texts(chapter: Chapter) -> list[str]:
    return ["* * *" if block.kind is BlockKind.BREAK else block.text for block in chapter.blocks]


WRAPPED = """\
Alice was beginning to get very tired of sitting by her sister on the
bank, and of having nothing to do: once or twice she had peeped into the
book her sister was reading, but it had no pictures or conversations in
it, and what is the use of a book without them--or without well-
known people?
"""


def test_text_becomes_title_chapters_and_paragraphs() -> None:
    book = read_text(f"ALICE\n\nCHAPTER I.\n\n{WRAPPED}\nShe went on.\n\nCHAPTER II.\n\nThe end.\n")
    assert book.title == "ALICE"
    assert book.language == "en"
    assert titles(book) == ["CHAPTER I.", "CHAPTER II."]
    first = texts(book.chapters[0])
    assert first[1].startswith(
        "Alice was beginning to get very tired of sitting by her sister on the bank, and"
    )
    assert first[1].endswith("without them--or without well-known people?")
    assert first[2] == "She went on."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Chapter 1", "Chapter 2"),
        ("CHAPTER ONE", "CHAPTER TWO"),
        ("Chapter I: The Start", "Chapter II: The Sequel"),
        ("CHAPTER 12. The Title", "CHAPTER 13. The Other"),
        ("I. A SCANDAL IN BOHEMIA", "II. THE RED-HEADED LEAGUE"),
        ("1", "2"),
        ("IV", "V"),
        ("THE BEGINNING", "THE END OF IT"),
        ("Erstes Kapitel", "Zweites Kapitel"),
        ("Kapitel 1", "Kapitel 2"),
        ("Chapitre premier", "Chapitre II"),
        ("Capítulo primero", "Capítulo segundo"),
        ("Глава 1", "Глава 2"),
        ("第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀", "第二回 贾夫人仙逝扬州城 冷子兴演说荣国府"),
        ("第三章", "第四章"),
        ("第3章 山", "第4章 海"),
        ("第十二章：归来", "第十三章：离去"),
        ("一", "二"),
        ("第一話", "第二話"),
        ("제1장", "제2장"),
        ("제 1 장 시작", "제 2 장 끝"),
        ("1화", "2화"),
        ("Prologue", "Chapter 1"),
        ("楔子", "第一章"),
        ("序章", "第一章"),
        ("프롤로그", "제1장"),
        ("プロローグ", "第一章"),
    ],
)
def test_chapter_headings_are_known(first: str, second: str) -> None:
    start = "I" if first == "I" else first
    text = f"{start}\n\nA first paragraph stands here.\n\nAnd another one.\n\n{second}\n\nA last paragraph.\n"
    if first == "IV":
        # A count that starts in the middle is no count, unless something else says so.
        text = "\n\n".join(f"{number}\n\nText of it." for number in ("I", "II", "III", "IV", "V"))
        assert titles(read_text(text)) == ["I", "II", "III", "IV", "V"]
        return
    assert titles(read_text(text)) == [first, second]


@pytest.mark.parametrize(
    "sentence",
    [
        "Chapter 5 was hard to read, he said.",
        "Part of the problem is the rain.",
        "I",
        "第一次见面的时候，他没有说话。",
        "第三部电影的时候，我们走了。",
        "He lived in 1984.",
        "1984 was the year.",
        "Introduction of new methods takes time.",
        "Book a table, please.",
    ],
)
def test_sentences_that_look_like_headings_stay_text(sentence: str) -> None:
    book = read_text(f"Chapter 1\n\nSome text before it.\n\n{sentence}\n\nSome text after it.\n")
    assert titles(book) == ["Chapter 1"]
    assert sentence in texts(book.chapters[0])


def test_text_without_headings_is_one_chapter() -> None:
    book = read_text("Only a paragraph of plain text, nothing more.\n\nAnd one more of them.", title="Note")
    assert titles(book) == [""] or titles(book) == ["Note"]
    assert [block.text for block in book.chapters[0].blocks][-1] == "And one more of them."
    assert book.title == "Note"


def test_parts_are_spoken_before_their_first_chapter() -> None:
    book = read_text(
        "PART ONE\n\nChapter 1\n\nText a.\n\nChapter 2\n\nText b.\n\nPART TWO\n\nChapter 3\n\nText c.\n"
    )
    assert titles(book) == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert texts(book.chapters[2]) == ["PART TWO", "Chapter 3", "Text c."]


def test_title_on_the_line_below_joins_the_chapter() -> None:
    book = read_text(
        "CHAPTER I\nDown the Rabbit-Hole\n\nText of it.\n\nMore text.\n\nCHAPTER II\n\nThe Pool of Tears\n\nText.\n\nMore."
    )
    assert titles(book) == ["CHAPTER I: Down the Rabbit-Hole", "CHAPTER II: The Pool of Tears"]


def test_contents_list_at_the_head_is_left_out() -> None:
    contents = "A Book\n\nCONTENTS\n\nChapter 1\n\nChapter 2\n\nChapter 3\n\n"
    body = "".join(f"Chapter {n}\n\nThe text of it.\n\n" for n in (1, 2, 3))
    book = read_text(contents + body)
    assert titles(book) == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert "contents lists (1)" in [left.what for left in book.left_out]


def test_gutenberg_header_and_licence_are_cut() -> None:
    book = read_text(
        "The Project Gutenberg eBook of A Book\n\nTitle: A Book\n\nAuthor: Ann Author\n\nLanguage: English\n\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\nProduced by A. Volunteer\n\nChapter 1\n\nText.\n\n"
        "End of the Project Gutenberg EBook of A Book\n\n*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\n"
        "START: FULL LICENSE\n\nChapter 1 of the terms.\n"
    )
    assert (book.title, book.authors) == ("A Book", ("Ann Author",))
    assert [texts(chapter) for chapter in book.chapters] == [["Chapter 1", "Text."]]
    assert any("Gutenberg" in left.what for left in book.left_out)


def test_pictures_notes_and_emphasis_are_settled() -> None:
    book = read_text(
        "Chapter 1\n\nHe was _very_ late[1] to a snake_case_name.\n\n[Illustration: A dog]\n\nHe ran.[2]\n\n"
        "[Footnote 1: By an hour.]\n\n[2] Away.\n\n[3] is not a note."
    )
    assert texts(book.chapters[0]) == [
        "Chapter 1", "He was very late to a snake_case_name.", "He ran.", "[3] is not a note.",
    ]  # fmt: skip
    assert {left.what for left in book.left_out} == {"footnotes (2)", "pictures (1)"}


def test_verse_keeps_its_lines_and_breaks_are_breaks() -> None:
    book = read_text(
        f"Chapter 1\n\n{WRAPPED}\n  Twas brillig, and the\n  Did gyre and gimble,\n  All mimsy were\n\n* * *\n\n{WRAPPED}"
    )
    found = texts(book.chapters[0])
    assert "Twas brillig, and the\nDid gyre and gimble,\nAll mimsy were" in found
    assert "* * *" in found


def test_indented_paragraphs_without_blank_lines_are_told_apart() -> None:
    text = "第一章\n　　山路上有人，慢慢地走。\n　　他没有说话。\n第二章\n　　天黑了。\n　　下雨了。\n"
    book = read_text(text)
    assert [texts(chapter) for chapter in book.chapters] == [
        ["第一章", "山路上有人，慢慢地走。", "他没有说话。"], ["第二章", "天黑了。", "下雨了。"],
    ]  # fmt: skip


def test_wrapped_han_lines_join_without_a_space() -> None:
    line = "山路を登りながら、こう考えた。智に働けば角が立つ。情に棹させば流され"
    book = read_text("\n".join([line] * 3 + ["おわり。"]) + "\n\n次の段落。\n")
    assert " " not in book.chapters[0].blocks[0].text


ENCODED = {
    "utf-8": "Straße und Café: „Grüße“, sagte er, und alle die anderen nickten. Das war nicht schlecht.",
    "utf-8-sig": "Straße und Café: „Grüße“, sagte er, und alle die anderen nickten. Das war nicht schlecht.",
    "utf-16": "He said: “It’s a café.” And then they all went home to the house by the sea.",
    "utf-16-le": "He said that it was late. And then they all went home to the house by the sea.",
    "utf-16-be": "He said that it was late. And then they all went home to the house by the sea.",
    "utf-32": "He said: “It’s a café.” And then they all went home to the house by the sea.",
    "cp1252": "He said: “It’s a café – the best.” And then they all went home to the house by the sea.",
    "gb18030": "此开卷第一回也。作者自云：因曾历过一番梦幻之后，故将真事隐去，而借通灵之说，撰此书也。我们的时候他在这里不说话。",
    "big5": "此開卷第一回也。作者自云：因曾歷過一番夢幻之後，故將真事隱去，我們的時候他在這裡不說話。",
    "shift_jis": "山路を登りながら、こう考えた。智に働けば角が立つ。情に棹させば流される。",
    "euc_jp": "山路を登りながら、こう考えた。智に働けば角が立つ。情に棹させば流される。",
    "iso2022_jp": "山路を登りながら、こう考えた。智に働けば角が立つ。情に棹させば流される。",
    "euc_kr": "안녕하세요. 오늘은 날씨가 좋습니다. 그래서 우리는 바다에 가기로 했다. 그는 아무 말도 하지 않았다.",
    "koi8-r": "Мой дядя самых честных правил, когда не в шутку занемог, он уважать себя заставил и лучше выдумать не мог.",
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODED)
def test_text_in_any_common_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    text = ENCODED[encoding]
    path = tmp_path / "book.txt"
    path.write_bytes("\n\n".join([text] * 3).encode(encoding))
    book = read(path)
    assert [block.text for block in book.chapters[0].blocks] == [text] * 3
    assert book.title == "book"


def test_language_is_guessed_for_each_paragraph_of_a_mixed_text(shared_books: Path) -> None:
    book = read(shared_books / "mixed-languages.txt")
    assert titles(book) == ["Chapter 1: 混合语言"]
    assert [block.spans[0].language for block in book.chapters[0].blocks] == [
        "zh",
        "zh",
        "zh",
        "en",
        "ja",
        "ko",
        "yue",
    ]


def test_real_excerpts_read_sensibly(shared_books: Path) -> None:
    dream = read(shared_books / "hongloumeng-excerpt.txt")
    assert (dream.title, dream.language) == ("红楼梦", "zh")
    assert titles(dream) == ["第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀"]
    assert len(dream.chapters[0].blocks) == 4
    pillow = read(shared_books / "kusamakura-excerpt.txt")
    assert (pillow.title, pillow.language, titles(pillow)) == ("草枕", "ja", ["一"])
    assert {span.language for block in pillow.chapters[0].blocks for span in block.spans} == {"ja"}


def test_given_title_and_language_win() -> None:
    book = read_text("Chapter 1\n\nEin Satz, der für sich steht.\n", title="Mine", language="de-AT")
    assert (book.title, book.language) == ("Mine", "de-at")


def test_matter_of_plain_text_is_known_by_title() -> None:
    book = read_text("Chapter 1\n\nText.\n\nChapter 2\n\nText.\n\nAbout the Author\n\nShe lives.\n")
    assert [chapter.matter for chapter in book.chapters] == [Matter.BODY, Matter.BODY, Matter.BACK]
