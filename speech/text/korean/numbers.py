"""Numbers in hangul: Sino-Korean, native before what is counted so, and digit by digit."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "영일이삼사오육칠팔구"
_PHONE: Final = "공일이삼사오육칠팔구"
_PLACES: Final = ("", "십", "백", "천")
_GROUPS: Final = ("", "만", "억", "조", "경")
_ONES: Final = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS: Final = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def digits(figures: str) -> str:
    """The figures one by one, 0 as 영."""
    return "".join(_DIGITS[int(figure)] for figure in figures)


def phone(figures: str) -> str:
    """The figures one by one, 0 as 공, as in telephone numbers."""
    return "".join(_PHONE[int(figure)] for figure in figures)


def sino(figures: str) -> str:
    """A whole number in Sino-Korean: 10500 is 만오백. Above the names there are, digit by digit."""
    number = figures.lstrip("0")
    if not number:
        return "영"
    if len(number) > 4 * len(_GROUPS):
        return digits(figures)
    said = ""
    for index, end in enumerate(range(len(number), 0, -4)):
        group = number[max(0, end - 4) : end]
        name = "".join(
            ("" if figure == "1" and place else _DIGITS[int(figure)]) + _PLACES[place]
            for place, figure in zip(range(len(group) - 1, -1, -1), group, strict=True)
            if figure != "0"
        )
        if name:
            said = ("" if name == "일" and index == 1 else name) + _GROUPS[index] + said
    return said


def native(figures: str) -> str:
    """A number from 1 to 99 as it stands before what it counts: 한, 스무, 서른다섯; others in Sino-Korean."""
    number = int(figures)
    if not 0 < number < 100:
        return sino(figures)
    tens, ones = divmod(number, 10)
    return "스무" if number == 20 else _TENS[tens] + _ONES[ones]


def decimal(figures: str) -> str:
    """A number with or without a decimal point."""
    whole, point, fraction = figures.partition(".")
    return sino(whole or "0") + (f"점{digits(fraction)}" if point else "")
