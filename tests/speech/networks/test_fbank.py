from __future__ import annotations

import pytest
import torch

from speech.networks.fbank import mel_energies
from tests.speech.networks.golden import golden


def test_energies_equal_upstreams() -> None:
    file = golden("features")
    found = mel_energies(file["sound"][None])[0, ::6]
    torch.testing.assert_close(found, file["energies"], atol=1e-4, rtol=0)


def test_frames_stand_ten_milliseconds_apart() -> None:
    assert mel_energies(torch.zeros(2, 16_000)).shape == (2, 98, 80)
    assert mel_energies(torch.zeros(1, 400), n_mels=12).shape == (1, 1, 12)


def test_silence_is_at_the_floor() -> None:
    assert mel_energies(torch.zeros(1, 400)).unique().numel() == 1


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="400"):
        mel_energies(torch.zeros(1, 399))
