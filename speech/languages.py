"""The languages of espeak-ng 1.52.0, by BCP 47 tag."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from speech.errors import UnreadableTextError

_BY_THEIR_OWN_NAME: Final = """
    af am an ar as az ba be bg bn bpy bs ca ca-ba ca-nw ca-va chr cmn cmn-latn-pinyin cs cv cy da de el
    en-029 en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-gb-x-rp en-shaw en-us en-us-nyc eo es es-419
    et eu fa fa-latn fi fr fr-be fr-ch ga gd gn grc gu hak haw he hi hr ht hu hy hyw ia id io is it ja
    jbo ka kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml mr ms mt mto my nb nci ne nl nog om or pa
    pap piqd pl pt pt-br py qdb qu quc qya ro ru ru-cl ru-lv sd shn si sjn sk sl smj sq sr sv sw ta te
    th ti tk tn tr tt ug uk ur uz vi vi-vn-x-central vi-vn-x-south yue
"""
"""Not Faroese, Karakalpak and its test language: espeakng-loader 0.2.4 lacks their dictionaries."""

_BY_OTHER_NAMES: Final = {
    "en": "en-us",
    "en-au": "en",
    "en-gb": "en",  # its name for British English
    "en-ie": "en",
    "en-in": "en",
    "en-nz": "en",
    "en-za": "en",
    "es-ar": "es-419",
    "es-cl": "es-419",
    "es-co": "es-419",
    "es-mx": "es-419",
    "es-pe": "es-419",
    "es-us": "es-419",
    "es-ve": "es-419",
    "fr-fr": "fr",
    "iw": "he",  # BCP 47 keeps three retired codes: iw, in, and no for either Norwegian
    "in": "id",
    "nn": "nb",
    "no": "nb",
    "tlh": "piqd",
    "zh": "cmn",
    "zh-cmn": "cmn",
    "zh-hk": "yue",
    "zh-mo": "yue",
    "zh-hant-hk": "yue",
    "zh-hant-mo": "yue",
    "zh-yue": "yue",
    "zh-hak": "hak",
}

LANGUAGES: Final[Mapping[str, str]] = MappingProxyType(
    dict(sorted({**{name: name for name in _BY_THEIR_OWN_NAME.split()}, **_BY_OTHER_NAMES}.items()))
)
"""BCP 47 tag, lower case, and the espeak-ng voice that speaks it."""


def find_espeak_voice(language: str) -> str:
    """The espeak-ng voice of a BCP 47 tag: its own, or that of the tag with fewer subtags ("de-at" is "de").

    Raises:
        UnreadableTextError: espeak-ng does not have the language; another is never taken instead.
    """
    tag = language.lower().replace("_", "-")
    while tag:
        if tag in LANGUAGES:
            return LANGUAGES[tag]
        tag = tag.rpartition("-")[0]
    raise UnreadableTextError(f"language {language!r}: espeak-ng does not speak it")
