# ruff: noqa: E501 - markup and tables of cases read better on one line
from __future__ import annotations

import pytest

from book.language import contradicts, guess_language, normalise_tag, primary


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It was the best of times, and it was the worst of times for all of them.", "en"),
        ("Es war die beste Zeit, und es war auch die schlimmste, die ich mit ihm hatte.", "de"),
        ("C'était le meilleur des temps, et il y avait dans la maison une femme qui ne dormait pas.", "fr"),
        (
            "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo.",
            "es",
        ),
        (
            "Nel mezzo del cammin di nostra vita mi ritrovai per una selva che non era di questa terra, e la via.",
            "it",
        ),
        ("Мой дядя самых честных правил", "ru"),
        ("智に働けば角が立つ。情に棹させば流される。", "ja"),
        ("此开卷第一回也。作者自云", "zh"),
        ("안녕하세요. 오늘은 날씨가 좋습니다.", "ko"),
        ("香港嘅天氣好熱，我哋去飲茶啦。", "yue"),
        ("Hello，欢迎使用有声书系统。今天是2026年11月21日", "zh"),
        ("Xyzzy plugh", "und"),
        ("12345", "und"),
        ("", "und"),
    ],
)
def test_language_is_guessed_or_left_open(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("tag", "normal"),
    [
        ("EN_us", "en-us"),
        ("eng", "en"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("und", ""),
        ("", ""),
        (None, ""),
        ("x y", ""),
        ("english", ""),
    ],
)
def test_tag_is_normalised(tag: str | None, normal: str) -> None:
    assert normalise_tag(tag) == normal


def test_primary_and_contradiction() -> None:
    assert (primary("zh-hant-tw"), primary("zh-yue"), primary("en")) == ("zh", "yue", "en")
    assert contradicts("en", "山路を登りながら")
    assert contradicts("zh", "山路を登りながら")
    assert not contradicts("ja", "東京")
    assert not contradicts("en", "1984")
    assert not contradicts("xx", "山")
