"""What a line of text that begins a chapter looks like, in the languages whose books we know."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

LONGEST_HEADING = 90


class HeadingKind(enum.StrEnum):
    """How a heading line announces itself; the earlier ones are the surer signs."""

    PART = "part"
    """A part, book or volume: it holds chapters."""
    CHAPTER = "chapter"
    """Names itself a chapter and has a number: "Chapter IV", "第三回", "제1장"."""
    NAMED = "named"
    """A chapter by custom: prologue, epilogue, 序章, 프롤로그."""
    NUMBERED = "numbered"
    """A number and a title: "IV. The Title", "12. The Title"."""
    NUMBER = "number"
    """Nothing but a number."""
    CAPITALS = "capitals"
    """Nothing but a few words in capitals."""


@dataclass(frozen=True, slots=True)
class HeadingLine:
    """A line that reads as the beginning of a chapter or part."""

    kind: HeadingKind
    number: int | None = None
    """Its number where we can read it."""


_ROMAN = r"(?=[ivxlcdm])m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
_ENGLISH = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_ENGLISH_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "last": None,
    "erster": 1, "erste": 1, "erstes": 1, "zweiter": 2, "zweite": 2, "zweites": 2, "dritter": 3, "dritte": 3,
    "drittes": 3, "vierter": 4, "vierte": 4, "viertes": 4, "fünfter": 5, "fünfte": 5, "fünftes": 5,
    "sechstes": 6, "siebentes": 7, "siebtes": 7, "achtes": 8, "neuntes": 9, "zehntes": 10, "elftes": 11,
    "zwölftes": 12,
    "premier": 1, "première": 1, "deuxième": 2, "second(?:e)?": 2, "troisième": 3, "quatrième": 4,
    "cinquième": 5, "sixième": 6,
    "primero": 1, "primera": 1, "segundo": 2, "segunda": 2, "tercero": 3, "tercera": 3, "cuarto": 4,
    "cuarta": 4, "quinto": 5, "quinta": 5,
    "primo": 1, "prima": 1, "secondo": 2, "seconda": 2, "terzo": 3, "terza": 3, "quarto": 4, "quarta": 4,
    "primeiro": 1, "primeira": 1,
}  # fmt: skip

_TENS = "|".join(_ENGLISH_TENS)
_NUMBER_WORD = rf"(?:{_TENS})(?:[- ](?:{'|'.join(_ENGLISH[:9])}))?|{'|'.join(reversed(_ENGLISH))}"
_NUMBER = rf"(?P<number>\d{{1,4}}|{_ROMAN}|(?:the )?(?:{'|'.join(_ORDINALS)})|{_NUMBER_WORD})"
_CHAPTER_WORD = (
    r"chapter|chap\.?|letter|stave|canto|adventure|scene|story|episode|lecture|kapitel|chapitre|cap[ií]tulo|capitolo|"
    r"hoofdstuk|rozdział|kapittel|глава"
)
_PART_WORD = (
    r"part|book|volume|vol\.?|act|teil|buch|band|partie|livre|tome|parte|libro|tomo|volumen|deel|boek|"
    r"часть|книга|том"
)
_AFTER = r"(?P<after>\s*$|\s*[.:)—–-]+(?:\s+.*)?$|\s+.*$)"

_WESTERN = re.compile(
    rf"(?P<word>{_CHAPTER_WORD}|{_PART_WORD})\s+(?:the\s+)?{_NUMBER}(?![\w’']){_AFTER}", re.IGNORECASE
)
_WESTERN_INVERTED = re.compile(
    rf"(?:das\s+|the\s+|la\s+)?(?P<number>\d{{1,4}}\.?|{'|'.join(_ORDINALS)})\s+(?P<word>{_CHAPTER_WORD}|{_PART_WORD})(?!\w){_AFTER}",
    re.IGNORECASE,
)
_PART_ONLY = re.compile(rf"(?:{_PART_WORD})", re.IGNORECASE)

_HAN_NUMBER = r"(?P<number>[0-9０-９]{1,4}|[〇零一二三四五六七八九十百千两兩廿卅壱弐参]{1,8})"
_HAN = re.compile(
    rf"第\s*{_HAN_NUMBER}\s*(?P<word>[章回节節话話幕折場场集则則部卷巻篇编編册冊])(?P<after>$|[\s:：、.．・—─-].*$|.+$)"
)
_HAN_VOLUME = re.compile(rf"(?P<word>[卷巻])(?:之)?{_HAN_NUMBER}(?P<after>$|[\s:：].*$)")
_HAN_PARTS = frozenset("部卷巻篇编編册冊集")
_KOREAN_NUMBER = r"(?P<number>[0-9]{1,4}|[일이삼사오육칠팔구십백]{1,5})"
_KOREAN = re.compile(
    rf"(?:제\s*{_KOREAN_NUMBER}\s*|(?P<bare>[0-9]{{1,4}})\s?)(?P<word>장|화|회|막|절|부|편|권)(?P<after>$|[\s:：.\-—].*$)"
)
_KOREAN_PARTS = frozenset("부편권")

_NAMED = re.compile(
    r"(?P<name>prologue|epilogue|introduction|preface|foreword|afterword|interlude|postscript|conclusion|preamble|"
    r"prolog|epilog|vorwort|einleitung|nachwort|vorrede|zwischenspiel|"
    r"épilogue|avant-propos|préface|postface|avertissement|"
    r"prólogo|epílogo|introducción|prefacio|introdução|prefácio|"
    r"prologo|epilogo|introduzione|prefazione|postfazione|"
    r"пролог|эпилог|предисловие|введение|послесловие)(?P<after>\s*$|\s*[.:—–-]+(?:\s+.*)?$)",
    re.IGNORECASE,
)
_NAMED_CJK = re.compile(
    r"(?:序章|序言|序幕|自序|代序|序|楔子|引子|前言|引言|后记|後記|尾声|尾聲|终章|終章|结语|結語|跋|番外(?:篇)?[一二三四五六七八九十0-9]*|"
    r"プロローグ|エピローグ|まえがき|あとがき|はじめに|おわりに|序文|間章|幕間|"
    r"프롤로그|에필로그|머리말|서문|서장|종장|맺음말|들어가며|나가며|작가의 말|작가 후기)"
    r"(?P<after>$|[\s:：].*$)"
)

_NUMBERED = re.compile(rf"(?P<number>\d{{1,3}}|{_ROMAN})\s*[.)—–-]\s+(?P<title>\S.*)$", re.IGNORECASE)
_NUMBER_ALONE = re.compile(
    rf"[-–—\[(（【]?\s*(?:(?P<number>\d{{1,3}}|{_ROMAN})\.?|(?P<han>[〇零一二三四五六七八九十百]{{1,4}}|[０-９]{{1,3}}))\s*[-–—\])）】]?",
    re.IGNORECASE,
)
_PROSE = re.compile(r"[,，。！？；、…」”]")
_CLOSED = re.compile(r"[,;，。；、]$")


def read_heading(line: str) -> HeadingLine | None:
    """What kind of chapter heading this line is, or None if it reads as ordinary text.

    For one line, stripped.
    """
    if not line or len(line) > LONGEST_HEADING:
        return None
    return _read_titled(line) or _read_named(line) or _read_numbered(line) or _read_capitals(line)


def is_part_title(title: str) -> bool:
    """True for "Part One", "BOOK II: The Title", "第二部", "제1부": a title that holds chapters."""
    heading = read_heading(title)
    return heading is not None and heading.kind is HeadingKind.PART


def is_bare_number(title: str) -> bool:
    """True for "IV", "12.", "三", "Chapter 4": a title that says no more than a number."""
    if _NUMBER_ALONE.fullmatch(title):
        return True
    match = _WESTERN.fullmatch(title) or _WESTERN_INVERTED.fullmatch(title) or _HAN.fullmatch(title)
    match = match or _KOREAN.fullmatch(title)
    return match is not None and not match["after"].strip(" .:—–-")


def _read_titled(line: str) -> HeadingLine | None:
    for pattern in (_WESTERN, _WESTERN_INVERTED):
        match = pattern.fullmatch(line)
        if match and _fits_western(match["after"]):
            kind = HeadingKind.PART if _PART_ONLY.fullmatch(match["word"]) else HeadingKind.CHAPTER
            return HeadingLine(kind, read_number(match["number"]))
    match = _HAN.fullmatch(line)
    if match and _fits_han(match["after"]):
        kind = HeadingKind.PART if match["word"] in _HAN_PARTS else HeadingKind.CHAPTER
        return HeadingLine(kind, read_number(match["number"]))
    match = _HAN_VOLUME.fullmatch(line)
    if match:
        return HeadingLine(HeadingKind.PART, read_number(match["number"]))
    match = _KOREAN.fullmatch(line)
    if match and not re.search(r"[,.?!]$|다\.", match["after"]):
        kind = HeadingKind.PART if match["word"] in _KOREAN_PARTS else HeadingKind.CHAPTER
        return HeadingLine(kind, read_number(match["number"] or match["bare"]))
    return None


def _read_named(line: str) -> HeadingLine | None:
    match = _NAMED.fullmatch(line)
    if match and match["name"][0].isupper() and len(line) <= 60:
        return HeadingLine(HeadingKind.NAMED)
    match = _NAMED_CJK.fullmatch(line)
    if match and len(line) <= 30 and not _PROSE.search(match["after"]):
        return HeadingLine(HeadingKind.NAMED)
    return None


def _read_numbered(line: str) -> HeadingLine | None:
    match = _NUMBER_ALONE.fullmatch(line)
    # "mix", "did" and "I" are words: a Roman number stands in capitals.
    if match and (match["number"] or match["han"]) and line == line.upper():
        return HeadingLine(HeadingKind.NUMBER, read_number(match["number"] or match["han"]))
    match = _NUMBERED.fullmatch(line)
    if match and match["number"] == match["number"].upper():
        title = match["title"]
        if (
            (title[0].isupper() or not title[0].isascii())
            and not re.search(r"[.,;!?:。，；：]$", title.rstrip("”\"'’"))
        ) or title.isupper():
            return HeadingLine(HeadingKind.NUMBERED, read_number(match["number"]))
    return None


def _read_capitals(line: str) -> HeadingLine | None:
    letters = [character for character in line if character.isalpha()]
    # Only scripts with cases: in the others every line would be "in capitals".
    if len(letters) < 3 or not all(character.isupper() for character in letters) or len(line) > 70:
        return None
    if _CLOSED.search(line) or len(letters) < 0.6 * len(line.replace(" ", "")) or line[0] in "\"“'‘":
        return None
    return HeadingLine(HeadingKind.CAPITALS)


def _fits_western(after: str) -> bool:
    rest = after.strip()
    if not rest:
        return True
    if rest[0] in ".:)—–-":
        return True
    # No sign between number and title: then the title must look like one, and not like the rest of a
    # sentence.
    return (rest[0].isupper() or rest[0] in "“\"‘'(" or not rest[0].isascii()) and not re.search(
        r"[.,;]$", rest
    )


def _fits_han(after: str) -> bool:
    rest = after.lstrip(" \t　:：、.．・—─-")
    if not rest:
        return True
    if len(after) > len(rest):
        # A sign or space follows the number: chapter titles in couplets do hold commas.
        return not re.search(r"[。；]", rest) and len(rest) <= 50
    return (
        len(rest) <= 25
        and not _PROSE.search(rest)
        and not rest.startswith(("的", "是", "了", "に", "は", "の", "が", "を", "で"))
    )


_HAN_DIGITS = {
    character: value
    for value, characters in enumerate(
        ("〇零", "一壱", "二两兩弐", "三参", "四", "五", "六", "七", "八", "九")
    )
    for character in characters
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_KOREAN_TO_HAN = str.maketrans("일이삼사오육칠팔구십백", "一二三四五六七八九十百")


def read_number(written: str) -> int | None:
    """The number in digits, Roman, English words, Han or Korean; None where it is none of these."""
    lowered = written.lower().removeprefix("the ").rstrip(".").strip()
    if lowered.isdecimal():
        return int(lowered)
    if lowered in _ORDINALS:
        return _ORDINALS[lowered]
    if re.fullmatch(_ROMAN, lowered):
        return _roman(lowered)
    tens, _, ones = lowered.replace(" ", "-").partition("-")
    if tens in _ENGLISH_TENS:
        return _ENGLISH_TENS[tens] + (_ENGLISH.index(ones) + 1 if ones in _ENGLISH else 0)
    if lowered in _ENGLISH:
        return _ENGLISH.index(lowered) + 1
    han = lowered.translate(_KOREAN_TO_HAN).replace("廿", "二十").replace("卅", "三十")
    if han and all(character in _HAN_DIGITS or character in _HAN_UNITS for character in han):
        return _han(han)
    return None


def _roman(lowered: str) -> int:
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}[letter] for letter in lowered]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _han(written: str) -> int:
    if not any(character in _HAN_UNITS for character in written):
        return int("".join(str(_HAN_DIGITS[character]) for character in written))
    total, digit = 0, 0
    for character in written:
        if character in _HAN_UNITS:
            total += (digit or 1) * _HAN_UNITS[character]
            digit = 0
        else:
            digit = _HAN_DIGITS[character]
    return total + digit
