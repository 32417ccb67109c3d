import pytest

pytest.importorskip("ToJyutping")

from speech.text.cantonese import normalise, pronounce, split
from speech.text.traced import TracedText


def sounds(text: str) -> str:
    readings = pronounce(normalise(TracedText.read(text)).text)
    return " ".join(symbol for reading in readings for symbol in reading.symbols)


def test_pronounce_reads_jyutping() -> None:
    assert sounds("佢個鋤頭太短啦。") == "Yk Yeoi5 Yg Yo3 Yc Yo4 Yt Yau2 Yt Yaai3 Yd Yyun2 Yl Yaa1 ."


@pytest.mark.parametrize(
    ("syllable", "symbols"),
    [
        ("gwong2", ("Ygw", "Yong2")),
        ("ngo5", ("Yng", "Yo5")),
        ("ng5", ("Yng", "Yg5")),
        ("m4", ("Ym", "Ym4")),
        ("aa3", ("Yaa", "Ya3")),
        ("aap3", ("Yaa", "Yp3")),
        ("oi3", ("Yoi", "Yi3")),
        ("uk1", ("Yuk", "Yk1")),
        ("jyu4", ("Yj", "Yyu4")),
        ("hng6", ("Yh", "UNK")),
    ],
)
def test_split_is_as_the_voices_learnt_it(syllable: str, symbols: tuple[str, str]) -> None:
    assert split(syllable) == symbols


def test_normalise_keeps_the_characters_that_tell_readings_apart() -> None:
    assert sounds("幾多") == "Yg Yei2 Yd Yo1"  # 几 alone is gei1


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("請問", "Yc Ying2 Ym Yan6"),
        ("請客", "Yc Yeng2 Yh Yaak3"),
        ("我請你食飯", "Yng Yo5 Yc Yeng2 Yn Yei5 Ys Yik6 Yf Yaan6"),
    ],
)
def test_pronounce_tells_please_from_invite(text: str, symbols: str) -> None:
    assert sounds(text) == symbols


def test_a_telephone_number_of_hong_kong_is_no_subtraction() -> None:
    assert normalise(TracedText.read("打2123-4567")).text == "打二一二三,四五六七"
    assert normalise(TracedText.read("2010-2020年")).text == "二零一零到二零二零年"


def test_pronounce_leaves_unknown_characters_without_symbols() -> None:
    assert [bool(reading.symbols) for reading in pronounce("你𪛕")] == [True, False]
