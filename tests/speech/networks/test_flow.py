from __future__ import annotations

import pytest
import torch

from speech.networks.decoder import Decoder
from speech.networks.masks import valid_of
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import decoder, seeded


@pytest.mark.parametrize("version", ["v2", "v2pro"])
@torch.inference_mode()
def test_flow_equals_upstreams(version: str) -> None:
    file = golden(f"decoder_{version}")
    flow = Decoder.of_upstream(file.config, file.weights).flow
    valid = torch.ones(2, 1, file["flow_in"].shape[2], dtype=torch.bool)
    torch.testing.assert_close(
        flow(file["flow_in"], valid, file["flow_style"]), file["flow_out"], atol=1e-5, rtol=1e-5
    )


@torch.inference_mode()
def test_reverse_undoes_the_flow_in_lanes_of_different_length() -> None:
    flow, lengths = decoder().flow, torch.tensor([7, 2, 9])
    valid = valid_of(lengths, 9)[:, None]
    z, style = torch.randn(3, 8, 9, generator=seeded(1)) * valid, torch.randn(3, 12, 1, generator=seeded(2))
    moved = flow(z, valid, style)
    assert not torch.allclose(moved, z, atol=0.01)
    torch.testing.assert_close(flow.reverse(moved, valid, style), z, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_padding_does_not_change_a_lane() -> None:
    flow, lengths = decoder().flow, torch.tensor([7, 1, 9])
    valid = valid_of(lengths, 9)[:, None]
    z, style = torch.randn(3, 8, 9, generator=seeded(1)) * valid, torch.randn(3, 12, 1, generator=seeded(2))
    together = flow.reverse(z, valid, style)
    for lane, n in enumerate(lengths.tolist()):
        row = slice(lane, lane + 1)
        alone = flow.reverse(z[row, :, :n], torch.ones(1, 1, n, dtype=torch.bool), style[row])
        torch.testing.assert_close(together[row, :, :n], alone)
        assert not together[row, :, n:].any()
