"""English text as it is spoken: numbers, dates, money, units, abbreviations and symbols become words.

Out comes a text of letters, apostrophes inside words, blanks and the marks `, . ? ! -`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from speech.text.english import numbers, raised
from speech.text.raised import FRACTION, fraction, on_the_line
from speech.text.reading import collapse_marks, silence
from speech.text.traced import TracedText

_TITLES: Final = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "messrs": "Messers", "dr": "Doctor", "prof": "Professor",
    "capt": "Captain", "col": "Colonel", "gen": "General", "lt": "Lieutenant", "sgt": "Sergeant",
    "maj": "Major", "cmdr": "Commander", "rev": "Reverend", "hon": "Honorable", "sen": "Senator",
    "gov": "Governor", "pres": "President", "rep": "Representative", "fr": "Father", "mme": "Madame",
    "mlle": "Mademoiselle", "st": "Saint", "mt": "Mount", "ft": "Fort",
}  # fmt: skip
"""Before a name."""
_WORDS: Final = {
    "jr": "Junior", "sr": "Senior", "esq": "Esquire", "vs": "versus", "etc": "et cetera", "inc": "incorporated",
    "ltd": "limited", "corp": "corporation", "dept": "department", "approx": "approximately", "est": "established",
    "ed": "edition", "eds": "editors", "govt": "government", "assn": "association", "bros": "brothers",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "viz": "namely", "ca": "circa",
}  # fmt: skip
"""Anywhere, with their full stop."""
_NUMBERED: Final = {
    "no": "number", "nos": "numbers", "vol": "volume", "vols": "volumes", "ch": "chapter", "chap": "chapter",
    "fig": "figure", "figs": "figures", "p": "page", "pp": "pages", "pt": "part", "sec": "section", "art": "article",
}  # fmt: skip
"""Before a number."""
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH_OF: Final = {name[:3].lower(): name for name in _MONTHS} | {"sept": "September"}
_DAY_OF: Final = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday",
    "thur": "Thursday", "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip
_UNITS: Final = {
    "km/h": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"), "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"), "m": ("meter", "meters"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "g": ("gram", "grams"),
    "lbs": ("pound", "pounds"), "lb": ("pound", "pounds"), "oz": ("ounce", "ounces"), "ft": ("foot", "feet"),
    "yd": ("yard", "yards"), "mi": ("mile", "miles"), "ml": ("milliliter", "milliliters"),
    "l": ("liter", "liters"), "L": ("liter", "liters"), "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"), "hrs": ("hour", "hours"), "hr": ("hour", "hours"), "h": ("hour", "hours"),
    "mins": ("minute", "minutes"), "min": ("minute", "minutes"), "secs": ("second", "seconds"),
    "sec": ("second", "seconds"), "s": ("second", "seconds"), "ms": ("millisecond", "milliseconds"),
    "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
    "Hz": ("hertz", "hertz"), "kW": ("kilowatt", "kilowatts"), "W": ("watt", "watts"), "V": ("volt", "volts"),
    "dB": ("decibel", "decibels"), "KB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"),
    "°C": ("degree celsius", "degrees celsius"), "℃": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"), "℉": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}  # fmt: skip
_POWERED: Final = {
    f"{unit}{sign}": (f"{shape} {_UNITS[unit][0]}", f"{shape} {_UNITS[unit][1]}")
    for unit in ("km", "m", "cm", "mm", "ft", "yd", "mi")
    for sign, shape in (("²", "square"), ("³", "cubic"))
} | {
    "m/s²": ("meter per second squared", "meters per second squared"),
    "kg/m³": ("kilogram per cubic meter", "kilograms per cubic meter"),
    "g/cm³": ("gram per cubic centimeter", "grams per cubic centimeter"),
    "m³/s": ("cubic meter per second", "cubic meters per second"),
}
"""Units with figures above the line."""
_MONEY: Final = {
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"), "₩": ("won", "won", "jeon", "jeon"),
}  # fmt: skip
_SYMBOLS: Final = {
    "&": "and", "+": "plus", "=": "equals", "×": "times", "÷": "divided by", "±": "plus or minus", "@": "at",
    "%": "percent", "‰": "per mille", "©": "copyright", "®": "registered", "™": "trademark", "°": "degrees",
    "/": "slash", "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "№": "number", "→": "to", "≈": "about",
    "≤": "less than or equal to", "≥": "greater than or equal to", "≠": "is not equal to", "√": "square root of",
    "∞": "infinity", "µ": "micro", "−": "minus", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe",
    "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "th", "Ð": "Th", "þ": "th", "Þ": "Th",
    "ı": "i", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "delta", "ε": "epsilon", "θ": "theta",
    "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma", "Σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega", "Ω": "omega",
}  # fmt: skip
_LETTERS: Final = frozenset("ßæÆœŒøØłŁđĐðÐþÞı")

_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_ROMAN: Final = r"(?=[IVXLC]+\b)(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_KINGS: Final = "Elizabeth|Charles|George|James|Napoleon|Francis|Nicholas|Henry|Edward|Richard|William|Louis|Philip|Alexander|Pius|Leo|Paul"
_MONTH_NAMES: Final = "|".join([*_MONTHS, *(rf"{short.capitalize()}\b\.?" for short in _MONTH_OF)])


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    half = (match["half"] or "").lower().replace(".", "").replace(" ", "")
    spoken = half or ("pm" if hour > 12 else "" if hour else "am")  # half past eight may be evening
    hour = (hour - 1) % 12 + 1 if (hour or not half) else 12
    if not minute:
        middle = "" if half else " o'clock"
    else:
        middle = f" oh {numbers.cardinal(minute)}" if minute < 10 else f" {numbers.cardinal(minute)}"
    # The full stop of "p.m." before a capital or the end is the sentence's too.
    stop = (
        "."
        if (match["half"] or "").endswith(".") and re.match(r"\s*(?:$|[A-Z])", match.string[match.end() :])
        else ""
    )
    return f"{numbers.cardinal(hour)}{middle} {' '.join(spoken.upper())}".rstrip() + stop


def _time_full(match: re.Match[str]) -> str:
    """The time without minutes, "3 p.m."."""
    letters = re.sub(r"[.\s]", "", match["half"]).upper()
    stop = (
        "."
        if match["half"].endswith(".") and re.match(r"\s*(?:$|[A-Z])", match.string[match.end() :])
        else ""
    )
    return f"{numbers.cardinal(int(match['hour']))} {' '.join(letters)}{stop}"


def _month(name: str) -> str:
    return _MONTH_OF[name[:3].lower()]


def _date(match: re.Match[str]) -> str:
    year = f", {numbers.year(match['year'])}" if match["year"] else ""
    return f"{_month(match['month'])} {numbers.ordinal(int(match['day']))}{year}"


def _date_day_first(match: re.Match[str]) -> str:
    of = "of " if match["suffix"] else ""
    year = f" {numbers.year(match['year'])}" if match["year"] else ""
    return f"{numbers.ordinal(int(match['day']))} {of}{_month(match['month'])}{year}"


def _iso_date(match: re.Match[str]) -> str:
    month = _MONTHS[int(match["month"]) - 1]
    return f"{month} {numbers.ordinal(int(match['day']))}, {numbers.year(match['year'])}"


def _slash_date(match: re.Match[str]) -> str:
    """The month first, as where the dictionary's speakers live, unless there is no such month."""
    first, second = int(match["first"]), int(match["second"])
    month, day = (first, second) if first <= 12 else (second, first)
    if month > 12:
        return match.group()
    return f"{_MONTHS[month - 1]} {numbers.ordinal(day)}, {numbers.year(match['year'])}"


