from __future__ import annotations

import pytest
import torch

from speech.precision import Precision
from tests.speech.networks.networks import decoder, semantic_model, sound_requests


@pytest.mark.parametrize(
    ("precision", "of_tokens", "of_sound"),
    [
        (Precision.FP32, torch.float32, torch.float32),
        (Precision.MIXED, torch.float32, torch.bfloat16),
        (Precision.BF16, torch.bfloat16, torch.bfloat16),
    ],
)
def test_precision_changes_what_it_says_and_no_more(
    precision: Precision, of_tokens: torch.dtype, of_sound: torch.dtype
) -> None:
    semantic, sound = semantic_model(), decoder()
    precision.apply(semantic, sound)
    assert {parameter.dtype for parameter in semantic.parameters()} == {of_tokens}
    assert {parameter.dtype for parameter in sound.generator.parameters()} == {of_sound}
    for kept in (sound.prior, sound.flow, sound.style):
        assert {parameter.dtype for parameter in kept.parameters()} == {torch.float32}


def test_mixed_precision_speaks_in_float32() -> None:
    mixed = decoder()
    Precision.MIXED.apply(semantic_model(), mixed)
    for exact, rough in zip(decoder().speak(sound_requests(3)), mixed.speak(sound_requests(3)), strict=True):
        assert rough.dtype == torch.float32
        assert rough.shape == exact.shape
        assert (rough - exact).std() < 0.03 * exact.std()
