from __future__ import annotations

import torch

from speech.networks import speaker
from speech.networks.config import SpeakerConfig
from speech.networks.speaker import SpeakerEncoder
from speech.networks.weights import load
from tests.speech.networks.golden import golden


@torch.inference_mode()
def test_embedding_equals_upstreams() -> None:
    file = golden("speaker")
    config = SpeakerConfig(**{**file.config, "depths": tuple(file.config["depths"])})
    network = SpeakerEncoder(config).eval()
    load(network, file.weights, unused=speaker.UPSTREAM_UNUSED)
    embedding = network(file["energies"])
    assert embedding.shape == (2, config.embedding_width)
    torch.testing.assert_close(embedding, file["embedding"], atol=1e-5, rtol=1e-5)