def _money(match: re.Match[str]) -> str:
    one, many, one_cent, many_cents = _MONEY[match["sign"]]
    amount = match["amount"].replace(",", "")
    if match["size"]:
        return f"{numbers.decimal(amount)} {match['size']} {many}"
    whole, _, fraction = amount.partition(".")
    if len(fraction) > 2:
        return f"{numbers.decimal(amount)} {many}"
    cents = int(fraction.ljust(2, "0")) if fraction else 0
    said = f"{numbers.cardinal(int(whole))} {one if int(whole) == 1 else many}"
    if not cents:
        return said
    small = f"{numbers.cardinal(cents)} {one_cent if cents == 1 else many_cents}"
    return f"{said} and {small}" if int(whole) else small


def _unit(match: re.Match[str]) -> str:
    one, many = (_UNITS | _POWERED)[match["unit"]]
    return f"{numbers.decimal(match['amount'].replace(',', ''))} {one if match['amount'] == '1' else many}"


def _unit_alone(match: re.Match[str]) -> str:
    """A unit with no amount: one of it after "per", else many."""
    one, many = _POWERED[match["unit"]]
    return one if re.search(r"(?:\bper |\ba |/)$", match.string[: match.start()]) else many


def _powers_of_ten(match: re.Match[str]) -> str:
    return f"10 {raised.power(match['power'])} {(_UNITS | _POWERED)[match['unit']][1]}"


