"""Packed linear layers against those they stand for: the operators have no public name; this holds them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from speech.decode import Pace, decode
from speech.networks.packed import PackedLinear, can_pack, pack
from tests.speech.networks.networks import seeded, semantic_model, semantic_requests

pytestmark = pytest.mark.skipif(not can_pack(torch.float32), reason="torch without oneDNN")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_rows", [1, 3, 16, 70])
def test_product_is_that_of_a_linear_layer(dtype: torch.dtype, n_rows: int) -> None:
    if not can_pack(dtype):
        pytest.skip(f"torch multiplies no {dtype} here")
    linear = nn.Linear(48, 80)
    with torch.no_grad():
        for tensor in linear.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=seeded(n_rows)))
    x = torch.randn(n_rows, 1, 48, generator=seeded(1))
    with torch.inference_mode():
        expected = linear(x)
        found = PackedLinear(linear.to(dtype))(x.to(dtype))
    assert found.shape == (n_rows, 1, 80)
    torch.testing.assert_close(
        found.float(), expected, atol=1e-4 if dtype == torch.float32 else 0.3, rtol=0.02
    )


@pytest.mark.parametrize("n_lanes", [1, 4])
def test_packed_model_draws_the_same_tokens(n_lanes: int) -> None:
    requests, packed = semantic_requests(9), semantic_model()
    pack(packed)
    assert all(isinstance(block.qkv, PackedLinear) for block in packed.blocks)
    expected = {take.key: take for take in decode(semantic_model(), iter(requests), Pace(n_lanes, 80))}
    for take in decode(packed, iter(requests), Pace(n_lanes, 80), poison=True):
        assert torch.equal(take.tokens, expected[take.key].tokens)
        assert take.is_ended == expected[take.key].is_ended


def test_weights_are_let_go() -> None:
    packed = semantic_model()
    n_before = sum(parameter.numel() for parameter in packed.parameters())
    pack(packed)
    n_linear = sum(16 * n for n in (48, 16, 64, 64)) * len(list(packed.blocks))
    assert sum(parameter.numel() for parameter in packed.parameters()) == n_before - n_linear
