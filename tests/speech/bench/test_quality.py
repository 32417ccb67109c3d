from __future__ import annotations

import pytest
import torch

from speech.bench.measure import Kept
from speech.bench.quality import compare, n_leading

SOUND = torch.randn(8000, generator=torch.Generator().manual_seed(0))  # sound in every band


def test_equal_outcomes_have_no_distance() -> None:
    kept = Kept(torch.arange(9), SOUND)
    quality = compare([kept], [kept], [SOUND])
    assert quality.tokens_equal == 1
    assert quality.log_mel_db == 0
    assert quality.signal_to_noise_db is None


def test_half_the_loudness_is_six_decibels() -> None:
    kept = Kept(torch.arange(9), SOUND)
    quality = compare([kept], [kept], [SOUND / 2])
    assert quality.log_mel_db == pytest.approx(6.02, abs=0.3)
    assert quality.signal_to_noise_db == pytest.approx(6.02, abs=0.01)


def test_tokens_count_up_to_the_first_that_differs() -> None:
    assert n_leading(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 9, 4])) == 2
    assert n_leading(torch.tensor([1, 2]), torch.tensor([1, 2, 3])) == 2
