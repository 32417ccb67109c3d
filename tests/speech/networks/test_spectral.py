from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from speech.errors import VoiceError
from speech.networks.config import SpectralConfig
from speech.networks.decoder import Decoder
from speech.networks.spectral import SpectralGenerator
from speech.networks.weights import load
from tests.speech.networks.networks import DECODER, randomise, seeded, sound_requests

SPECTRAL = SpectralConfig(width=12, n_blocks=2, expansion=2, kernel=5, rate=2, hop=10, window=40)


def head(config: SpectralConfig = SPECTRAL) -> SpectralGenerator:
    network = SpectralGenerator(config, latent_width=8, style_width=12).eval()
    randomise(network, scale=0.5)
    return network


def drawn(n_lanes: int, n_frames: int) -> tuple[Tensor, Tensor]:
    latents = torch.randn(n_lanes, 8, n_frames, generator=seeded(1))
    return latents, torch.randn(n_lanes, 12, 1, generator=seeded(2))


@pytest.mark.parametrize("n", [1, 2, 9])
@torch.inference_mode()
def test_sound_has_hop_samples_a_frame_and_stays_within_one(n: int) -> None:
    network = head()
    sound = network(*drawn(2, n))
    assert network.hop == 20
    assert sound.shape == (2, 20 * n)
    assert sound.abs().max() <= 1
    assert sound.std() > 0.01


@torch.inference_mode()
def test_padding_does_not_change_a_lane() -> None:
    network, lengths = head(), torch.tensor([5, 1, 9])
    latents, style = drawn(3, 9)  # noise in the padding too
    together = network(latents, style, lengths)
    for lane, n in enumerate(lengths.tolist()):
        alone = network(latents[lane : lane + 1, :, :n], style[lane : lane + 1])
        torch.testing.assert_close(together[lane : lane + 1, : n * 20], alone, atol=1e-6, rtol=1e-5)
        assert not together[lane, n * 20 :].any()


@pytest.mark.parametrize("n_frames", [1, 7, 30, 200])
@torch.inference_mode()
def test_sound_made_in_tiles_has_no_joints(n_frames: int) -> None:
    network = head()
    latents, style = drawn(1, 61)
    tiled = network.in_tiles(latents, style, n_frames)
    torch.testing.assert_close(tiled, network(latents, style), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        SPECTRAL,
        dataclasses.replace(SPECTRAL, rate=1, hop=16, window=32),
        dataclasses.replace(SPECTRAL, rate=3),
    ],
)
@torch.inference_mode()
def test_reach_is_as_far_as_a_change_is_heard(config: SpectralConfig) -> None:
    network = head(config)
    n, middle = 4 * network.reach + 1, 2 * network.reach
    latents, style = drawn(1, n)
    changed = latents.clone()
    changed[:, :, middle] += 1
    differs = (network(changed, style) != network(latents, style)).reshape(n, -1).any(dim=1).nonzero()
    farthest = int((differs - middle).abs().max())
    assert network.reach - 2 <= farthest <= network.reach


@torch.inference_mode()
def test_spectra_of_a_sound_give_it_back() -> None:
    """The windows overlap and add to nothing but one."""
    config = SPECTRAL
    sound = torch.rand(1, 30 * config.hop, generator=seeded(3)) - 0.5
    side = (config.window - config.hop) // 2
    frames = torch.nn.functional.pad(sound, (side, side)).unfold(1, config.window, config.hop)
    spectra = torch.fft.rfft(frames * torch.hann_window(config.window)).transpose(1, 2)  # [1, bins, T]
    torch.testing.assert_close(head().sound_of(spectra, None), sound, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_half_precision_sounds_nearly_the_same() -> None:
    network = head()
    latents, style = drawn(1, 40)
    exact = network(latents, style)
    rough = network.to(torch.bfloat16)(latents, style)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).std() < 0.1 * exact.std()


def test_network_can_be_trained_through() -> None:
    network = head().train()
    latents, style = drawn(2, 4)
    latents.requires_grad_()
    network(latents, style, torch.tensor([4, 2])).square().mean().backward()
    assert latents.grad is not None
    assert latents.grad[0].any()
    assert not latents.grad[1, :, 2:].any()
    assert all(parameter.grad is not None for parameter in network.parameters())


@torch.inference_mode()
def test_decoder_with_the_head_speaks_alone_as_among_others() -> None:
    speaks = Decoder(dataclasses.replace(DECODER, generator=SPECTRAL)).eval()
    randomise(speaks)
    requests = sound_requests(4, speeds=(1.0, 1.3))
    for request, sound in zip(requests, speaks.speak(requests), strict=True):
        [alone] = speaks.speak([request])
        torch.testing.assert_close(sound, alone, atol=1e-5, rtol=0)
    together = speaks.generator(*(speaks.latents(requests)[i] for i in (0, 2, 1)))
    for lane, sound in zip(together, speaks.speak(requests), strict=True):
        torch.testing.assert_close(lane[: len(sound)], sound, atol=1e-5, rtol=0)


def test_weights_are_loaded_whole_or_not_at_all() -> None:
    network = head()
    tensors = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    load(network, tensors)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(VoiceError, match=r"lack blocks\.0\.scale"):
        load(network, {name: tensor for name, tensor in tensors.items() if name != "blocks.0.scale"})
    with pytest.raises(VoiceError, match="has no use for ups"):
        load(network, tensors | {"ups": torch.zeros(1)})


@pytest.mark.parametrize("shape", [{"window": 15}, {"window": 31}, {"kernel": 4}])
def test_head_that_would_leave_gaps_is_refused(shape: dict[str, int]) -> None:
    with pytest.raises(VoiceError):
        dataclasses.replace(SPECTRAL, **shape)
