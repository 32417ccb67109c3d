import pytest

pytest.importorskip("pyopenjtalk")

from speech.errors import UnreadableTextError
from speech.text.japanese import normalise, pronounce
from speech.text.traced import TracedText


def sounds(text: str, *, pitch: bool = True) -> str:
    readings = pronounce(normalise(TracedText.read(text)), pitch=pitch)
    return " ".join(symbol for reading in readings for symbol in reading.symbols)


def test_pronounce_writes_pitch() -> None:
    assert sounds("こんにちは。") == "k o [ N n i ch i w a ."
    assert sounds("今日はいい天気ですね。") == "ky o ] o w a UNK i [ i UNK t e ] N k i d e s u n e ."


def test_pronounce_without_pitch_keeps_voiceless_vowels() -> None:
    assert sounds("学生です", pitch=False) == "g a k U s e e d e s U"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3.14", "3点イチヨン"),
        ("2.5、0.25、1.29", "2点ゴ,0点ニーゴ,1点ニーキュー"),
        ("1,234円", "1234円"),
        ("03-1234-5678", "ゼロサンのイチニーサンヨンのゴーロクナナハチ"),
        ("2024/5/1", "2024年5月1日"),
        ("15:05", "15時5分"),
        ("5kg、100%", "5キログラム,100パーセント"),
        ("10⁻³、5²、½、2½", "10のマイナス3乗,5の2乗,2分の1,2と2分の1"),
        ("彼は言った¹。", "彼は言った,注1."),
        ("₂番、5メートル²", "2番,5メートルの2乗"),
        ("￥500", "500円"),
        ("1～3", "1から3"),
        ("「はい！」……", "はい!"),
        ("１２", "12"),
        ("ーーそう、コーヒー", "-そう,コーヒー"),
    ],
)
def test_normalise_writes_what_is_said(written: str, spoken: str) -> None:
    assert normalise(TracedText.read(written)).text == spoken


def test_normalise_names_what_it_cannot_read() -> None:
    with pytest.raises(UnreadableTextError, match="character 2: 'д'"):
        normalise(TracedText.read("あд"))


def test_readings_cover_the_text() -> None:
    text = normalise(TracedText.read("はい、そうです。"))
    readings = pronounce(text, pitch=True)
    assert [reading.start for reading in readings] == [0, 2, 3, 7]
    assert readings[-1].stop == len(text.text)
