from __future__ import annotations

import jiwer
import numpy as np
import pytest
import torch

from speech.training.evaluate import (
    Likeness,
    cepstra_of,
    compare,
    misheard_share,
    pitch_of,
    spectral_distance,
)
from tests.speech.training.spoken import Sound, noise, speech


def tone(hertz: float, seconds: float = 1.0) -> Sound:
    time = np.arange(round(seconds * 32_000)) / 32_000
    return np.asarray(sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 9)) * 0.2, np.float32)


@pytest.mark.parametrize("hertz", [70, 100, 180, 320, 450])
def test_pitch_of_a_tone_is_its_own(hertz: float) -> None:
    pitch = pitch_of(tone(hertz))
    assert pitch.size > 80
    assert float(np.median(pitch)) == pytest.approx(12 * np.log2(hertz / 100), abs=0.2)


def test_noise_has_no_pitch() -> None:
    assert pitch_of(noise(1.0)).size < 5


def test_a_recording_is_like_itself() -> None:
    found = compare(speech(2.0), speech(2.0), lambda sound: torch.stack([sound.mean(), sound.abs().mean()]))
    assert found == Likeness(pytest.approx(1.0), 0.0, 1.0, 1.0, pytest.approx(0.0, abs=1e-6))


def test_a_higher_voice_is_so_many_semitones_higher() -> None:
    low, high = speech(3.0, pitch_hz=110), speech(3.0, pitch_hz=110 * 2 ** (5 / 12))
    found = compare(high, low)
    assert found.pitch_semitones == pytest.approx(5, abs=0.7)
    assert found.pitch_range == pytest.approx(1, abs=0.3)
    assert found.similarity is None


def test_a_faster_voice_is_faster_and_a_darker_one_farther() -> None:
    real = speech(3.0)
    made = real[: len(real) * 2 // 3]
    assert compare(made, real).rate == pytest.approx(2.75 / 2.0, abs=0.05)  # the real one ends with a pause
    dull = np.convolve(real, np.ones(40) / 40, "same").astype(np.float32)
    assert compare(dull, real).spectral_db > 3


def test_alignment_forgives_pace_and_not_another_sound() -> None:
    one = cepstra_of(speech(2.0, 1))
    slower = np.repeat(one, 2, axis=0)
    assert spectral_distance(slower, one) == pytest.approx(0.0, abs=1e-6)
    assert spectral_distance(cepstra_of(noise(2.0)), one) > 5


def test_means_leave_out_what_is_not_known() -> None:
    found = Likeness.mean([Likeness(None, 2.0, None, 1.0, 4.0), Likeness(None, None, None, 2.0, 6.0)])
    assert found == Likeness(None, 2.0, None, 1.5, 5.0)


@pytest.mark.parametrize(
    ("said", "heard", "language", "share"),
    [
        ("The house was quiet.", "the house, was QUIET", "en", 0.0),
        ("The house was quiet.", "The horse was quiet", "en", 1 / 4),
        ("The house was quiet.", "", "en", 1.0),
        ("The house was quiet.", "was quiet", "en", 2 / 4),
        ("Quiet.", "so very quiet now", "en", 3.0),
        ("It's the cat’s.", "its the cats", "en", 0.0),
        ("one two three four", "two three four one", "en", 2 / 4),
        ("今天天气很好。", "今天天气很号", "zh", 1 / 6),
        ("今天天气很好。", "今天 天气 很好", "zh-Hans", 0.0),
        ("ＡＢＣ", "abc", "ja", 0.0),
        ("안녕하세요 여러분", "안녕하세요 여러분", "ko", 0.0),
    ],
)
def test_what_is_misheard_is_counted(said: str, heard: str, language: str, share: float) -> None:
    assert misheard_share(said, heard, language) == pytest.approx(share)


def test_what_is_misheard_is_what_jiwer_counts() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        said, heard = (" ".join(rng.choice(list("abcde"), rng.integers(1, 12))) for _ in range(2))
        assert misheard_share(said, heard, "en") == pytest.approx(jiwer.wer(said, heard))
