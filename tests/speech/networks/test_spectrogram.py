from __future__ import annotations

import math

import pytest
import torch

from speech.networks.spectrogram import N_BINS, linear_spectrogram
from speech.units import SAMPLE_RATE
from tests.speech.networks.golden import golden


def test_spectrogram_equals_upstreams() -> None:
    file = golden("features")
    found = linear_spectrogram(file["sound"][None])[0, ::8]
    torch.testing.assert_close(found, file["spectrogram"], atol=1e-5, rtol=1e-5)


def test_tone_stands_in_its_bin() -> None:
    tone = torch.sin(torch.arange(SAMPLE_RATE) / SAMPLE_RATE * 2 * math.pi * 1000)
    spectrogram = linear_spectrogram(tone[None])
    assert spectrogram.shape == (1, N_BINS, 50)
    assert spectrogram[0, :, 5:-5].argmax(dim=0).eq(1000 * 2048 // SAMPLE_RATE).all()


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="704"):
        linear_spectrogram(torch.zeros(1, 704))