def _decade(match: re.Match[str]) -> str:
    century = match["century"]
    tens = numbers.cardinal(int(match["tens"] + "0"))
    plural = tens[:-1] + "ies" if tens.endswith("y") else {"ten": "tens", "zero": "hundreds"}[tens]
    if century == "20" and match["tens"] == "0":
        return "two thousands"
    return f"{numbers.cardinal(int(century))} {plural}" if century else plural


def _digits(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match.group())
    return ", ".join(" ".join(numbers.digit(d) for d in group) for group in groups)


def _fraction(match: re.Match[str]) -> str:
    said = numbers.fraction(int(match["top"]), int(match["bottom"]))
    return f"{numbers.cardinal(int(match['whole']))} and {said}" if match["whole"] else said


def _regnal(match: re.Match[str]) -> str:
    value = numbers.roman(match["roman"])
    if match["word"].lower() in {"chapter", "book", "part", "volume", "act", "scene", "section", "war", "psalm", "phase", "type", "canto", "letter", "stave", "appendix", "article"}:  # fmt: skip
        return f"{match['word']} {numbers.cardinal(value)}"
    return f"{match['word']} the {numbers.ordinal(value)}"


def _address(match: re.Match[str]) -> str:
    said = match.group()
    for mark, word in ((r"https?://", ""), (r"\.", " dot "), ("@", " at "), ("/", " slash "), ("_", " underscore "), ("-", " dash "), (":", " colon ")):  # fmt: skip
        said = re.sub(mark, word, said)
    return re.sub(r"\bwww\b", "w w w", said).strip()


def _initials(match: re.Match[str]) -> str:
    # The last full stop ends the sentence too if nothing, or a new sentence, follows.
    stop = "." if re.match(r"\s*$", match.string[match.end() :]) and match.group().endswith(".") else ""
    return " ".join(re.findall(r"[A-Za-z]", match.group())).upper() + stop


def _abbreviation(words: dict[str, str], *, ends: bool = False) -> Callable[[re.Match[str]], str]:
    def write(match: re.Match[str]) -> str:
        stop = "." if ends and re.match(r"\s*$", match.string[match.end() :]) else ""
        return words[match["short"].lower()] + stop

    return write


Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


