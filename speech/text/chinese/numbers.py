"""Numbers in Chinese characters."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "零一二三四五六七八九"
_PLACES: Final = ("", "十", "百", "千")
_GROUPS: Final = ("", "万", "亿", "万亿", "亿亿")


def digits(figures: str, *, phone: bool = False) -> str:
    """The figures one by one; in telephone and room numbers 1 is 幺, which is not heard as 七."""
    said = "".join(_DIGITS[int(figure)] for figure in figures)
    return said.replace("一", "幺") if phone else said


def cardinal(figures: str) -> str:
    """A whole number: 10010 is 一万零一十. More figures than there are names for are read one by one."""
    number = figures.lstrip("0")
    if not number:
        return "零"
    if len(number) > 4 * len(_GROUPS):
        return digits(figures)
    groups = [number[max(0, end - 4) : end] for end in range(len(number), 0, -4)][::-1]
    said = ""
    for index, group in enumerate(groups):
        name = _GROUPS[len(groups) - 1 - index]
        value = _four(group)
        if not value:
            continue
        if said and (group[0] == "0" or groups[index - 1].endswith("0" * 4)):
            said += "零"
        said += value + name
    return said[1:] if said.startswith("一十") else said


def _four(group: str) -> str:
    """A number of up to four figures; nothing for zero, and no 零 before the first figure that is not."""
    said, gap = "", False
    for index, figure in enumerate(group):
        if figure == "0":
            gap = bool(said)
            continue
        said += ("零" if gap else "") + _DIGITS[int(figure)] + _PLACES[len(group) - 1 - index]
        gap = False
    return said


def decimal(figures: str) -> str:
    """A number with or without a decimal point; zeros after the last other figure are not read."""
    whole, _, fraction = figures.partition(".")
    fraction = fraction.rstrip("0") + ("0" if fraction.endswith("0") else "")
    said = cardinal(whole or "0")
    return f"{said}点{digits(fraction)}" if fraction else said
