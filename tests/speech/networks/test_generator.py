from __future__ import annotations

import dataclasses

import pytest
import torch

from speech.networks.config import GeneratorConfig
from speech.networks.generator import Generator
from tests.speech.networks.networks import GENERATOR, randomise, seeded


def generator() -> Generator:
    network = Generator(GENERATOR, latent_width=8, style_width=12).eval()
    randomise(network)
    return network


@torch.inference_mode()
def test_sound_has_hop_samples_a_frame_and_stays_within_one() -> None:
    network = generator()
    sound = network(
        30 * torch.randn(2, 8, 6, generator=seeded(1)), torch.randn(2, 12, 1, generator=seeded(2))
    )
    assert network.hop == 20
    assert sound.shape == (2, 120)
    assert sound.abs().max() <= 1
    assert sound.std() > 0.01


@torch.inference_mode()
def test_padding_does_not_change_a_lane() -> None:
    network, lengths = generator(), torch.tensor([5, 1, 9])
    latents = torch.randn(3, 8, 9, generator=seeded(1))  # noise in the padding too
    style = torch.randn(3, 12, 1, generator=seeded(2))
    together = network(latents, style, lengths)
    for lane, n in enumerate(lengths.tolist()):
        alone = network(latents[lane : lane + 1, :, :n], style[lane : lane + 1])
        torch.testing.assert_close(together[lane : lane + 1, : n * 20], alone, atol=1e-6, rtol=1e-5)
        assert not together[lane, n * 20 :].any()


@torch.inference_mode()
def test_sound_is_local_to_its_frames() -> None:
    """What is far from a change does not hear it, so a long utterance may be made in parts."""
    network = generator()
    latents, style = torch.randn(1, 8, 60, generator=seeded(1)), torch.randn(1, 12, 1, generator=seeded(2))
    changed = latents.clone()
    changed[:, :, 30] += 1
    differs = (network(changed, style) != network(latents, style))[0].reshape(60, 20).any(dim=1)
    assert differs[30]
    assert not differs[:15].any()
    assert not differs[45:].any()


@pytest.mark.parametrize("n_frames", [1, 7, 30, 200])
@torch.inference_mode()
def test_sound_made_in_tiles_has_no_joints(n_frames: int) -> None:
    network = generator()
    latents, style = torch.randn(1, 8, 61, generator=seeded(1)), torch.randn(1, 12, 1, generator=seeded(2))
    tiled = network.in_tiles(latents, style, n_frames)
    torch.testing.assert_close(tiled, network(latents, style), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("config", [GENERATOR, GeneratorConfig()], ids=["toy", "v2"])
@torch.inference_mode()
def test_reach_is_as_far_as_a_change_is_heard(config: GeneratorConfig) -> None:
    """Rounded up at each stage, so never too short; a frame or two too long costs little."""
    narrow = dataclasses.replace(config, width=1 << len(config.rates))
    network = Generator(narrow, latent_width=2, style_width=2).eval()
    for name, parameter in network.named_parameters():
        parameter.fill_(0.0 if name.endswith("bias") else 0.1)  # silence stays silence, nothing cancels
    n, middle = 4 * network.reach + 1, 2 * network.reach
    latents = torch.zeros(1, 2, n)
    latents[:, :, middle] = 1
    sound = network(latents, torch.zeros(1, 2, 1))
    heard = sound[0].reshape(n, -1).bool().any(dim=1).nonzero()
    farthest = int((heard - middle).abs().max())
    assert network.reach - 2 <= farthest <= network.reach


@torch.inference_mode()
def test_half_precision_sounds_nearly_the_same() -> None:
    network = generator()
    latents, style = torch.randn(1, 8, 40, generator=seeded(1)), torch.randn(1, 12, 1, generator=seeded(2))
    exact = network(latents, style)
    rough = network.to(torch.bfloat16)(latents, style)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).std() < 0.03 * exact.std()


def test_network_can_be_trained_through() -> None:
    network = generator().train()
    latents = torch.randn(2, 8, 4, generator=seeded(1), requires_grad=True)
    network(
        latents, torch.randn(2, 12, 1, generator=seeded(2)), torch.tensor([4, 2])
    ).square().mean().backward()
    assert latents.grad is not None
    assert latents.grad[0].any()
    assert not latents.grad[1, :, 2:].any()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("n", [1, 2, 3])
@torch.inference_mode()
def test_few_frames_are_enough(n: int) -> None:
    assert generator()(torch.zeros(1, 8, n), torch.zeros(1, 12, 1)).shape == (1, 20 * n)
