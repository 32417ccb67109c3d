"""The corpus: own sentences and books' become sound with the times of its phones, the same each time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from speech.errors import TrainingError
from starter import flite
from starter.corpus import Corpus
from starter.narrators import VOICES, Narrator, narrator_of
from starter.phones import PHONES, SILENCE, id_of
from starter.recipe import CorpusRecipe
from starter.sentences import own_sentence, own_sentences
from starter.texts import plain, sentences_of

with_flite = pytest.mark.skipif(
    not flite.is_installed(), reason="flite is not installed: apt-get install flite"
)
RECIPE = CorpusRecipe(n_own=3, n_read=2, n_held_out=1, n_per_shard=2)
READ = ["It was a dark night.", "Nobody spoke.", "The end."]


def test_own_sentences_follow_from_their_numbers_and_differ() -> None:
    first = own_sentences(300)
    assert first == own_sentences(300)
    assert len(set(first)) == 300
    assert own_sentence(7) == own_sentence(7)
    assert all(text.isascii() and "{" not in text and text[-1] in '.!?"' for text in first)
    assert any("?" in text for text in first)
    assert any('"' in text for text in first)
    assert any(character.isdigit() for text in first for character in text)


def test_a_books_sentences_come_in_plain_letters(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(
        "The café was shut\u2014\u201cagain,\u201d she said. The café was open at nine o\u2019clock.\n\n"
        "Only 東京 was farther away than that. The café was open at nine o\u2019clock.\n",
        encoding="utf-8",
    )
    assert list(sentences_of([book])) == [
        'The cafe was shut - "again," she said.',
        "The cafe was open at nine o'clock.",
    ]
    assert plain("Hm.") is None
    assert plain("far too long " * 20) is None


def test_narrators_are_drawn_by_the_sentence() -> None:
    drawn = [narrator_of(f"sentence {i}", 0.6) for i in range(600)]
    assert drawn == [narrator_of(f"sentence {i}", 0.6) for i in range(600)]
    assert {narrator.voice for narrator in drawn} == set(VOICES)
    assert 0.5 < sum(narrator.is_plain for narrator in drawn) / 600 < 0.7
    assert all(narrator_of(f"sentence {i}", 1.0).is_plain for i in range(50))
    assert str(Narrator("slt", 200, Fraction(1), Fraction(8, 9))) == "slt@200 stretch 1 tract 8/9"


def test_an_unknown_phone_is_named() -> None:
    assert id_of("pau") == SILENCE
    assert len(set(PHONES)) == len(PHONES) == 41
    with pytest.raises(TrainingError, match="'qq'"):
        id_of("qq")


@with_flite
@pytest.mark.parametrize("voice", VOICES)
def test_every_phone_has_its_end(voice: str) -> None:
    spoken = flite.speak(Narrator(voice), "Hello there.")
    assert " ".join(PHONES[phone] for phone in spoken.phones) == "pau hh ax l ow dh eh r pau"
    assert int(spoken.ends[-1]) == len(spoken.sound)
    assert (spoken.ends.diff() > 0).all()
    loud = spoken.sound.float().abs()
    first, last = int(spoken.ends[0]), int(spoken.ends[-2])  # of what is no silence
    assert loud[first:last].mean() > 10 * loud[: first // 2].mean()


@with_flite
def test_a_changed_narrator_takes_as_long_and_sounds_higher() -> None:
    own = flite.speak(Narrator("rms"), "We were away a year ago.")
    raised = flite.speak(Narrator("rms", tract=Fraction(9, 8)), "We were away a year ago.")
    slowed = flite.speak(Narrator("rms", stretch=Fraction(5, 4)), "We were away a year ago.")
    assert torch.equal(raised.phones, own.phones)
    assert len(raised.sound) == pytest.approx(len(own.sound), rel=0.02)
    assert len(slowed.sound) == pytest.approx(1.25 * len(own.sound), rel=0.02)
    assert _middle_hertz(raised) == pytest.approx(9 / 8 * _middle_hertz(own), rel=0.06)


def _middle_hertz(spoken: flite.Spoken) -> float:
    """Where the middle of the spectrum's magnitudes lies."""
    magnitudes = torch.fft.rfft(spoken.sound.float()).abs()[: len(spoken.sound) // 8]  # up to 2,000 Hz
    share = magnitudes.cumsum(0) / magnitudes.sum()
    return float((share < 0.5).sum()) * flite.SAMPLE_RATE / len(spoken.sound)


@with_flite
def test_the_corpus_is_made_once_and_gone_on_with(tmp_path: Path) -> None:
    whole = Corpus(tmp_path / "whole", RECIPE, own_sentences(9), READ)
    whole.make(n_threads=2)
    assert whole.missing() == []
    entries = list(whole.entries())
    assert len(entries) == 5
    assert {entry.text for entry in entries} == {*own_sentences(3), "It was a dark night.", "Nobody spoke."}
    assert sum(entry.is_held_out for entry in entries) == 1
    assert all(entry.seconds > 0.3 for entry in entries)

    stopped = Corpus(tmp_path / "stopped", RECIPE, own_sentences(9), READ)
    asked = iter([False, True])
    stopped.make(must_stop=lambda: next(asked))
    assert stopped.missing() == [1, 2]
    stopped.make()
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "stopped" / path.name).read_bytes() == path.read_bytes()

    other = Corpus(tmp_path / "whole", replace(RECIPE, plain_share=0.0), own_sentences(9), READ)
    assert other.missing() == [0, 1, 2]  # what another recipe made is never read


def test_without_flite_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TrainingError, match="apt-get install flite"):
        flite.speak(Narrator("rms"), "Hello.")
