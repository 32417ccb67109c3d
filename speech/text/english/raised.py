"""What stands above and below the line in English: powers, notes, charges, isotopes, formulas, indices."""

from __future__ import annotations

import re
from typing import Final

from speech.text.english import numbers
from speech.text.raised import LOWERED, RAISED, note, on_the_line

_SIGNS: Final = {"+": "plus", "-": "minus", "=": "equals", "(": "", ")": ""}
_FUNCTIONS: Final = frozenset({"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "log", "ln"})
_LITTLE: Final = frozenset(
    "am an as at be by do go he if in is it me my no of on or so to up us we ad oh ox".split()
)
"""Words of two letters; two other letters are a product, as in mc²."""
_YEAR: Final = re.compile(r"(?<![\w.,])[12]\d{3}$")
_BRACKETS: Final = re.compile(r"\([^()]*\)$")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*$")
_PROSE: Final = re.compile(r"[A-Za-z]{3,}|\b[IAa] ")

INDEX: Final = rf"[{LOWERED}₊₋₌ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣᵤᵥ]+"
EXPONENT: Final = rf"[{RAISED}⁺⁻ⁿˣʸⁱᵏᵐ]+"
FORMULA: Final = rf"(?<![^\W_])(?=[A-Za-z()\[\]]*[{LOWERED}])(?:[A-Z][a-z]?[{LOWERED}]*|[(\[](?=[A-Z])|[)\]][{LOWERED}]+)+(?![a-z])"
"""Element symbols and brackets with their counts: at least one count."""
ISOTOPE: Final = rf"(?<![\w.,;:!?)”’])(?P<mass>[{RAISED}]{{2,3}}|[¹²³](?=H\b)|[³⁴](?=He\b))(?P<element>[A-Z][a-z]?)(?![a-z])"
ORDINAL: Final = r"(?<=[0-9A-Za-z])(?:ˢᵗ|ⁿᵈ|ʳᵈ|ᵗʰ)"


def _number(figures: str) -> str:
    """Never as a year; digit by digit where there is no name for it."""
    return numbers.cardinal(int(figures)) if len(figures) <= 4 else numbers.plain(figures)


def _words(characters: str) -> str:
    parts = re.findall(r"\d+|.", on_the_line(characters))
    said = (_number(part) if part.isdigit() else _SIGNS.get(part, part) for part in parts)
    return " ".join(word for word in said if word)


def power(exponent: str) -> str:
    """How a power is said after its base: "squared", "cubed", "to the minus three"."""
    plain = on_the_line(exponent)
    return {"2": "squared", "3": "cubed"}.get(plain) or f"to the {_words(exponent)}"


def index(match: re.Match[str]) -> str:
    """Figures and letters below the line, said as on it: "x one", "x n plus one"."""
    return f" {_words(match.group())} "


def formula(match: re.Match[str]) -> str:
    """A chemical formula letter by letter: H₂O is "H two O"."""
    parts = re.findall(rf"[A-Za-z]|[{LOWERED}]+", match.group())
    said = " ".join(part.upper() if part.isalpha() else _words(part) for part in parts)
    goes_on = re.match(r"\w", match.string[match.end() :]) is not None
    return said + " " if goes_on else said


def isotope(match: re.Match[str]) -> str:
    """The element, then its mass: ¹⁴C is "C fourteen"."""
    return f"{' '.join(match['element'].upper())} {_words(match['mass'])} "


def exponent(match: re.Match[str]) -> str:
    """What stands above the line: a power, a charge, or the mark of a note.

    Figures alone are the mark of a note after a word, a year, a mark or a blank. They are a power after a
    number, a variable, a product of two letters, a function's name, and brackets without words in them; but
    ¹ after a number other than ten is a note.
    """
    figures, before = match.group(), match.string[: match.start()]
    if figures[-1] in "⁺⁻":
        return f" {_words(figures)} "
    if figures == "¹" and before[-1:].isdigit():
        is_note = not before.endswith("10")  # nobody else writes a first power
    else:
        is_note = not figures.strip(RAISED) and _is_note(before)
    if not is_note:
        return f" {power(figures)} "
    return note(match, f"note {_number(on_the_line(figures))}")


def _is_note(before: str) -> bool:
    """Whether figures above the line mark a note, after such a text."""
    if word := _WORD.search(before):
        letters = word.group()
        if len(letters) == 1 or letters.lower() in _FUNCTIONS:
            return False
        return len(letters) > 2 or letters.lower() in _LITTLE
    if brackets := _BRACKETS.search(before):
        return _PROSE.search(brackets.group()) is not None
    if before[-1:].isdigit():
        return _YEAR.search(before) is not None
    return before[-1:] not in {")", "]", "}", "|"}
