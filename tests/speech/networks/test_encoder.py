from __future__ import annotations

import pytest
import torch

from speech.networks.encoder import REACH, Encoder, RelativeAttention, add_band, band_of
from speech.networks.masks import blank, valid_of
from tests.speech.networks.networks import randomise, seeded


@pytest.mark.parametrize("n", [1, 3, 4, 5, 12])
def test_band_goes_to_the_diagonals_and_comes_back(n: int) -> None:
    band = torch.rand(2, 3, n, 2 * REACH + 1, generator=seeded(1)) + 1
    scores = torch.zeros(2, 3, n, n)
    add_band(scores, band)
    for i in range(n):
        for j in range(n):
            far = abs(j - i) > REACH
            expected = torch.zeros(2, 3) if far else band[:, :, i, j - i + REACH]
            assert torch.equal(scores[:, :, i, j], expected)
    inside = torch.tensor([[0 <= i + r - REACH < n for r in range(2 * REACH + 1)] for i in range(n)])
    assert torch.equal(band_of(scores), band * inside)


@torch.inference_mode()
def test_attention_equals_its_formula_written_out() -> None:
    attention = RelativeAttention(4, 1).eval()
    randomise(attention)
    x = torch.randn(1, 4, 7, generator=seeded(2))
    q, k, v = (projection(x)[0].T for projection in (attention.query, attention.key, attention.value))
    out = torch.zeros(7, 4)
    for i in range(7):
        offsets = [(j, j - i + REACH) for j in range(7)]
        key = torch.stack(
            [k[j] + (attention.relative_keys[0, r] if 0 <= r <= 2 * REACH else 0) for j, r in offsets]
        )
        value = torch.stack(
            [v[j] + (attention.relative_values[0, r] if 0 <= r <= 2 * REACH else 0) for j, r in offsets]
        )
        out[i] = (q[i] @ key.T / 2).softmax(dim=0) @ value
    expected = attention.out(out.T[None])
    torch.testing.assert_close(attention(x, torch.ones(1, 1, 7, dtype=torch.bool)), expected)


@torch.inference_mode()
def test_padding_does_not_change_a_lane() -> None:
    encoder = Encoder(8, 12, 2, 3, kernel=3).eval()
    randomise(encoder)
    lengths = torch.tensor([9, 1, 14])
    x = torch.randn(3, 8, 14, generator=seeded(3))  # noise in the padding too
    valid = valid_of(lengths, 14)[:, None]
    together = encoder(x, valid)
    assert torch.equal(together, blank(together, valid))
    for lane, n in enumerate(lengths.tolist()):
        alone = encoder(x[lane : lane + 1, :, :n], torch.ones(1, 1, n, dtype=torch.bool))
        torch.testing.assert_close(together[lane : lane + 1, :, :n], alone)
