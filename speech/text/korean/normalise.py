"""Korean text as it is spoken: numbers, dates, units and symbols in hangul, and the marks `, . ? ! - …`."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from speech.text.korean import numbers
from speech.text.raised import FRACTION, LOWERED, RAISED, fraction, note, on_the_line
from speech.text.reading import collapse_marks, silence
from speech.text.traced import TracedText

if TYPE_CHECKING:
    from mecab import MeCab

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

UNITS: Final = {
    "km/h": "킬로미터 퍼 아워", "m/s": "미터 퍼 세컨드", "km²": "제곱킬로미터", "m²": "제곱미터", "㎡": "제곱미터", "m³": "세제곱미터",
    "cm²": "제곱센티미터", "km": "킬로미터", "cm": "센티미터", "mm": "밀리미터", "m": "미터", "kg": "킬로그램", "mg": "밀리그램", "g": "그램",
    "ml": "밀리리터", "mL": "밀리리터", "L": "리터", "l": "리터", "kHz": "킬로헤르츠", "MHz": "메가헤르츠", "GHz": "기가헤르츠", "Hz": "헤르츠",
    "kW": "킬로와트", "W": "와트", "V": "볼트", "dB": "데시벨", "KB": "킬로바이트", "MB": "메가바이트", "GB": "기가바이트", "TB": "테라바이트",
    "°C": "도", "℃": "도", "°F": "화씨", "°": "도",
}  # fmt: skip
_SYMBOLS: Final = {
    "%": " 퍼센트", "％": " 퍼센트", "&": " 앤드 ", "+": " 더하기 ", "=": "는 ", "×": " 곱하기 ", "÷": " 나누기 ", "±": " 플러스마이너스 ",
    "@": " 골뱅이 ", "#": " 샵 ", "₩": "원", "￦": "원", "$": "달러", "€": "유로", "£": "파운드", "¥": "엔", "￥": "엔", "℃": "도", "°": "도",
    "/": " ", "→": "에서 ", "√": "루트 ", "∞": "무한대", "№": "번호 ", "‰": "퍼밀", "α": "알파", "β": "베타", "γ": "감마", "δ": "델타",
    "θ": "세타", "λ": "람다", "μ": "뮤", "π": "파이", "σ": "시그마", "φ": "파이", "ω": "오메가", "Ω": "옴",
}  # fmt: skip
_MONEY: Final = {"₩": "원", "￦": "원", "$": "달러", "€": "유로", "£": "파운드", "¥": "엔"}
_NATIVE: Final = (
    "군데|권|개(?!월|년)|그루|닢|대(?=[ ,.!?를가의로도만]|$)|마리|모금|뭇|발짝|번(?!지|호|째 줄)|벌|보루|살|쌈|움큼|짝|채|척|첩|축|켤레|톨|통|명|분(?=[이을의께])|"
    "사람|시간|시(?!속|리즈)|송이|자루|잔|장|병|그릇|곳|가지|바퀴|걸음|마디|줄|갈래|달(?!러)|쌍|판|접시|숟가락|스푼|번째"
)
"""What is counted in native numbers."""
_MARKS: Final = {
    "、": ",", "，": ",", "；": ",", ";": ",", "：": ",", ":": ",", "·": ",", "ㆍ": ",", "。": ".", "．": ".", "！": "!", "？": "?",
}  # fmt: skip


def _power(match: re.Match[str]) -> str:
    figures = on_the_line(match["exponent"])
    sign = "마이너스 " if match["minus"] else ""
    times = {"2": "", "3": "세"}.get(figures) if not sign else None
    return f"의 {sign}{numbers.sino(figures) if times is None else times}제곱"


def _fraction(match: re.Match[str]) -> str:
    """A mixed number is joined by 와 after a figure whose name ends in a vowel, else by 과."""
    return fraction(match, ("와 " if match["whole"] in "2459" else "과 ") if match["whole"] else "")


def _plain(match: re.Match[str]) -> str:
    figures = match.group()
    return numbers.digits(figures) if len(figures) > 1 and figures[0] == "0" else numbers.sino(figures)


@functools.cache
def _rules() -> tuple[Rule, ...]:
    units = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
    signs = "".join(map(re.escape, _MONEY))
    number = r"\d+(?:\.\d+)?"
    rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"[０-９]", lambda m: chr(ord(m.group()) - 0xFEE0)),
        (FRACTION.pattern, _fraction),
        (rf"[{LOWERED}]+", lambda m: on_the_line(m.group())),
        (rf"(?<=[\uac00-\ud7a3.!?,”’」』])(?<!미터)[{RAISED}]+", lambda m: note(m, f"각주 {numbers.sino(on_the_line(m.group()))}")),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"(?<!\d)(?:0\d{1,2}[- ]\d{3,4}[- ]\d{4}|1[5-9]\d\d-\d{4})(?!\d)", lambda m: ", ".join(map(numbers.phone, re.findall(r"\d+", m.group())))),
        (r"(?<!\d)(\d{4})[-/.]\s?(0?[1-9]|1[012])[-/.]\s?(0?[1-9]|[12]\d|3[01])(?!\d)\.?", lambda m: f"{m[1]}년 {int(m[2])}월 {int(m[3])}일"),
        (r"(?<!\d)6월", "유월"),
        (r"(?<!\d)10월", "시월"),
        (r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)", lambda m: f"{m[1]}시" + (f" {int(m[2])}분" if int(m[2]) else "")),
        (rf"([{signs}])\s?({number})\s?([만억조]?)(?:원|달러|유로|파운드|엔)?", lambda m: f"{numbers.decimal(m[2])}{m[3]} {_MONEY[m[1]]}"),
        (r"(?<![\d/])(\d+)/(\d+)(?![\d/])", lambda m: f"{numbers.sino(m[2])}분의 {numbers.sino(m[1])}"),
        (rf"({number})\s?({units})(?![A-Za-z])", lambda m: f"{numbers.decimal(m[1])} {UNITS[m[2]]}"),
        (rf"(?P<minus>⁻)?(?P<exponent>[{RAISED}]+)(?![⁺⁻])", _power),
        (r"(?<=\d)\s?[~～∼〜–]\s?(?=\d)", "에서 "),
        (r"(?<![\d\w)])[-−](?=\d)", "마이너스 "),
        (r"(?<=\d)\s?[-−]\s?(?=\d)", " 다시 "),
        (r"\d+(?:\.\d+){2,}", lambda m: "점".join(map(numbers.sino, m.group().split(".")))),
        (r"\d+\.\d+|(?<!\d)\.\d+", lambda m: numbers.decimal(m.group())),
        (rf"(?<!제)(?<!\d)([1-9]\d?)(?=(?: ?)(?:{_NATIVE}))", lambda m: "첫" if m[1] == "1" and m.string.startswith("번째", m.end()) else numbers.native(m[1])),
        (r"\d+", _plain),
        (r"[①-⑳]", lambda m: numbers.sino(str(ord(m.group()) - 0x245F))),
        (r"…+|\.{2,}|‥+", "…"),
        (r"\s*(?:[—―─]+|--+)\s*|\s+[-–]\s+", " - "),
        (r"[~～∼〜]", ","),
        (f"[{''.join(map(re.escape, _SYMBOLS))}]", lambda m: _SYMBOLS[m.group()]),
        (f"[{''.join(map(re.escape, _MARKS))}]", lambda m: _MARKS[m.group()]),
    ]  # fmt: skip
    return tuple((re.compile(pattern), by) for pattern, by in rules)


_HANJA: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_CONJOINING: Final = re.compile(r"[\u1100-\u11ff]+")
_LETTERS: Final = dict(
    zip(
        "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎㄲㄸㅃㅆㅉ",
        "기역 니은 디귿 리을 미음 비읍 시옷 이응 지읒 치읓 키읔 티읕 피읖 히읗 쌍기역 쌍디귿 쌍비읍 쌍시옷 쌍지읒".split(),
        strict=True,
    )
)
_LETTER: Final = re.compile(r"[\u3131-\u314e]")
_VOWEL: Final = re.compile(r"[\u314f-\u3163]")
_READABLE: Final = re.compile(r"[\uac00-\ud7a3 ,.?!\-…\ue000-\uf8ff]")
_BLANKS: Final = re.compile(r"\s+")
_AT_MARK: Final = re.compile(r" +(?=[,.?!…])|(?<=[-…]) +(?=[,.?!…-])")
_AT_START: Final = re.compile(r"^ +")
_AT_END: Final = re.compile(r" +$")


def _compose(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match.group())


@functools.cache
def mecab() -> MeCab:
    """The analyser of words, with its dictionary."""
    from mecab import MeCab

    return MeCab()


def _read_hanja(match: re.Match[str]) -> str:
    """The reading of Han characters, where the dictionary has one; else the characters."""
    found = mecab().parse(match.group())
    return "".join(word.feature.reading or word.surface for word in found)


def normalise(text: TracedText, *, goes_on: bool = False) -> TracedText:
    """The text in hangul, blanks and marks.

    Letters that stand alone are called by their names (ㄱ is 기역), vowels by their sound.

    Args:
        text: Korean text, without words of other languages.
        goes_on: another language follows at once; the blank before it is a blank like any other.

    Raises:
        UnreadableTextError: a character has no way to be said in Korean.
    """
    text = text.sub(_BLANKS, " ").sub(_CONJOINING, _compose).sub(_HANJA, _read_hanja)
    for pattern, by in _rules():
        text = text.sub(pattern, by)
    text = text.sub(_LETTER, lambda m: _LETTERS.get(m.group(), m.group()))
    text = text.sub(_VOWEL, lambda m: chr(0xAC00 + (11 * 21 + ord(m.group()) - 0x314F) * 28))
    text = silence(text, _READABLE, language="ko").sub(_BLANKS, " ").sub(_AT_MARK, "").sub(_AT_START, "")
    return collapse_marks(text if goes_on else text.sub(_AT_END, ""))
