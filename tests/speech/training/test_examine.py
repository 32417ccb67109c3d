from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from speech.levels import clipped_share, measure_levels
from speech.text.phonemes import phonemise
from speech.text.utterance import Span
from speech.training.examine import Fault, examine, held_share, inventory, report
from tests.speech.training.spoken import Sound, clipped, music, noise, speech


@pytest.mark.parametrize("seed", range(4))
def test_what_is_like_speech_is_kept(seed: int) -> None:
    found = examine("a.wav", speech(3.0, seed, pitch_hz=90 + 50 * seed), language="en")
    assert (found.fault, found.reason) == (None, "")
    assert found.seconds == 3.0
    assert found.snr_db is not None
    assert 20 < found.snr_db < 80


@pytest.mark.parametrize(
    ("spoilt", "fault", "said"),
    [
        (lambda: speech(0.5), Fault.SHORT, "0.50 s; at least 0.7 s"),
        (lambda: noise(55, -30), Fault.LONG, "55 s with one transcript; at most 54 s"),
        (lambda: speech(3) * 0.002, Fault.SILENT, "dBFS; speech must reach -45 dBFS"),
        (lambda: np.concatenate([speech(1), noise(9, -80)]), Fault.SILENT, "of it is speech; at least 30%"),
        (lambda: clipped(speech(3)), Fault.CLIPPED, "is cut off at the top; at most 0.1%"),
        (lambda: noise(3), Fault.NOISE, "above the noise; at least 15 dB"),
        (lambda: speech(3, noise_dbfs=-22), Fault.NOISE, "above the noise; at least 15 dB"),
        (lambda: music(3), Fault.MUSIC, "of its tones are held, as in music; at most 40%"),
        (lambda: speech(3) + 0.6 * music(3), Fault.MUSIC, "of its tones are held"),
    ],
)
def test_what_is_spoilt_is_dropped_in_one_line(spoilt: Callable[[], Sound], fault: Fault, said: str) -> None:
    sound = spoilt()
    found = examine("a.wav", sound, language="en", clipped=clipped_share(sound))
    assert found.fault is fault
    assert found.reason.startswith(f"a.wav: {fault}: ")
    assert said in found.reason
    assert "\n" not in found.reason


def test_tones_are_held_by_instruments_only() -> None:
    assert max(held_share(speech(4, seed)) for seed in range(4)) < 0.3
    assert min(held_share(music(4, seed)) for seed in range(4)) > 0.8


def test_levels_of_speech_after_silence() -> None:
    levels = measure_levels(np.concatenate([noise(2, -65), speech(3), noise(1, -65)]))
    assert levels.seconds_before == pytest.approx(2, abs=0.05)
    assert levels.seconds_after == pytest.approx(1, abs=0.3)
    assert levels.noise_dbfs == pytest.approx(-65, abs=1.5)


def test_the_report_counts_languages_and_phonemes() -> None:
    text = {"a.wav": ("The house was quiet.", "en"), "b.wav": ("今天天气很好。", "zh")}
    ids = {
        name: phonemise([Span(words, language)], symbols_version="v2").ids
        for name, (words, language) in text.items()
    }
    found = [examine(name, speech(2.0), language=language) for name, (_, language) in text.items()]
    dropped = examine("c.wav", noise(2), language="en")
    told = report([*found, dropped], ids, "v2")
    assert (told.n_kept, told.seconds) == (2, 4.0)
    assert told.languages == {"en": 2.0, "zh": 2.0}
    assert told.dropped == (dropped,)
    assert 0.2 < told.coverage["en"] < 0.4  # 11 of 39: DH AH HH AW S W Z K AY IY/AH T
    assert "OY" in told.missing["en"]
    assert "HH" not in told.missing["en"]
    assert told.lines[-1] == dropped.reason
    assert "noise" in json.dumps(told.as_json())


@pytest.mark.parametrize(
    ("language", "n", "one"), [("en", 39, "DH"), ("zh", 61, "iang"), ("ja", 38, "cl"), ("ko", 27, "ㅃ")]
)
def test_inventories_are_without_stress_and_tone(language: str, n: int, one: str) -> None:
    found = inventory(language, "v2")
    assert len(found) == n
    assert one in found
