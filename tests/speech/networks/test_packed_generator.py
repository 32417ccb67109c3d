"""The packed generator against the one it stands for: oneDNN's operators have no public name."""

from __future__ import annotations

import pytest
import torch

from speech.networks.generator import Generator
from speech.networks.packed import can_pack
from speech.networks.packed_generator import PackedGenerator, pack_generator, tiles_of
from tests.speech.networks.networks import GENERATOR, decoder, randomise, seeded, sound_requests

pytestmark = pytest.mark.skipif(not can_pack(torch.float32), reason="torch without oneDNN")


def generator() -> Generator:
    network = Generator(GENERATOR, latent_width=8, style_width=12).eval()
    randomise(network)
    return network


@pytest.mark.parametrize("n_frames", [1, 3, 15, 16, 17, 40, 64])
@torch.inference_mode()
def test_sound_is_the_generators(n_frames: int) -> None:
    latents = torch.randn(1, 8, n_frames, generator=seeded(1))
    style = torch.randn(1, 12, 1, generator=seeded(2))
    expected = generator()(latents, style)
    found = PackedGenerator(generator())(latents, style, torch.tensor([n_frames]))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_half_precision_is_as_near_to_the_exact_sound_as_the_generators_own() -> None:
    if not can_pack(torch.bfloat16):
        pytest.skip("torch convolves no bfloat16 here")
    latents, style = torch.randn(1, 8, 40, generator=seeded(1)), torch.randn(1, 12, 1, generator=seeded(2))
    exact, rough = generator()(latents, style), generator().to(torch.bfloat16)
    distance = (rough(latents, style) - exact).std()
    assert 0 < (PackedGenerator(rough)(latents, style) - exact).std() < 1.1 * distance


@pytest.mark.parametrize("n", [1, 15, 16, 17, 31, 32, 100])
def test_tiles_cover_every_frame_and_are_of_one_length(n: int) -> None:
    tiles = tiles_of(n)
    assert {tile.n for tile in tiles} == {min(n, 16)}
    assert sorted({frame for tile in tiles for frame in range(tile.first, tile.first + tile.n)}) == [
        *range(n)
    ]


def test_decoder_speaks_through_it_and_lets_the_weights_go() -> None:
    packed = decoder()
    n_before = sum(parameter.numel() for parameter in packed.generator.parameters())
    pack_generator(packed)
    assert isinstance(packed.generator, PackedGenerator)
    assert sum(parameter.numel() for parameter in packed.generator.parameters()) < n_before / 4
    for expected, found in zip(
        decoder().speak(sound_requests(3)), packed.speak(sound_requests(3)), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_long_lanes_have_no_joints() -> None:
    latents, style = torch.randn(1, 8, 1030, generator=seeded(1)), torch.randn(1, 12, 1, generator=seeded(2))
    packed = PackedGenerator(generator())
    torch.testing.assert_close(
        packed.in_tiles(latents, style, 250), packed(latents, style), atol=1e-6, rtol=1e-5
    )
