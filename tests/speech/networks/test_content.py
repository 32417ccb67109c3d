from __future__ import annotations

import pytest
import torch

from speech.errors import VoiceError
from speech.networks.config import ContentConfig
from speech.networks.content import HOP, ContentEncoder
from tests.speech.networks.networks import randomise, seeded

CONTENT = ContentConfig(n_classes=5, n_mels=10, width=12, expansion=2, kernel=3, dilations=(1, 2))


def encoder() -> ContentEncoder:
    network = ContentEncoder(CONTENT).eval()
    randomise(network)
    return network


@pytest.mark.parametrize("n", [320, 639, 640, 5000])
@torch.inference_mode()
def test_content_has_fifty_frames_a_second(n: int) -> None:
    network = encoder()
    features = network(torch.randn(2, n, generator=seeded(1)))
    assert features.shape == (2, 12, n // HOP)
    assert features.std() > 0.01
    assert network.classify(features).shape == (2, 5, n // HOP)


@torch.inference_mode()
def test_padding_does_not_change_a_lane() -> None:
    network, lengths = encoder(), torch.tensor([2000, 320, 4160])
    sound = torch.randn(3, 4160, generator=seeded(1))  # noise in the padding too
    together = network(sound, lengths)
    for lane, n in enumerate(lengths.tolist()):
        alone = network(sound[lane : lane + 1, :n])
        torch.testing.assert_close(together[lane : lane + 1, :, : n // HOP], alone, atol=1e-5, rtol=1e-4)
        assert not together[lane, :, n // HOP :].any()


@torch.inference_mode()
def test_loudness_says_nothing() -> None:
    network, sound = encoder(), torch.randn(1, 3200, generator=seeded(1))
    torch.testing.assert_close(network(1145.14 * sound), network(sound), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(network(0.01 * sound), network(sound), atol=1e-4, rtol=1e-3)


@torch.inference_mode()
def test_silence_is_heard_as_such() -> None:
    assert torch.isfinite(encoder()(torch.zeros(1, 3200))).all()


@torch.inference_mode()
def test_content_is_local_to_its_sound() -> None:
    network, sound = encoder(), 0.1 * torch.randn(1, 60 * HOP, generator=seeded(1))
    changed = sound.clone()
    changed[:, 30 * HOP + 10 : 30 * HOP + 300] *= -1  # no louder than it was
    differs = (network(changed) - network(sound)).abs()[0].amax(dim=0) > 1e-5
    assert differs[30]
    assert not differs[: 30 - network.reach - 1].any()
    assert not differs[31 + network.reach + 1 :].any()


def test_even_kernel_is_refused() -> None:
    with pytest.raises(VoiceError, match="kernel of 4"):
        ContentConfig(n_classes=3, kernel=4)
