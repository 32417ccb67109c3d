"""English numbers in words, by inflect."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import inflect

_LARGEST: Final = 36
"""Digits of the largest number inflect has a name for."""


@functools.cache
def _engine() -> inflect.engine:
    import inflect

    return inflect.engine()


def digit(figure: str) -> str:
    """The word of one digit."""
    return ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")[int(figure)]


def cardinal(number: int) -> str:
    """The number in words, without "and": "one hundred twenty-three"."""
    return str(_engine().number_to_words(str(number), andword="")).replace(",", "")


def ordinal(number: int) -> str:
    """The ordinal in words: "twenty-first"."""
    return str(_engine().ordinal(cardinal(number)))


def decimal(figures: str) -> str:
    """A number with or without a decimal point: "three point one four"."""
    whole, point, fraction = figures.partition(".")
    said = cardinal(int(whole or "0"))
    return f"{said} point {' '.join(map(digit, fraction))}" if point else said


def year(figures: str) -> str:
    """A year in two halves: "nineteen eighty-four", "nineteen oh five", "two thousand seven"."""
    number = int(figures)
    high, low = divmod(number, 100)
    if number % 1000 < 10:
        return cardinal(number)
    if not low:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} oh {cardinal(low)}" if low < 10 else f"{cardinal(high)} {cardinal(low)}"


def plain(figures: str) -> str:
    """A number with nothing around it that says what it counts.

    1001...2999 are read as years, as upstream does; a leading zero, or more digits than there are names
    for, is read digit by digit.
    """
    if (len(figures) > 1 and figures[0] == "0") or len(figures) > _LARGEST:
        return " ".join(map(digit, figures))
    number = int(figures)
    return year(figures) if 1000 < number < 3000 else cardinal(number)


def fraction(top: int, bottom: int) -> str:
    """ "one half", "three quarters", "twelve over three hundred"."""
    if bottom == 1:
        return cardinal(top)
    if bottom > 20 and bottom % 10:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    name = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
    if top != 1:
        name = "halves" if bottom == 2 else name + "s"
    return f"{cardinal(top)} {name}"


def roman(figures: str) -> int:
    """The value of a Roman numeral up to 399."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[figure] for figure in figures]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
