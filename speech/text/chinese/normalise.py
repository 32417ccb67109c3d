"""Chinese text as it is spoken, Mandarin and Cantonese: numbers, dates, units and symbols become characters.

Out comes a text of Han characters and the marks `, . ? ! - …`. Telephone numbers are read before arithmetic
(upstream does it the other way round and reads a "-" between figures as "minus").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from speech.text.chinese import numbers
from speech.text.raised import FRACTION, LOWERED, RAISED, fraction, note, on_the_line
from speech.text.reading import collapse_marks, silence
from speech.text.traced import TracedText

if TYPE_CHECKING:
    import opencc

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

UNITS: Final = {
    "km²": "平方公里", "km2": "平方公里", "m²": "平方米", "m2": "平方米", "m³": "立方米", "m3": "立方米",
    "cm²": "平方厘米", "cm2": "平方厘米", "cm³": "立方厘米", "cm3": "立方厘米", "km/h": "公里每小时", "m/s": "米每秒",
    "km": "千米", "cm": "厘米", "mm": "毫米", "m": "米", "kg": "千克", "mg": "毫克", "g": "克", "ml": "毫升",
    "mL": "毫升", "L": "升", "l": "升", "ms": "毫秒", "s": "秒", "min": "分钟", "h": "小时", "dB": "分贝", "db": "分贝",
    "kHz": "千赫", "MHz": "兆赫", "GHz": "吉赫", "Hz": "赫兹", "kW": "千瓦", "W": "瓦", "V": "伏", "°C": "度", "℃": "度",
    "°F": "华氏度", "℉": "华氏度", "°": "度",
}  # fmt: skip
_MONEY: Final = {"￥": "元", "¥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_SYMBOLS: Final = {
    "+": "加", "×": "乘", "÷": "除", "=": "等于", "&": "和", "@": "艾特", "%": "百分号", "‰": "千分号", "#": "井号",
    "/": "每", "√": "根号", "∞": "无穷大", "≈": "约等于", "≤": "小于等于", "≥": "大于等于", "≠": "不等于", "±": "正负",
    "→": "到", "℃": "度", "°": "度", "№": "号", "$": "美元", "￥": "元", "¥": "元", "€": "欧元", "£": "英镑",
    "α": "阿尔法", "β": "贝塔", "γ": "伽玛", "Γ": "伽玛", "δ": "德尔塔", "Δ": "德尔塔", "ε": "艾普西龙", "ζ": "捷塔",
    "η": "依塔", "θ": "西塔", "Θ": "西塔", "ι": "艾欧塔", "κ": "喀帕", "λ": "拉姆达", "Λ": "拉姆达", "μ": "缪", "ν": "拗",
    "ξ": "克西", "Ξ": "克西", "ο": "欧米克伦", "π": "派", "Π": "派", "ρ": "肉", "σ": "西格玛", "ς": "西格玛", "Σ": "西格玛",
    "τ": "套", "υ": "宇普西龙", "φ": "服艾", "Φ": "服艾", "χ": "器", "ψ": "普赛", "Ψ": "普赛", "ω": "欧米伽", "Ω": "欧米伽",
}  # fmt: skip
_CIRCLED: Final = {chr(0x245F + n): numbers.cardinal(str(n)) for n in range(1, 21)}
_MARKS: Final = str.maketrans("，、；：·・｡。！？～~", ",,,,,,..!?……")

_MEASURES: Final = (
    "个只条件本张块片根把头匹间座栋台辆艘架门户位名人口双对副套群岁天周年月日时秒分点次回遍趟场届层楼页章节段句字行题步"
    "米里尺寸斤吨克升元角毛美倍种样类项道盘碗杯瓶盒包袋箱桶封份颗粒朵支枝枚滴股番家所幅首篇部卷册顶度百千万亿"
)
"""Characters that count: before them 2 is 两."""

_TIME: Final = r"(?:[01]?\d|2[0-3])[:：][0-5]\d(?:[:：][0-5]\d)?"
_NUMBER: Final = r"\d+(?:\.\d+)?"
_NUMBERED: Final = r"(?:房间?|房门|门牌|车牌|座位|学|工|编|账|卡|证|考|单)号码?"


def _time(clock: str) -> str:
    hour, minute, *second = re.split("[:：]", clock)
    said = numbers.cardinal(hour) + "点"
    if minute == "30" and not second:
        said += "半"
    elif int(minute):
        said += ("零" if minute[0] == "0" else "") + numbers.cardinal(minute) + "分"
    if second and int(second[0]):
        said += ("零" if second[0][0] == "0" else "") + numbers.cardinal(second[0]) + "秒"
    return said


def _date(match: re.Match[str]) -> str:
    month, day = numbers.cardinal(match["month"]), numbers.cardinal(match["day"])
    return f"{numbers.digits(match['year'])}年{month}月{day}日"


def _signed(figures: str) -> str:
    return "负" + numbers.decimal(figures[1:]) if figures[0] in "-−" else numbers.decimal(figures)


def _power(match: re.Match[str]) -> str:
    sign = "负" if match["minus"] else ""
    return f"的{sign}{numbers.cardinal(on_the_line(match['exponent']))}次方"


def _counted(match: re.Match[str]) -> str:
    said = numbers.cardinal(match["number"])
    more = {"+": "多"}.get(match["more"] or "", match["more"] or "")
    return ("两" if said == "二" else said) + more


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match.group())
    return "，".join(numbers.digits(group, phone=True) for group in groups)


def _number_of(match: re.Match[str]) -> str:
    """The number of a room, a car, an account: it names and does not count."""
    return match["what"] + numbers.digits(match["number"], phone=True)


def _plain(match: re.Match[str]) -> str:
    """Figures with nothing that says what they count: long ones are names of something, not amounts."""
    figures = match.group()
    if figures.endswith("00") or (len(figures) <= 3 and figures[0] != "0") or figures == "0":
        return numbers.cardinal(figures)
    return numbers.digits(figures, phone=True)


@functools.cache
def _rules() -> tuple[Rule, ...]:
    units = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
    signs = "".join(map(re.escape, _MONEY))
    minus = r"(?<![\d\w)）])[-−]"
    rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (FRACTION.pattern, lambda m: fraction(m, "又")),
        (rf"[{LOWERED}]+", lambda m: on_the_line(m.group())),
        (rf"(?:(?<=[\u4e00-\u9fff])(?<![米尺寸])|(?<=[，。！？；：”’」』）]))[{RAISED}]+", lambda m: note(m, f"注{numbers.cardinal(on_the_line(m.group()))}")),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)", _phone),
        (r"(?<!\d)(?:[48]00-?\d{3}-?\d{4}|0\d{2,3}[- ]\d{7,8})(?!\d)", _phone),
        (r"(?<!\d)(?P<year>\d{4})([-/.])(?P<month>0?[1-9]|1[012])\2(?P<day>0?[1-9]|[12]\d|3[01])(?!\d)", _date),
        (r"(?<![\d-])(\d{4})年?\s?[-~～–—]\s?(\d{4}|\d{2})(?=年)", lambda m: f"{numbers.digits(m[1])}到{numbers.digits(m[2])}"),
        (r"(?<!\d)(\d{4}|\d{2})(?=年)", lambda m: numbers.digits(m[1])),
        (rf"(?<!\d)({_TIME})\s?[-~～—–]\s?({_TIME})(?!\d)", lambda m: f"{_time(m[1])}至{_time(m[2])}"),
        (rf"(?<!\d){_TIME}(?!\d)", lambda m: _time(m.group())),
        (r"(?<=\d)\s?[:：]\s?(?=\d)", "比"),
        (rf"(?P<what>{_NUMBERED}(?:是|为|[:：])?\s?)(?P<number>\d{{3,}})(?![\d.])", _number_of),
        (r"(?<![\d.])\d{3,4}(?=号?(?:房|室))", lambda m: numbers.digits(m.group(), phone=True)),
        (rf"[-−](?={_NUMBER}\s?(?:°C|℃|度))", "零下"),
        (rf"({_NUMBER})(?:%|％)?[-~～–—]({_NUMBER})[%％]", lambda m: f"百分之{numbers.decimal(m[1])}到百分之{numbers.decimal(m[2])}"),
        (rf"({minus})?({_NUMBER})[%％]", lambda m: ("负" if m[1] else "") + "百分之" + numbers.decimal(m[2])),
        (rf"({minus})?({_NUMBER})‰", lambda m: ("负" if m[1] else "") + "千分之" + numbers.decimal(m[2])),
        (r"(?<![\d/])(\d+)/(\d+)(?![\d/])", lambda m: f"{numbers.cardinal(m[2])}分之{numbers.cardinal(m[1])}"),
        (rf"[{signs}]\s?({_NUMBER})(?:[-~～]({_NUMBER}))?([千百]?[万亿])?(?:美元|欧元|英镑|元)?", _money),
        (rf"(?<=\d)\s?({units})(?![A-Za-z])(?=[-~～–]|\d|\b|.|$)", lambda m: UNITS[m[1]]),
        (rf"(?P<minus>⁻)?(?P<exponent>[{RAISED}]+)(?![⁺⁻])", _power),
        (r"[ⁿˣʸ]", lambda m: "的" + {"ⁿ": "n", "ˣ": "x", "ʸ": "y"}[m.group()] + "次方"),
        (rf"(?<![\d+×÷=.-])({minus}?{_NUMBER})\s?[-~～–—]\s?(-?{_NUMBER})(?=[\u4e00-\u9fff])", lambda m: f"{_signed(m[1])}到{_signed(m[2])}"),
        (r"(?<=\d)\s?[~～–—]\s?(?=\d)", "到"),
        (r"(?<=[\w)）])\s?=\s?", "等于"),
        (r"(?<=[\d)）])\s?[-−]\s?(?=[\d(（])", "减"),
        (rf"{minus}(?=\d)", "负"),
        (r"\d+(?:\.\d+){2,}", lambda m: "点".join(map(numbers.cardinal, m.group().split(".")))),
        (r"(?<=第)\d+", lambda m: numbers.cardinal(m.group())),
        (r"\d+\.\d+|(?<!\d)\.\d+", lambda m: numbers.decimal(m.group())),
        (rf"(?P<number>\d+)(?P<more>[多余几+])?(?=小时|分钟|[{_MEASURES}])", _counted),
        (r"\d+", _plain),
        (r"[①-⑳]", lambda m: _CIRCLED[m.group()]),
        (r"[—―─]{2,}|(?<=[^\s])[—―](?=[^\s])", ","),
        (r"……|…|\.{2,}", "…"),
        (r"(?<=[\u4e00-\u9fff])/(?=(?:人|年|月|日|天|次|个|件|只|小时|分钟|秒|平方米|公里|米|吨|斤|克|升))", "每"),
        (r"(?<=[\u4e00-\u9fff])/(?=[\u4e00-\u9fff])", ","),
        (f"[{''.join(map(re.escape, _SYMBOLS))}]", lambda m: _SYMBOLS[m.group()]),
        (r"嗯", "恩"),  # as upstream's training text; pypinyin reads them "n" and "m", which have no symbol
        (r"呣", "母"),
        (r"[，、；;：:·・｡。！？～~]", lambda m: m.group().translate(_MARKS).replace(";", ",").replace(":", ",")),
    ]  # fmt: skip
    return tuple((re.compile(pattern), by) for pattern, by in rules)


def _money(match: re.Match[str]) -> str:
    said = numbers.decimal(match[1]) + (f"到{numbers.decimal(match[2])}" if match[2] else "")
    return said + (match[3] or "") + _MONEY[match.group()[0]]


_FULL_WIDTH: Final = re.compile(r"[！-～]")
_KEPT_WIDE: Final = frozenset("！，．：；？～￥")
_HAN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_READABLE: Final = re.compile(rf"[{_HAN.pattern[1:-1]},.?!\-…]")
_LONE_DASH: Final = re.compile(r"-")


@functools.cache
def _converter() -> opencc.OpenCC:
    import opencc

    return opencc.OpenCC("t2s")


@functools.lru_cache(8192)
def _simplify(character: str) -> str:
    """The simplified form of one character: one for one, so that each keeps its place."""
    simple = _converter().convert(character)
    return simple if len(simple) == 1 else character


def normalise(text: TracedText, *, simplify: bool = True, language: str = "zh") -> TracedText:
    """The text as spoken: Han characters and `, . ? ! …`.

    Args:
        text: Chinese text, without words of other languages.
        simplify: write simplified characters, which the linguistic backbone and the dictionaries know best.
        language: named in the error.

    Raises:
        UnreadableTextError: a character has no way to be said in Chinese.
    """
    text = text.sub(
        _FULL_WIDTH, lambda m: m.group() if m.group() in _KEPT_WIDE else chr(ord(m.group()) - 0xFEE0)
    )
    if simplify:
        text = text.sub(_HAN, lambda m: _simplify(m.group()))
    for pattern, by in _rules():
        text = text.sub(pattern, by)
    text = text.sub(_LONE_DASH, ",")
    return collapse_marks(silence(text, _READABLE, language=language))
