"""What is heard: words counted by what became of them, and flite understood by PocketSphinx."""

from __future__ import annotations

import pytest

from starter import flite
from starter.narrators import Narrator
from starter.recogniser import Count, Hearing, Recogniser, words_of

SAID = ["the", "old", "man", "and", "the", "sea"]


def test_the_words_of_a_text_are_those_spoken() -> None:
    assert words_of("Mr. O'Neil paid $2.50 - 'twice'!") == (
        ["mister", "o'neil", "paid", "two", "dollars", "and", "fifty", "cents", "twice"]
    )
    assert words_of("It was well-known in 1984.") == [
        "it",
        "was",
        "well",
        "known",
        "in",
        "nineteen",
        "eighty",
        "four",
    ]


@pytest.mark.parametrize(
    ("heard", "lost", "doubled", "invented", "mistaken"),
    [
        ("the old man and the sea", 0, 0, 0, ()),
        ("the man and the sea", 1, 0, 0, ()),
        ("the old man the old man and the sea", 0, 3, 0, ()),
        ("the old old man and the sea", 0, 1, 0, ()),
        ("the old man and then the sea", 0, 0, 1, ()),
        ("the cold man and the sea", 0, 0, 0, (("old", "cold"),)),
        ("", 6, 0, 0, ()),
    ],
)
def test_each_word_is_lost_doubled_invented_or_mistaken(
    heard: str, lost: int, doubled: int, invented: int, mistaken: tuple[tuple[str, str], ...]
) -> None:
    hearing = Hearing.of(SAID, heard.split())
    assert (hearing.lost, hearing.doubled, hearing.invented, hearing.mistaken) == (
        lost,
        doubled,
        invented,
        mistaken,
    )
    assert hearing.n_wrong == lost + doubled + invented + len(mistaken)


def test_sentences_add_up() -> None:
    count = Count.of(
        [
            Hearing.of(SAID, SAID),
            Hearing.of(SAID, ["the", "old", "map", "and", "the", "sea"]),
            Hearing.of(SAID, ["the", "old", "map", "and", "the", "sea", "sea"]),
            Hearing.of(["hush"], []),
        ]
    )
    assert (count.n_sentences, count.n_words) == (4, 19)
    assert (count.lost, count.doubled, count.invented, count.mistaken) == (1, 1, 0, 2)
    assert (count.sentences_lost, count.sentences_right) == (1, 1)
    assert count.word_error_rate == 4 / 19
    assert count.confusions == (("man", "map", 2),)
    assert count.report()["word_error_rate"] == 0.2105


def test_flite_is_understood_at_any_rate_and_in_any_order() -> None:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    text = "She went back to the house in the evening."
    spoken = flite.speak(Narrator("rms"), text)
    recogniser = Recogniser()
    sound = spoken.sound.float() / 32768
    first = recogniser.compare(text, sound)
    assert first.n_wrong <= 1
    recogniser.hear(sound.flip(0))
    assert recogniser.compare(text, sound) == first  # no sentence leaves a trace
    assert recogniser.compare(text, sound.repeat_interleave(2), 32_000).n_wrong <= 2
