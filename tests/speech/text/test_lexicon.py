import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pypinyin")

from speech.text.lexicon import Entry, Lexicon, LexiconError, read_lexicon, write_lexicon
from speech.text.phonemes import phonemise
from speech.text.symbols import LANGUAGES, SYMBOLS
from speech.text.utterance import Span


def sounds(text: str, language: str, *entries: Entry) -> str:
    phonemes = phonemise([Span(text, language)], symbols_version="v2", lexicon=Lexicon(entries))
    return " ".join(SYMBOLS["v2"][index] for index in phonemes.ids)


def test_entry_is_said_as_its_phonemes() -> None:
    entry = Entry("Hermione", "en", ("HH", "ER0", "M", "AY1", "AH0", "N", "IY0"))
    assert sounds("Yes, hermione!", "en", entry) == "Y EH1 S , HH ER0 M AY1 AH0 N IY0 !"
    assert sounds("Hermione's cat.", "en", entry) == "HH ER0 M AY1 AH0 N IY0 Z K AE1 T ."
    assert "AY1 AH0" not in sounds("Hermiones, xHermione.", "en", entry)


def test_entry_is_said_as_it_is_respelt() -> None:
    assert sounds("An SQL query.", "en", Entry("SQL", "en", respelling="sequel")) == sounds(
        "An sequel query.", "en"
    )
    assert sounds("東京です。", "ja", Entry("東京", "ja", respelling="おおさか")) == sounds(
        "おおさかです。", "ja"
    )


def test_chinese_entry_gives_two_phonemes_for_each_character() -> None:
    entry = Entry("行行", "zh", ("x", "ing2", "h", "ang2"))
    assert "x ing2 h ang2" in sounds("他说行行好。", "zh", entry)


def test_korean_and_japanese_words_take_phonemes() -> None:
    assert sounds("김 씨입니다.", "ko", Entry("김", "ko", ("ㅋ", "ㅣ", "ㅁ"))).startswith("ㅋ ㅣ ㅁ 空")
    assert "m a m i" in sounds("これは桜子です。", "ja", Entry("桜子", "ja", ("m", "a", "m", "i")))


def test_entry_of_another_language_is_not_used() -> None:
    assert sounds("SQL is fun.", "en", Entry("SQL", "zh", respelling="四")) == sounds("SQL is fun.", "en")


def test_the_later_of_two_entries_counts() -> None:
    voice = Lexicon((Entry("read", "en", respelling="red"),))
    job = Lexicon((Entry("read", "en", respelling="reed"),))
    joined = Lexicon.join(voice, job)
    assert joined.entry("en", "Read").respelling == "reed"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"word": "", "language": "en", "respelling": "a"}, "word: "),
        ({"word": "a", "language": "en"}, "either phonemes or a respelling"),
        ({"word": "a", "language": "en", "phonemes": ("AH0",), "respelling": "b"}, "either phonemes or"),
        ({"word": "重庆", "language": "zh", "phonemes": ("ch", "ong2")}, "2 for 2 characters"),
        ({"word": "a\ue000", "language": "en", "respelling": "b"}, "private area"),
    ],
)
def test_entry_names_what_is_wrong(entry: dict[str, object], complaint: str) -> None:
    with pytest.raises(LexiconError, match=complaint):
        Entry(**entry)  # type: ignore[arg-type]  # parametrised


def test_check_names_a_symbol_the_version_lacks() -> None:
    lexicon = Lexicon((Entry("김", "ko", ("ㄱ", "ㅣ", "ㅁ")),))
    lexicon.check("v2")
    with pytest.raises(LexiconError, match="'김': phonemes: 'ㄱ' is no symbol of v1"):
        lexicon.check("v1")


def test_every_letter_that_matches_a_word_finds_its_entry() -> None:
    """`re.IGNORECASE` and our key of a word agree about all of Unicode: no text makes a lookup fail."""
    letters = [chr(code) for code in range(0x20000) if chr(code).isalpha() and not 0xD800 <= code < 0xE000]
    cased = [c for c in letters if c.lower() != c or c.upper() != c or c in "ıſ"]
    for letter in cased:
        others = {letter, letter.lower(), letter.upper(), letter.casefold(), letter.title(), "i", "s", "k"}
        lexicon = Lexicon((Entry(letter, "en", respelling="x"),))
        pattern = lexicon.pattern("en")
        assert pattern is not None
        for other in others:
            if match := pattern.fullmatch(other):
                assert lexicon.stand_in("en", match.group()) == "x"


