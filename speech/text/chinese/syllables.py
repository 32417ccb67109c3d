"""A pinyin syllable as an initial and a final, in the symbols the voices have learnt (those of OpenCpop)."""

from __future__ import annotations

from typing import Final

from speech.text.symbols import IDS

_WRITTEN: Final = {"yan": "En", "ye": "E", "yu": "v", "yuan": "van", "yue": "ve", "yun": "vn"}
"""Finals that pinyin writes otherwise after y."""
_NO_INITIAL: Final = {"a": "AA", "e": "EE", "o": "OO"}


def split(syllable: str) -> tuple[str, str] | None:
    """Initial and final with tone of a syllable such as "zhong1" (v for ü); None if there is no such symbol."""
    plain, tone = syllable[:-1], syllable[-1:]
    if not plain:
        return None
    if plain[0] in _NO_INITIAL:
        initial, final = _NO_INITIAL[plain[0]], plain
    else:
        initial = plain[:2] if plain[:2] in {"zh", "ch", "sh"} else plain[0]
        final = plain[len(initial) :]
        if initial == "y":
            final = _WRITTEN.get(plain, final)
        elif final == "i" and initial in {"zh", "ch", "sh", "r"}:
            final = "ir"
        elif final == "i" and initial in {"z", "c", "s"}:
            final = "i0"
        elif initial in {"j", "q", "x"} and final.startswith("u"):
            final = "v" + final[1:]
    known = IDS["v1"]
    return (initial, final + tone) if initial in known and final + tone in known else None