@functools.cache
def _rules() -> tuple[Rule, ...]:
    """The rules in the order they are applied; each takes what an earlier one must not see."""
    signs = "".join(map(re.escape, _MONEY))
    half = r"(?:\s?(?P<half>[AaPp]\.\s?[Mm]\.|[AaPp][Mm]\b))"
    year = r"(?P<year>1\d{3}|20\d{2})"
    rules: list[tuple[str, str | Callable[[re.Match[str]], str], int]] = [
        (r"[’‘ʼ＇](?=\w)(?<=\w.)|(?<=[sS])’(?=\s)", "'", 0),
        (r"(?<=\w)-$", "", 0),  # "GPT-4" in Chinese, where the figure is another run's
        (FRACTION.pattern, lambda m: fraction(m, " "), 0),
        (r"⁄", "/", 0),
        (raised.ORDINAL, lambda m: on_the_line(m.group()), 0),
        (raised.FORMULA, raised.formula, 0),
        (raised.ISOTOPE, raised.isotope, 0),
        (raised.INDEX, raised.index, 0),
        (rf"(?<![\w.,])(?P<amount>{_NUMBER})[\s-]?(?P<unit>{_alternatives(_POWERED)})(?![\w])", _unit, 0),
        (rf"(?<![\d.,])10(?P<power>{raised.EXPONENT})\s?(?P<unit>{_alternatives(_UNITS | _POWERED)})(?![\w])", _powers_of_ten, 0),
        (rf"(?<![\w^])(?P<unit>{_alternatives(set(_POWERED) - {'m²', 'm³'})})(?![\w])", _unit_alone, 0),
        (raised.EXPONENT, raised.exponent, 0),
        (r"(?:https?://|www\.)[\w./@:-]*[\w/]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|co\.uk)\b(?:/[\w/-]+)?", _address, 0),
        (r"\bi\.\s?e\.,?", "that is,", re.IGNORECASE),
        (r"\be\.\s?g\.,?", "for example,", re.IGNORECASE),
        (r"\bet al\.", "and others", 0),
        (r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?!\d)" + half + "?", _time, 0),
        (r"\b(?P<hour>1[0-2]|0?[1-9])(?P<minute>)" + half, _time_full, 0),
        (r"\b(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-2]\d|3[01])\b", _iso_date, 0),
        (r"(?<![\d/])(?P<first>0?[1-9]|[12]\d|3[01])/(?P<second>0?[1-9]|[12]\d|3[01])/(?P<year>\d{4})(?![\d/])", _slash_date, 0),
        (rf"\b(?P<month>{_MONTH_NAMES})\s+(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?(?!\d)(?:,?\s+{year}\b)?", _date, 0),
        (rf"\b(?P<day>[12]?\d|3[01])(?P<suffix>st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH_NAMES})(?:,?\s+{year}\b)?", _date_day_first, 0),
        (rf"\b(?P<short>{_alternatives(_MONTH_OF)})\.(?=\s)", _abbreviation(_MONTH_OF), re.IGNORECASE),
        (rf"\b(?P<short>{_alternatives(_DAY_OF)})\.(?=,)", _abbreviation(_DAY_OF), re.IGNORECASE),
        (rf"\b(?P<short>(?i:{_alternatives(_NUMBERED)}))\.\s?(?=\d|[IVXLC]+\b)", lambda m: _NUMBERED[m["short"].lower()] + " ", 0),
        (r"(?<=[A-Z][a-z]{2}\s)St\.(?=,|$|\s[a-z])|(?<=[a-z]{3}\s)St\.(?=,|$|\s[a-z])", "Street", 0),
        (rf"\b(?P<short>(?i:{_alternatives(_TITLES)}))\.(?=\s+[A-Z])", _abbreviation(_TITLES), 0),
        (r"\b(?P<short>Mr|Mrs|Ms|Dr)\b(?=\s+[A-Z])", _abbreviation(_TITLES), 0),
        (rf"\b(?P<short>{_alternatives(_WORDS)})\.", _abbreviation(_WORDS, ends=True), re.IGNORECASE),
        (r"(?<!\w)(?:[A-Za-z]\.){2,}(?:[A-Za-z]\b)?|(?<![\w.])(?!I\.)(?:[A-Z]\.\s?)*[A-Z]\.(?=\s[A-Z][a-z])", _initials, 0),
        (rf"(?P<sign>[{signs}])\s?(?P<amount>{_NUMBER})(?:\s?(?P<size>thousand|million|billion|trillion)\b)?", _money, 0),
        (rf"(?<![\d,.])(?P<amount>{_NUMBER})(?P<size>)\s?(?P<sign>[{signs}])", _money, 0),
        (r"(?<!\w)(?:\+\d{1,3}[\s-])?(?:\(\d{3}\)\s?|\d{3}[-.\s])\d{3}[-.]\d{4}\b|(?<![\w-])\d{3}-\d{4}\b", _digits, 0),
        (r"(?<![\w/.])(?:(?P<whole>\d+)[\s-])?(?P<top>\d{1,3})/(?P<bottom>[1-9]\d{0,2})(?![\w/])", _fraction, 0),
        (r"(?<!\w)'?(?P<century>1\d|20|)(?P<tens>\d)0'?s\b", _decade, 0),
        (rf"(?<![\w.,])(?P<amount>{_NUMBER})[\s-]?(?P<unit>{_alternatives(_UNITS)})(?![\w])", _unit, 0),
        (r"#(?=\d)", "number ", 0),
        (r"\b(?P<number>\d{1,3}(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: numbers.ordinal(int(m["number"].replace(",", ""))), 0),
        (r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)", " ", 0),
        (r"(?<=\d)\s?[–−]\s?(?=\d)|(?<=\d)-(?=\d)", " to ", 0),
        (r"(?<=\d)\s*\+\s*(?=\d)", " plus ", 0),
        (r"(?<=[\d)])\s+[-−–]\s+(?=[\d(])", " minus ", 0),
        (r"(?<![\w.])[-−](?=\d)", "minus ", 0),
        (rf"\b(?P<word>[A-Z][a-z]+)\s+(?P<roman>(?=\w\w){_ROMAN})\b(?!')", _regnal, 0),
        (rf"\b(?P<word>(?i:chapter|book|part|volume|act|scene|section|appendix)|War|{_KINGS})\s+(?P<roman>{_ROMAN})\b(?!')", _regnal, 0),
        (rf"^(?P<roman>(?!I\b){_ROMAN})\.(?=\s)", lambda m: numbers.cardinal(numbers.roman(m["roman"])) + ".", 0),
        (r"\d+(?:\.\d+){2,}", lambda m: " point ".join(numbers.cardinal(int(n)) for n in m.group().split(".")), 0),
        (r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", lambda m: numbers.decimal(m.group().replace(",", "")), 0),
        (r"\d+\.\d+|(?<!\w)\.\d+", lambda m: numbers.decimal(m.group()), 0),
        (r"(?<![\d])\d+", lambda m: numbers.plain(m.group()), 0),
        (r"(?<=\w)\s?/\s?(?=\w)", " slash ", 0),
        (rf"[{''.join(map(re.escape, _SYMBOLS))}]", lambda m: _SYMBOLS[m.group()] if m.group() in _LETTERS else f" {_SYMBOLS[m.group()]} ", 0),
        (r"[;:：，；、،]", ",", 0),
        (r"[。．]", ".", 0),
        (r"！", "!", 0),
        (r"？", "?", 0),
        (r"‽|⁈|⁉", "?", 0),
        (r"¡|¿", "", 0),
        (r"\.{2,}|…+|(?:\.\s){2,}\.", ".", 0),
        (r"\s*(?:[—―]+|--+)\s*|\s+[–-]\s+", " - ", 0),
        (r"[‐‑–]", "-", 0),
    ]  # fmt: skip
    return tuple((re.compile(pattern, flags), by) for pattern, by, flags in rules)


_ACCENTED: Final = re.compile(r"[À-ɏḀ-ỿ]")
_COMBINING: Final = re.compile(r"[\u0300-\u036f]")
_FULL_WIDTH: Final = re.compile(r"[！-～]")
_LOOSE_APOSTROPHE: Final = re.compile(
    r"(?<![A-Za-z\ue000-\uf8ff])'(?!(?:em|tis|twas|til|cause|bout|round|course)\b)|'(?![A-Za-z])(?<![sS]')",
    re.IGNORECASE,
)
_READABLE: Final = re.compile(r"[A-Za-z',.?! \-\ue000-\uf8ff]")
_DASH: Final = re.compile(r"(?<![A-Za-z\ue000-\uf8ff])-|-(?![A-Za-z\ue000-\uf8ff])")
_BLANKS: Final = re.compile(r"\s+")
_BEFORE_MARK: Final = re.compile(r"\s+(?=[,.?!])")
_AT_ENDS: Final = re.compile(r"^ +| +$")
_MARKS_APART: Final = re.compile(r"(?<=[,.?!-])\s+(?=[,.?!-])")


def _without_marks(match: re.Match[str]) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", match.group()) if not unicodedata.combining(c))


def normalise(text: TracedText) -> TracedText:
    """The text as spoken, in letters, apostrophes, blanks and `, . ? ! -`.

    Raises:
        UnreadableTextError: a character has no way to be said in English.
    """
    text = text.sub(_BLANKS, " ").sub(_FULL_WIDTH, lambda m: chr(ord(m.group()) - 0xFEE0))
    for pattern, by in _rules():
        text = text.sub(pattern, by)
    text = text.sub(_ACCENTED, _without_marks).sub(_COMBINING, "")
    text = silence(text.sub(_LOOSE_APOSTROPHE, ""), _READABLE, by=" ", language="en")
    text = (
        text.sub(_DASH, " - ").sub(_BLANKS, " ").sub(_MARKS_APART, "").sub(_BEFORE_MARK, "").sub(_AT_ENDS, "")
    )
    return collapse_marks(text)