def test_only_entries_whose_word_occurs_are_within_a_text() -> None:
    cat = Entry("cat", "en", respelling="kat")
    street = Entry("Straße", "de", respelling="Schtrasse")
    tokyo = Entry("東京", "ja", respelling="とうきょう")
    lexicon = Lexicon((Entry("cat", "en", respelling="old"), tokyo, street, cat))
    assert lexicon.within("Concatenate this.") == ()
    assert lexicon.within("The CAT sat.") == (cat,)
    assert lexicon.within("Eine straße.") == (street,)
    assert lexicon.within("新東京の cat") == (cat, tokyo)
    phone = Entry("iPhone手机", "zh", respelling="爱疯手机")
    assert Lexicon((phone,)).within("我的iPhone手机。") == (phone,)


def test_an_entry_serves_its_language_with_every_subtag() -> None:
    wide, narrow = Entry("tomato", "en", respelling="a"), Entry("tomato", "en-gb", respelling="b")
    lexicon = Lexicon((narrow, wide))
    assert lexicon.for_language("en-gb").stand_in("en-gb", "Tomato") == "b"
    assert lexicon.for_language("en-us").stand_in("en-us", "tomato") == "a"
    assert lexicon.for_language("de").pattern("de") is None
    assert lexicon.for_language("eng").pattern("eng") is None


def test_lexicon_reads_back_as_it_was_written() -> None:
    lexicon = Lexicon(
        (
            Entry("Hermione", "en", ("HH", "ER0", "M", "AY1", "AH0", "N", "IY0")),
            Entry("東京", "ja", respelling="とうきょう"),
        )
    )
    assert read_lexicon(write_lexicon(lexicon)) == lexicon
    assert read_lexicon(write_lexicon(Lexicon()).encode()) == Lexicon()
    assert json.loads(write_lexicon(lexicon))[0]["phonemes"] == "HH ER0 M AY1 AH0 N IY0"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "x.json: no JSON: Expecting value"),
        (b"\xff", "x.json: no JSON: "),
        ("[" * 100_000, "x.json: no JSON: "),
        ("{}", "x.json: must be a list of entries"),
        ("[3]", "x.json: entry 1: must be an object with word, language, phonemes or respelling"),
        (
            '[{"word": "a", "language": "en", "respelling": "b"}, {"word": "c"}]',
            "entry 2: language: is missing",
        ),
        ('[{"word": "a", "langauge": "en"}]', "entry 1: langauge: unknown field; known are word, "),
        ('[{"word": "a", "language": "en", "phonemes": ["A"]}]', "entry 1: phonemes: must be a string"),
        ('[{"word": "a", "language": "english please", "respelling": "b"}]', "entry 1: 'a': language: "),
        ('[{"word": "a", "language": "en", "respelling": " "}]', "either phonemes or a respelling"),
        ('[{"word": "a", "language": "en", "respelling": null}]', "entry 1: respelling: must be a string"),
    ],
)
def test_file_that_is_no_lexicon_is_refused_in_one_line(text: str | bytes, complaint: str) -> None:
    with pytest.raises(LexiconError) as refused:
        read_lexicon(text, place="x.json")
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


EXAMPLES = re.findall(
    r"```json\n(.*?)```", (Path(__file__).parents[3] / "docs" / "lexicon.md").read_text("utf-8"), re.DOTALL
)


def test_the_documents_examples_load_and_are_said() -> None:
    (example,) = EXAMPLES
    lexicon = read_lexicon(example, place="docs/lexicon.md")
    lexicon.check("v2")
    assert {entry.language for entry in lexicon.entries} == LANGUAGES["v2"]
    for entry in lexicon.entries:
        said = f" {sounds(entry.word, entry.language, entry)} "
        if entry.phonemes:
            assert f" {' '.join(entry.phonemes)} " in said
        else:
            assert (
                said
                == f" {sounds(entry.respelling, entry.language)} "
                != f" {sounds(entry.word, entry.language)} "
            )


def test_the_documents_symbols_are_in_the_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "lexicon.md").read_text("utf-8")
    table = text.partition("## Phonemes")[2].partition("To see")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    assert len(rows) == len(LANGUAGES["v2"])
    for row in rows:
        example = row.rpartition("| `")[2].strip("`| ")
        assert set(example.split()) <= set(SYMBOLS["v2"]), row
    named = re.findall(r"`(AA|EE|OO|w|y|sh ir4|N|cl|\[|\])`", table)
    assert {symbol for name in named for symbol in name.split()} <= set(SYMBOLS["v2"])
