"""A chapter's blocks become utterances, and nothing of them is lost."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.text.script import LONGEST, SHORT, count_letters, expect_seconds, read
from speech.text.utterance import Boundary, Span, Utterance


def texts(*utterances: Utterance) -> list[str]:
    return [utterance.text for utterance in utterances]


def read_paragraph(text: str, language: str = "en", **options: int) -> tuple[Utterance, ...]:
    return read([("paragraph", [(text, language)])], **options)


def test_read_cuts_a_chapter_at_sentences_and_says_what_follows() -> None:
    script = read(
        [
            ("heading", [("A Scandal in Bohemia", "en")]),
            ("paragraph", [("To him she is always the woman. I have seldom heard him mention her.", "en")]),
            ("paragraph", [("It was not that he felt any emotion.", "en")]),
            ("break", []),
            ("paragraph", [("One night I was returning.", "en")]),
        ]
    )
    assert [(utterance.text, utterance.boundary) for utterance in script] == [
        ("A Scandal in Bohemia", Boundary.HEADING),
        ("To him she is always the woman.", Boundary.SENTENCE),
        ("I have seldom heard him mention her.", Boundary.PARAGRAPH),
        ("It was not that he felt any emotion.", Boundary.BREAK),
        ("One night I was returning.", Boundary.PARAGRAPH),
    ]


def test_a_sentence_too_long_for_one_pass_is_cut_where_a_clause_ends() -> None:
    first = "The rain had fallen on the roofs of the town for nine days, and on the tenth it stopped;"
    second = "then the people came out of their houses, and looked at the sky, and did not trust it at all."
    script = read_paragraph(f"{first} {second}", longest=100)
    assert texts(*script) == [first, second]
    assert [utterance.boundary for utterance in script] == [Boundary.CLAUSE, Boundary.PARAGRAPH]


def test_a_sentence_without_commas_is_cut_before_a_word_that_joins() -> None:
    first = (
        "It was difficult to see as we looked at the long line of fine old shops and stately business houses"
    )
    second = "that the people of the quarter had left them empty all through the winter of that year"
    assert texts(*read_paragraph(f"{first} {second}.", longest=100)) == [first, f"{second}."]


def test_chinese_counts_more_and_is_cut_at_its_own_commas() -> None:
    clause = "忽念及当日所有之女子一一细考较去，"
    script = read_paragraph(clause * 5 + "觉其行止见识皆出于我之上。", "zh")
    assert len(script) > 1
    assert all(utterance.text.endswith(("，", "。")) for utterance in script)
    assert all(expect_seconds(utterance.text) <= 12 for utterance in script)


def test_thai_which_writes_no_blanks_is_cut_but_never_before_a_vowel_sign() -> None:
    script = read_paragraph("ที่นี่มีน้ำดื่มและอาหาร" * 40, "th")
    assert len(script) > 3
    marks = range(0x0E31, 0x0E3B)
    assert all(ord(utterance.text[0]) not in marks for utterance in script)


def test_a_word_longer_than_an_utterance_is_cut_all_the_same() -> None:
    script = read_paragraph("See " + "x" * 400 + " there.")
    assert "".join(texts(*script)).replace(" ", "") == "See" + "x" * 400 + "there."
    assert script[0].text == "See"
    assert max(count_letters(utterance.text) for utterance in script) <= LONGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No. He would not go there again.", ["No. He would not go there again."]),
        ("“Really?” she asked. “Yes!”", ["“Really?” she asked. “Yes!”"]),
        ("He would not go there again. No.", ["He would not go there again. No."]),
        (
            "He would not go there again. No! Never again. Then the rain came down upon them.",
            ["He would not go there again.", "No! Never again.", "Then the rain came down upon them."],
        ),
        ("你今天为什么没有来上学呢？”她问。我不知道，我生病了。", None),
        ("Run.", ["Run."]),
    ],
)
def test_a_short_sentence_is_spoken_with_the_shorter_of_its_neighbours(
    text: str, expected: list[str] | None
) -> None:
    found = texts(*read_paragraph(text))
    assert found == (expected or ["你今天为什么没有来上学呢？”她问。", "我不知道，我生病了。"])


def test_a_short_sentence_never_makes_its_neighbour_too_long() -> None:
    full = "a" * (LONGEST - 1) + "."
    assert texts(*read_paragraph(f"{full} No. {full.upper()}")) == [full, "No.", full.upper()]


def test_a_short_sentence_joins_one_that_is_cut_anyway() -> None:
    rest = "I met him that night, and he called the next day to ask if we had all come home safe and sound"
    script = read_paragraph(f"Yes, sir. {rest}, {rest}.", longest=100)
    assert script[0].text.startswith("Yes, sir. I met him")
    assert len(script) == 2


@pytest.mark.parametrize("name", ["Mr. Turner", "J. R. R. Tolkien", "No. 5"])
def test_a_long_sentence_is_never_cut_within_a_name(name: str) -> None:
    for n_words in range(20, 60):
        script = read_paragraph("the wealthy old " * n_words + name + " of the hill" * (80 - n_words) + ".")
        assert any(name in utterance.text for utterance in script)


def test_a_text_without_capitals_is_cut_at_its_full_stops() -> None:
    sentence = "and so it went on in that manner."
    assert all(utterance.text.endswith("manner.") for utterance in read_paragraph(f"{sentence} " * 40))


def test_paragraphs_are_never_joined() -> None:
    script = read([("paragraph", [("No.", "en")]), ("paragraph", [("Yes.", "en")])])
    assert texts(*script) == ["No.", "Yes."]


def test_languages_stay_with_their_words() -> None:
    script = read(
        [
            (
                "paragraph",
                [("He said ", "en"), ("Guten ", "de"), ("Tag. ", "de"), ("Then he left the house.", "en")],
            )
        ]
    )
    assert [utterance.spans for utterance in script] == [
        (Span("He said ", "en"), Span("Guten Tag.", "de")),
        (Span("Then he left the house.", "en"),),
    ]


@pytest.mark.parametrize("ornament", ["* * *", "—", "❦", "…", "“”", "⁂"])
def test_a_paragraph_with_nothing_to_say_is_a_break(ornament: str) -> None:
    script = read(
        [("paragraph", [("One.", "en")]), ("paragraph", [(ornament, "en")]), ("paragraph", [("Two.", "en")])]
    )
    assert [(utterance.text, utterance.boundary) for utterance in script] == [
        ("One.", Boundary.BREAK),
        ("Two.", Boundary.PARAGRAPH),
    ]


def test_marks_alone_stay_with_the_sentence_beside_them() -> None:
    assert texts(*read_paragraph("— … He went home at last. * * *")) == ["— … He went home at last. * * *"]


def test_white_space_alone_is_nothing_and_no_break() -> None:
    script = read([("paragraph", [("One.", "en")]), ("paragraph", [(" \n", "en")]), ("paragraph", [])])
    assert [utterance.boundary for utterance in script] == [Boundary.PARAGRAPH]


def test_a_heading_stays_a_heading_and_the_paragraph_before_it_ends_in_a_break() -> None:
    script = read(
        [
            ("break", []),
            ("heading", [("I", "en")]),
            ("break", []),
            ("paragraph", [("One.", "en")]),
            ("heading", [("II\nThe Return", "en")]),
            ("heading", [("Third", "en")]),
        ]
    )
    assert [(utterance.text, utterance.boundary) for utterance in script] == [
        ("I", Boundary.HEADING),
        ("One.", Boundary.BREAK),
        ("II\nThe Return", Boundary.HEADING),
        ("Third", Boundary.HEADING),
    ]


def test_read_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(ValueError, match="longest: 5 letters"):
        read([], longest=5)
    with pytest.raises(ValueError, match="kind: 'verse' is no kind of block; known are heading"):
        read([("verse", [("One.", "en")])])


def test_letters_are_counted_by_how_long_they_take_to_say() -> None:
    assert count_letters("No. 5, then!") == 9
    assert count_letters("東京タワー") == 2 * 3 + 3 * 2
    assert count_letters("안녕") == 4
    assert count_letters("_… —‘’\u0301") == 0
    assert expect_seconds("a" * 25) == 2.0


scripts_of_the_world = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=60),
    st.text(
        st.sampled_from(list(" \n\u3000.!?…。！？,，;；:—–-「」『』“”‘’\"'«»()0aA好あ가กिé\u0301\u200d😀")),
        max_size=60,
    ),
    st.lists(
        st.sampled_from(
            [
                "Mr. ",
                "z. B. ",
                "3. ",
                "No. ",
                "“Yes!” ",
                "she said. ",
                "好的。",
                "「え？」",
                "а",
                "U.S. ",
                "...",
                "\n\n",
            ]
        ),
        max_size=30,
    ).map("".join),
    st.integers(0, 400).map(lambda n: "word " * n),
    st.integers(0, 400).map(lambda n: "字" * n),
)
spans_of_a_block = st.lists(
    st.tuples(scripts_of_the_world, st.sampled_from(["en", "de", "zh", "ja", "el"])), max_size=4
)
blocks_of_a_chapter = st.lists(
    st.tuples(st.sampled_from(["heading", "paragraph", "paragraph", "break"]), spans_of_a_block), max_size=5
)


@given(blocks_of_a_chapter, st.sampled_from([20, 40, LONGEST]))
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost_and_nothing_is_too_long(
    blocks: list[tuple[str, list[tuple[str, str]]]], longest: int
) -> None:
    script = iter(read(blocks, longest=longest))
    for _, spans in blocks:
        rest = "".join(text for text, _ in spans)
        languages = [language for text, language in spans for _ in text]
        while count_letters(rest):
            utterance = next(script)
            skipped = len(rest) - len(rest.lstrip())
            assert rest[skipped:].startswith(utterance.text), (
                "verbatim, with white space between and nothing else"
            )
            assert utterance.text == utterance.text.strip()
            assert 0 < count_letters(utterance.text) <= longest
            spoken = [span.language for span in utterance.spans for _ in span.text]
            assert spoken == languages[skipped : skipped + len(spoken)]
            assert all(
                a.language != b.language for a, b in zip(utterance.spans, utterance.spans[1:], strict=False)
            )
            rest, languages = rest[skipped + len(spoken) :], languages[skipped + len(spoken) :]
            if not count_letters(rest):
                assert not rest.strip(), "marks at a block's end belong to its last utterance"
                assert utterance.boundary not in {Boundary.CLAUSE, Boundary.SENTENCE}
            else:
                assert utterance.boundary in {Boundary.CLAUSE, Boundary.SENTENCE}
    assert next(script, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "字",
        "a ",
        "word. ",
        '." ',
        "Mr. ",
        "...",
        "( ",
        "\u0301",
        "— ",
        "a\u0301",
        "No! ",
        "3. ",
        "\n",
        "“A",
    ],
)
def test_read_takes_time_in_proportion_to_the_text(text: str) -> None:
    # 0.02 to 0.6 s; whatever grew with the square of the text would take minutes.
    started = time.process_time()
    read_paragraph("x" + text * (300_000 // len(text)))
    assert time.process_time() - started < 6


def test_a_book_of_600_kilobytes_is_read_in_two_seconds() -> None:
    chance = random.Random(7)
    words = [
        "said",
        "the",
        "old",
        "lighthouse",
        "keeper",
        "and",
        "rain",
        "Mr. Brown",
        "quietly",
        "of",
        "window",
    ]
    sentences = [
        " ".join(chance.choices(words, k=chance.randint(2, 40))).capitalize()
        + chance.choice([".", "!", "?”", ", then."])
        for _ in range(5000)
    ]
    blocks = [("paragraph", [(" ".join(sentences[at : at + 5]), "en")]) for at in range(0, len(sentences), 5)]
    assert sum(len(spans[0][0]) for _, spans in blocks) > 500_000
    started = time.process_time()
    script = read(blocks)
    assert time.process_time() - started < 2
    assert len(script) > 4000


def test_short_is_shorter_than_anything_cut() -> None:
    assert SHORT < 0.3 * LONGEST
