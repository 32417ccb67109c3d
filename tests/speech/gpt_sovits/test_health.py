from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speech.errors import BadTakeError
from speech.gpt_sovits import open_voice
from speech.gpt_sovits.health import check_health
from speech.stub import StubVoice, make_sound
from speech.voice import Request, Samples, Take
from tests.speech.gpt_sovits.toys import source_of, write_weights

SECOND = 32_000


class OneSound(StubVoice):
    """A voice that says the same whatever it is asked."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(0.0)
        self._samples = samples

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        yield from (Take(request.key, self._samples) for request in requests)


def test_voice_that_speaks_is_well() -> None:
    check_health(StubVoice(0.0))
    check_health(OneSound(make_sound("", 3 * SECOND)))


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        (make_sound("", 20 * SECOND), r"a sentence of some 2\.\d s became 20\.0 s of sound"),
        (make_sound("", SECOND // 2), r"a sentence of some 2\.\d s became 0\.5 s of sound"),
        (make_sound("", 3 * SECOND) * np.float32(np.nan), "its sound is not finite"),
        (np.zeros(3 * SECOND, np.float32), "its sound is silent"),
        (np.zeros(0, np.float32), "its sound is silent"),
    ],
)
def test_voice_that_does_not_speak_is_not_well(samples: Samples, complaint: str) -> None:
    with pytest.raises(BadTakeError, match=f"the voice is not well: {complaint}"):
        check_health(OneSound(samples))


def test_networks_that_give_no_sound_are_found_out(toy_shelf: Path, tmp_path: Path) -> None:
    write_weights(tmp_path, "v2", loudness=0.0)
    voice = open_voice(dataclasses.replace(source_of(toy_shelf), weights=tmp_path, folder=None))
    with pytest.raises(BadTakeError, match="silent"):
        check_health(voice)
