from __future__ import annotations

import pytest
import torch

from speech.networks import posterior
from speech.networks.config import DecoderConfig
from speech.networks.posterior import Posterior
from speech.networks.weights import load, without_prefix
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import DECODER, seeded


@pytest.mark.parametrize("version", ["v2", "v2pro"])
@torch.inference_mode()
def test_latents_of_lanes_of_different_length_equal_upstreams(version: str) -> None:
    file = golden(f"decoder_{version}")
    own = {f"enc_q.{name}": tensor for name, tensor in without_prefix(file.weights, "enc_q.").items()}
    config = DecoderConfig.of_upstream(file.config, file.weights)
    network = Posterior(DecoderConfig(**{**plain(config), "spectrogram_bins": 24}))
    load(network, own, posterior.UPSTREAM_NAMES)
    latents = network(file["posterior_in"], file["posterior_lengths"], file["flow_style"])
    torch.testing.assert_close(latents.mean, file["posterior_mean"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(latents.log_deviation, file["posterior_log_deviation"], atol=1e-5, rtol=1e-5)


def plain(config: DecoderConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in DecoderConfig.__dataclass_fields__}


def test_style_gets_no_gradient_from_the_posterior() -> None:
    network = Posterior(DECODER)
    style = torch.randn(2, 12, 1, generator=seeded(1), requires_grad=True)
    latents = network(torch.rand(2, 11, 6, generator=seeded(2)), torch.tensor([6, 3]), style)
    (latents.mean.sum() + latents.log_deviation.sum()).backward()
    assert style.grad is None
    assert all(parameter.grad is not None for parameter in network.parameters())
