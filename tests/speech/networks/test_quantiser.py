from __future__ import annotations

import pytest
import torch

from speech.networks.decoder import Decoder
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import decoder, seeded


@pytest.mark.parametrize("version", ["v2", "v2pro"])
@torch.inference_mode()
def test_tokens_equal_upstreams(version: str) -> None:
    file = golden(f"decoder_{version}")
    quantiser = Decoder.of_upstream(file.config, file.weights).quantiser
    assert torch.equal(quantiser(file["content"]), file["codes"])


@torch.inference_mode()
def test_nearest_entry_wins() -> None:
    quantiser, content = decoder().quantiser, torch.randn(2, 10, 9, generator=seeded(1))
    projected = quantiser.content_in(content).transpose(1, 2)
    assert projected.shape[1] == 4, "an odd frame at the end is left out"
    expected = torch.cdist(projected, quantiser.codebook[None].expand(2, -1, -1)).argmin(dim=2)
    assert torch.equal(quantiser(content), expected)


@torch.inference_mode()
def test_tokens_stand_for_their_entries() -> None:
    quantiser, tokens = decoder().quantiser, torch.tensor([[3, 0, 29]])
    assert torch.equal(quantiser.stand_for(tokens)[0].T, quantiser.codebook[tokens[0]])
