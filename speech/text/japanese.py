"""Japanese: phonemes and pitch by Open JTalk.

Pitch is written as in Kurihara, Seiyama and Kumano, "Prosodic features control by symbols as input of
sequence-to-sequence acoustic modeling for neural TTS" (2021): a rise, a fall, a border of accent phrases.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import warnings
from collections.abc import Callable
from itertools import zip_longest
from types import ModuleType
from typing import Final

from speech.text.raised import FRACTION, LOWERED, RAISED, fraction, note, on_the_line
from speech.text.reading import Reading, collapse_marks, silence, unreadable
from speech.text.symbols import UNKNOWN
from speech.text.traced import TracedText

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

UNITS: Final = {
    "km/h": "キロメートル毎時", "m/s": "メートル毎秒", "km²": "平方キロメートル", "m²": "平方メートル", "m³": "立方メートル",
    "cm²": "平方センチメートル", "cm³": "立方センチメートル", "km": "キロメートル", "cm": "センチメートル", "mm": "ミリメートル",
    "m": "メートル", "kg": "キログラム", "mg": "ミリグラム", "g": "グラム", "ml": "ミリリットル", "mL": "ミリリットル", "L": "リットル",
    "l": "リットル", "kHz": "キロヘルツ", "MHz": "メガヘルツ", "GHz": "ギガヘルツ", "Hz": "ヘルツ", "kW": "キロワット", "W": "ワット",
    "V": "ボルト", "dB": "デシベル", "KB": "キロバイト", "MB": "メガバイト", "GB": "ギガバイト", "TB": "テラバイト", "°C": "度", "℃": "度",
    "°F": "華氏度", "℉": "華氏度", "°": "度",
}  # fmt: skip
_DIGITS: Final = ("ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー")
_SYMBOLS: Final = {
    "％": "パーセント", "%": "パーセント", "‰": "パーミル", "＆": "アンド", "&": "アンド", "+": "プラス", "＋": "プラス", "=": "イコール",
    "＝": "イコール", "×": "かける", "÷": "わる", "±": "プラスマイナス", "@": "アット", "＠": "アット", "#": "シャープ", "＃": "シャープ",
    "¥": "円", "￥": "円", "$": "ドル", "＄": "ドル", "€": "ユーロ", "£": "ポンド", "℃": "度", "°": "度", "№": "ナンバー", "√": "ルート",
    "∞": "無限大", "≒": "ニアリーイコール", "≠": "ノットイコール", "→": "から", "〒": "郵便番号", "㎏": "キログラム", "㎞": "キロメートル",
    "㎝": "センチメートル", "㎜": "ミリメートル", "㎡": "平方メートル", "㈱": "株式会社", "α": "アルファ", "β": "ベータ", "γ": "ガンマ",
    "δ": "デルタ", "θ": "シータ", "λ": "ラムダ", "μ": "ミュー", "π": "パイ", "σ": "シグマ", "φ": "ファイ", "ω": "オメガ", "Ω": "オーム",
    "/": "、", "／": "、",
}  # fmt: skip
_MONEY: Final = {"¥": "円", "￥": "円", "$": "ドル", "€": "ユーロ", "£": "ポンド"}
_MARKS: Final = {
    "、": ",", "，": ",", "；": ",", ";": ",", "：": ",", ":": ",", "・": ",", "·": ",", "､": ",", "。": ".", "．": ".", "｡": ".",
    "！": "!", "？": "?", "‼": "!", "⁇": "?", "⁈": "?", "⁉": "!",
}  # fmt: skip


_WORDS: Final = r"0-9\u3005-\u3007\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"


def _digits(figures: str) -> str:
    return "".join(_DIGITS[int(figure)] for figure in figures)


def _fraction(match: re.Match[str]) -> str:
    """What follows a decimal point; the last 2 or 5 is not drawn out: 2.5 is ニテンゴ."""
    before, last = match[1][:-1], match[1][-1]
    return "点" + _digits(before) + {"2": "ニ", "5": "ゴ"}.get(last, _digits(last))


def _phone(match: re.Match[str]) -> str:
    return "の".join(_digits(group) for group in re.findall(r"\d+", match.group()))


@functools.cache
def _rules() -> tuple[Rule, ...]:
    units = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
    rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"[０-９]", lambda m: chr(ord(m.group()) - 0xFEE0)),
        (FRACTION.pattern, lambda m: fraction(m, "と")),
        (rf"[{LOWERED}]+", lambda m: on_the_line(m.group())),
        (rf"(?<=[{_WORDS}])(?<![0-9])(?<!メートル)[{RAISED}]+|(?<=[、。！？；：”’」』）])[{RAISED}]+", lambda m: note(m, f"注{on_the_line(m.group())}")),
        (r"(?<=\d)[,，](?=\d{3}(?!\d))", ""),
        (r"(?<!\d)0\d{1,4}[-(]\d{1,4}[-)]\d{3,4}(?!\d)|(?<!\d)0120-\d{3}-\d{3}(?!\d)", _phone),
        (r"(?<!\d)(\d{4})[-/.](0?[1-9]|1[012])[-/.](0?[1-9]|[12]\d|3[01])(?!\d)", lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日"),
        (r"(?<!\d)([01]?\d|2[0-4])[:：]00(?!\d)", r"\1時"),
        (r"(?<!\d)([01]?\d|2[0-4])[:：]([0-5]\d)(?!\d)", lambda m: f"{m[1]}時{int(m[2])}分"),
        (r"([¥￥$€£])\s?(\d+(?:\.\d+)?)([万億兆]?)(?:円|ドル|ユーロ|ポンド)?", lambda m: m[2] + m[3] + _MONEY[m[1]]),
        (r"(?<![\d/])(\d+)/(\d+)(?![\d/])", lambda m: f"{m[2]}分の{m[1]}"),
        (rf"(?<=\d)\s?({units})(?![A-Za-z])", lambda m: UNITS[m[1]]),
        (rf"(?P<minus>⁻)?(?P<exponent>[{RAISED}]+)(?![⁺⁻])", lambda m: f"の{'マイナス' if m['minus'] else ''}{on_the_line(m['exponent'])}乗"),
        (r"(?<=\d)([%％])", "パーセント"),
        (r"(?<=\d)\s?[~～〜](?=\s?\d)|(?<=[\d年月日時分円度個人])[~～〜](?=\d)", "から"),
        (r"(?<![\d\w)）])[-−](?=\d)", "マイナス"),
        (r"(?<=\d)\s?[-−]\s?(?=\d)", "の"),
        (r"(?<=\d)\.(\d+)", _fraction),
        (r"[\u2460-\u2473]", lambda m: str(ord(m.group()) - 0x245F)),
        (r"…+|‥+|\.{2,}|・{2,}", "…"),
        (r"[—―─]+|--+", "-"),
        (rf"(?<![{_WORDS}])ー+", "-"),  # a dash with the wrong sign: there is no vowel to draw out
        (r"[~～〜](?=[\s。！？!?、]|$)", "ー"),  # a drawn-out vowel
        (r"[~～〜]", ","),
        (f"[{''.join(map(re.escape, _SYMBOLS))}]", lambda m: _SYMBOLS[m.group()]),
        (f"[{''.join(map(re.escape, _MARKS))}]", lambda m: _MARKS[m.group()]),
    ]  # fmt: skip
    return tuple((re.compile(pattern), by) for pattern, by in rules)


_READABLE: Final = re.compile(rf"[{_WORDS},.?!\-…\ue000-\uf8ff]")
_STRETCH: Final = re.compile(rf"[{_WORDS}]+|.")


def normalise(text: TracedText) -> TracedText:
    """The text in kana, Han, figures that Open JTalk reads by itself, and the marks `, . ? ! - …`.

    Raises:
        UnreadableTextError: a character has no way to be said in Japanese.
    """
    for pattern, by in _rules():
        text = text.sub(pattern, by)
    return collapse_marks(silence(text, _READABLE, language="ja"))


@functools.cache
def _jtalk() -> ModuleType:
    # The library announces on import that it lacks ONNX Runtime, which only one of its corrections needs.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import pyopenjtalk
    return pyopenjtalk


_LABEL: Final = re.compile(
    r"-(?P<phoneme>[^+]*)\+.*?/A:(?P<a1>[\d\-]+|xx)\+(?P<a2>\d+|xx)\+(?P<a3>\d+|xx)/.*?/F:(?P<f1>\d+|xx)_"
)
"""Of a full-context label (HTS, Japanese): the phoneme; its mora's distance from the accent, and its place from
the beginning and from the end of the accent phrase; the morae of the phrase."""
_MORA_ENDS: Final = frozenset({"a", "e", "i", "o", "u", "A", "E", "I", "O", "U", "N", "cl"})


def _analyse(text: str) -> list[str]:
    """The full-context labels of a stretch without marks.

    Raises:
        LookupError: with the characters as its argument, which Open JTalk cannot read.
    """
    jtalk = _jtalk()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its dictionary's, of its own calls
        words = jtalk.run_frontend(text)
    for word in words:
        if not word["mora_size"]:
            raise LookupError(word["string"])
    return list(jtalk.make_label(words))


def _number(value: str) -> int:
    return -50 if value == "xx" else int(value)  # a value no comparison meets


def _phonemes(labels: list[str], *, pitch: bool) -> list[str]:
    """The phonemes of a stretch; with pitch, the voiceless vowels are written as others, as upstream does."""
    parsed = [match for match in map(_LABEL.search, labels) if match]
    phonemes: list[str] = []
    for current, following in zip_longest(parsed, parsed[1:]):
        phoneme = current["phoneme"]
        if phoneme == "sil":
            continue
        if phoneme == "pau":
            phonemes.append("_" if pitch else ",")
            continue
        phonemes.append(phoneme.lower() if pitch and phoneme in {"A", "E", "I", "O", "U"} else phoneme)
        if not pitch:
            continue
        a1, a2, a3, f1 = (_number(current[name]) for name in ("a1", "a2", "a3", "f1"))
        a2_next = _number(following["a2"]) if following else -50
        if a3 == 1 and a2_next == 1 and phoneme in _MORA_ENDS:
            phonemes.append(UNKNOWN)  # "#" in the paper; upstream has no symbol for it and trained so
        elif a1 == 0 and a2_next == a2 + 1 and a2 != f1:
            phonemes.append("]")
        elif a2 == 1 and a2_next == 2:
            phonemes.append("[")
    return phonemes


def pronounce(text: TracedText, *, pitch: bool) -> list[Reading]:
    """The readings of a normalised text, one for each mark and each stretch between marks.

    Args:
        text: what `normalise` gave.
        pitch: with the marks of pitch, which voices of version 2 know.

    Raises:
        UnreadableTextError: Open JTalk cannot read a word.
    """
    readings: list[Reading] = []
    for match in _STRETCH.finditer(text.text):
        stretch = match.group()
        if not re.match(rf"[{_WORDS}]", stretch):
            readings.append(Reading((stretch,), match.start(), match.end()))
            continue
        try:
            symbols = _phonemes(_analyse(stretch), pitch=pitch)
        except LookupError as error:
            at = match.start() + max(0, stretch.find(error.args[0]))
            raise unreadable(error.args[0], text.span(at, at + len(error.args[0])), "ja") from None
        if not symbols:
            raise unreadable(stretch, text.span(match.start(), match.end()), "ja")
        readings.append(Reading(tuple(symbols), match.start(), match.end()))
    return readings
