import pytest

pytest.importorskip("mecab")

from speech.errors import UnreadableTextError
from speech.text.korean import numbers
from speech.text.korean.hangul import take_apart
from speech.text.korean.normalise import normalise
from speech.text.korean.words import pronounce
from speech.text.traced import TracedText


def said(text: str) -> str:
    return normalise(TracedText.read(text)).text


def jamo(text: str) -> str:
    return "".join(symbol for reading in pronounce(said(text)) for symbol in reading.symbols)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("안녕하세요", "안녕하세요"),
        ("같이", "가치"),
        ("굳이", "구지"),
        ("맛있어요", "마시써요"),
        ("맛있다", "마싣따"),
        ("맛없는", "마덤는"),
        ("멋없어", "머덥써"),  # 15, each as the Standard Pronunciation has it
        ("굳히다", "구치다"),  # 17
        ("국민", "궁민"),
        ("앞문", "암문"),
        ("있는", "인는"),
        ("밥 먹다", "밤 먹따"),  # 18
        ("대통령", "대통녕"),
        ("협력", "혐녁"),
        ("국립", "궁닙"),  # 19
        ("신라", "실라"),
        ("칼날", "칼랄"),
        ("의견란", "의견난"),  # 20
        ("학교", "학꾜"),
        ("값이", "갑씨"),
        ("넓다", "널따"),
        ("신다", "신따"),  # 23-25
        ("좋다", "조타"),
        ("많다", "만타"),
        ("않는", "안는"),
        ("싫어", "시러"),
        ("입학", "이팍"),  # 12
        ("닭이", "달기"),
        ("옷이", "오시"),
        ("꽃", "꼳"),
        ("꽃 위", "꼳 위"),
        ("부엌", "부억"),  # 8-15
        ("가져", "가저"),
        ("희망", "히망"),  # 5
        ("밟다", "밥따"),
        ("갈 거예요", "갈 꺼예요"),
        ("할수록", "할쑤록"),  # 10, 27
        ("꽃잎", "꼰닙"),
        ("갈등", "갈뜽"),
        ("물고기", "물꼬기"),  # 26-29
    ],
)
def test_pronounce_follows_the_standard_pronunciation(written: str, spoken: str) -> None:
    expected = "".join("".join(take_apart(c) or ("空",)) for c in spoken)
    split = {"ㅘ": "ㅗㅏ", "ㅝ": "ㅜㅓ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ"}
    assert jamo(written) == "".join(split.get(letter, letter) for letter in expected)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2024년 6월 5일 오후 3시 30분", "이천이십사년 유월 오일 오후 세시 삼십분"),
        ("사과 3개, 20명, 21살", "사과 세개, 스무명, 스물한살"),
        ("1,500원, $5", "천오백원, 오 달러"),
        ("10⁻³, 5², ½, 2½, 3½", "십의 마이너스 삼제곱, 오의 제곱, 이분의 일, 이와 이분의 일, 삼과 이분의 일"),
        ("그는 말했다¹.", "그는 말했다, 각주 일."),
        ("₂는", "이는"),
        ("010-1234-5678", "공일공, 일이삼사, 오육칠팔"),
        ("3.5%, 1/2", "삼점오 퍼센트, 이분의 일"),
        ("5kg 10~20", "오 킬로그램 십에서 이십"),
        ("“정말요?”", "정말요?"),
        ("大韓民國", "대한민국"),
        ("ㄱ과 ㅏ", "기역과 아"),
    ],
)
def test_normalise_writes_what_is_said(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("figures", "spoken"),
    [
        ("0", "영"),
        ("10", "십"),
        ("105", "백오"),
        ("10000", "만"),
        ("10500", "만오백"),
        ("110000", "십일만"),
        ("100000000", "일억"),
    ],
)
def test_sino_counts_in_ten_thousands(figures: str, spoken: str) -> None:
    assert numbers.sino(figures) == spoken


def test_normalise_names_what_it_cannot_read() -> None:
    with pytest.raises(UnreadableTextError, match="character 4: 'ж'"):
        said("가나 ж")
