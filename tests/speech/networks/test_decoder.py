from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import VoiceError
from speech.networks.decoder import Decoder, SoundRequest
from speech.networks.masks import pad_lanes
from speech.networks.prior import stretch
from tests.speech.networks.golden import Golden, golden
from tests.speech.networks.networks import decoder, seeded, sound_requests


def requests_of(file: Golden) -> list[SoundRequest]:
    style = (file["style0"] + file["style1"]) / 2
    return [
        SoundRequest(
            str(i), file[f"tokens{i}"], file[f"phonemes{i}"], style, float(file[f"speed{i}"]), noise_scale=0
        )
        for i in range(4)
    ]


@pytest.mark.parametrize("version", ["v2", "v2pro"])
@pytest.mark.parametrize("n_together", [1, 4])
def test_sound_equals_upstreams_alone_and_together_at_any_speed(version: str, n_together: int) -> None:
    file = golden(f"decoder_{version}")
    speaks, requests = Decoder.of_upstream(file.config, file.weights), requests_of(file)
    sounds = [
        sound
        for first in range(0, 4, n_together)
        for sound in speaks.speak(requests[first : first + n_together])
    ]
    for i, sound in enumerate(sounds):
        torch.testing.assert_close(sound, file[f"sound{i}"], atol=5e-5, rtol=0)


@given(st.permutations(range(7)), st.integers(1, 7))
@settings(max_examples=15, deadline=None)
def test_sound_depends_on_its_request_alone(order: list[int], n: int) -> None:
    speaks, requests = decoder(), sound_requests(7, speeds=(1.0, 1.3, 0.7))
    chosen = [requests[i] for i in order[:n]]
    for request, sound in zip(chosen, speaks.speak(chosen), strict=True):
        [alone] = speaks.speak([request])
        torch.testing.assert_close(sound, alone, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_generator_with_masks_equals_the_generator_lane_by_lane() -> None:
    """A CPU never takes the path of the masks by itself; a GPU always does."""
    speaks, requests = decoder(), sound_requests(5)
    together = speaks.generator(*(speaks.latents(requests)[i] for i in (0, 2, 1)))
    for lane, sound in enumerate(speaks.speak(requests)):
        torch.testing.assert_close(together[lane, : len(sound)], sound, atol=1e-5, rtol=0)


def test_noise_is_the_requests_own() -> None:
    speaks, [request] = decoder(), sound_requests(1)

    def speak(**changes: object) -> torch.Tensor:
        [sound] = speaks.speak([dataclasses.replace(request, **changes)])  # type: ignore[arg-type]  # by name
        return sound

    assert torch.equal(speak(), speak())
    assert not torch.equal(speak(), speak(take=1))
    assert not torch.equal(speak(), speak(key="another"))
    assert torch.equal(speak(noise_scale=0.0), speak(noise_scale=0.0, key="another"))


def test_token_is_as_long_as_its_frames() -> None:
    speaks, requests = decoder(), sound_requests(3)
    for request, sound in zip(requests, speaks.speak(requests), strict=True):
        assert len(sound) == len(request.tokens) * 2 * 20


@pytest.mark.parametrize(("speed", "n"), [(1.25, 9), (0.8, 13), (2.0, 6), (1.0, 10)])
def test_stretch_gives_upstreams_number_of_frames(speed: float, n: int) -> None:
    x, n_frames = stretch(torch.randn(1, 3, 10, generator=seeded(1)), torch.tensor([10]), (speed,))
    assert (x.shape[2], n_frames.tolist()) == (n, [n])


def test_stretch_looks_at_valid_frames_alone() -> None:
    lanes, lengths = pad_lanes([torch.ones(3, 4), torch.ones(3, 9)], dim=1)
    x, n_frames = stretch(lanes, lengths, (0.5, 2.0))
    assert n_frames.tolist() == [9, 5]
    assert x[0, :, :9].eq(1).all()


def test_missing_tensor_is_named() -> None:
    file = golden("decoder_v2")
    weights = {name: tensor for name, tensor in file.weights.items() if name != "enc_p.proj.bias"}
    with pytest.raises(VoiceError, match=r"the weights lack prior\.latents_out\.bias"):
        Decoder.of_upstream(file.config, weights)


def test_surplus_tensor_is_named() -> None:
    file = golden("decoder_v2")
    with pytest.raises(VoiceError, match=r"no use for cfm\.estimator\.x"):
        Decoder.of_upstream(file.config, file.weights | {"cfm.estimator.x": torch.ones(1)})


def test_voice_without_its_posterior_loads() -> None:
    file = golden("decoder_v2")
    lean = {name: tensor for name, tensor in file.weights.items() if not name.startswith("enc_q.")}
    assert len(lean) < len(file.weights)
    Decoder.of_upstream(file.config, lean)
