"""One name for everything a take's sound depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speech.text.digest import SPEECH_VERSION, take_digest
from speech.text.utterance import Boundary, Span, Utterance
from speech.voice import Sampling

UTTERANCE = Utterance((Span("He said ", "en"), Span("Guten Tag.", "de")))


def digest(
    utterance: Utterance = UTTERANCE,
    voice_version: str = "ab" * 32,
    family: str = "draft",
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    take: int = 0,
) -> str:
    return take_digest(utterance, voice_version=voice_version, family=family, sampling=sampling, take=take)


def test_take_digest_never_changes_for_the_same_request() -> None:
    # Stored takes are found by this name: if this line must change, every stored take is lost.
    assert digest() == "5d646ec976c59d4079fc77d890815af06799553373fb760726b1aef1b8932722"


@pytest.mark.parametrize(
    "other",
    [
        digest(Utterance((Span("He said Guten Tag.", "en"),))),
        digest(Utterance((Span("He said ", "en"), Span("Guten Tag!", "de")))),
        digest(Utterance((Span("He said ", "en"), Span("Guten Tag.", "nl")))),
        digest(voice_version="cd" * 32),
        digest(family="stub"),
        digest(sampling=Sampling(speed=1.1)),
        digest(sampling=Sampling(settings=(("top_k", 5.0),))),
        digest(take=1),
    ],
)
def test_take_digest_changes_with_all_that_changes_the_sound(other: str) -> None:
    assert other != digest()
    assert len(other) == 64


def test_take_digest_ignores_what_stands_after() -> None:
    assert digest(replace(UTTERANCE, boundary=Boundary.PARAGRAPH)) == digest()


def test_take_digest_is_one_for_equal_numbers_and_any_order_of_settings() -> None:
    one = Sampling(speed=1, settings=(("b", 0), ("a", 2)))
    two = Sampling(speed=1.0, settings=(("a", 2.0), ("b", -0.0)))
    assert digest(sampling=one) == digest(sampling=two)


def test_take_digest_changes_with_the_familys_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {family: digest(family=family) for family in SPEECH_VERSION}
    monkeypatch.setattr("speech.text.digest.SPEECH_VERSION", {**SPEECH_VERSION, "draft": 1000})
    assert {family for family in before if digest(family=family) != before[family]} == {"draft"}


def test_take_digest_takes_any_text() -> None:
    assert digest(Utterance((Span("\ud800\0", "en"),))) != digest(Utterance((Span("\ud801\0", "en"),)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "drift"}, "family: 'drift' has no SPEECH_VERSION"),
        ({"take": -1}, "take: -1 is negative"),
        ({"sampling": Sampling(speed=float("nan"))}, "not JSON compliant"),
    ],
)
def test_take_digest_refuses(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digest(**wrong)  # type: ignore[arg-type]  # wrong on purpose
