"""A stranger's sound file is decoded apart, within limits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from models_store.hearing import HearingError, hear
from speech.units import SAMPLE_RATE
from tests.models_store.speaking import noise, silence, write_wav


def test_what_was_written_is_heard(tmp_path: Path) -> None:
    left, right = noise(44_100, -20), silence(44_100 / SAMPLE_RATE)
    heard = hear(write_wav(tmp_path / "a.wav", left, right, rate=44_100), most_seconds=10)
    assert (heard.rate, heard.seconds) == (44_100, 1.0)
    assert np.abs(heard.sound - left / 2).max() <= 2**-16
    assert heard.clipped == 0.0


def test_no_more_is_decoded_than_asked_for(tmp_path: Path) -> None:
    heard = hear(write_wav(tmp_path / "a.wav", noise(5 * SAMPLE_RATE, -20)), most_seconds=2)
    assert 2 < heard.seconds < 2.5


def test_what_unfolds_to_more_than_a_recording_is_refused(tmp_path: Path) -> None:
    many = write_wav(tmp_path / "a.wav", *[silence(1)] * 32)
    with pytest.raises(HearingError, match="has more channels, or more samples a second, than"):
        hear(many, most_seconds=1)


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("fifo", "is not a regular file"), ("absent", "no such file"), (".", "is a folder")):
        with pytest.raises(HearingError, match=f"^cannot be read as sound: {reason}$"):
            hear(tmp_path / name, most_seconds=1)
