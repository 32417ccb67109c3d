"""What is published can be loaded again, and sounds as what was trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from speech.errors import VoiceError
from speech.networks import decoder as speaking
from speech.networks import posterior, semantic
from speech.networks.config import DecoderConfig
from speech.networks.decoder import Decoder, SoundRequest
from speech.networks.discriminators import Discriminators
from speech.networks.posterior import Posterior
from speech.networks.semantic import SemanticModel
from speech.networks.weights import load
from speech.training.decoder import Networks
from speech.training.published import decoder_tensors, judge_tensors, semantic_tensors
from tests.speech.networks.golden import golden
from tests.speech.training.toys import DECODER, SEMANTIC, decoder_step, decoder_trainer, semantic_step


@pytest.mark.parametrize("version", ["v2", "v2pro"])
def test_published_names_are_upstreams(version: str) -> None:
    file = golden(f"decoder_{version}")
    config = replace(DecoderConfig.of_upstream(file.config, file.weights), spectrogram_bins=24)
    with torch.random.fork_rng():
        step = decoder_step(config)
    published = decoder_tensors(step.networks.decoder, step.networks.posterior)
    theirs = {name: list(tensor.shape) for name, tensor in file.weights.items()}
    ours = {name: list(tensor.shape) for name, tensor in published.items()}
    assert {name: ours.get(name) for name in theirs} == theirs
    left = {name for name in ours.keys() - theirs.keys() if not name.startswith(("quantizer.", "ref_enc."))}
    assert left == set()
    assert all(tensor.dtype == torch.half for tensor in published.values())


def test_published_semantic_names_are_upstreams() -> None:
    file = golden("semantic")
    published = semantic_tensors(semantic_step().model)
    tail = {name.split(".", 4)[-1] for name in file.weights}
    assert {name.split(".", 4)[-1] for name in published} == tail


def test_a_trained_decoder_is_loaded_and_sounds_the_same() -> None:
    trainer = decoder_trainer(n_held_out=0)
    trainer.update()
    networks = trainer.step.networks  # type: ignore[attr-defined]  # it is a decoder's
    published = decoder_tensors(networks.decoder, networks.posterior)
    loaded = Decoder(DECODER).eval()
    load(loaded, published, speaking.UPSTREAM_NAMES, unused=speaking.UPSTREAM_UNUSED)
    own = {name: tensor for name, tensor in published.items() if name.startswith("enc_q.")}
    load(Posterior(DECODER), own, posterior.UPSTREAM_NAMES)
    request = SoundRequest("", torch.arange(9), torch.arange(5), torch.randn(12), noise_scale=0.0)
    [trained], [spoken] = networks.decoder.speak([request]), loaded.speak([request])
    torch.testing.assert_close(spoken, trained, atol=1e-3, rtol=0)  # half precision


def test_a_trained_semantic_model_is_loaded_again() -> None:
    step = semantic_step()
    loaded = SemanticModel(SEMANTIC)
    load(loaded, semantic_tensors(step.model), semantic.UPSTREAM_NAMES)
    for name, parameter in loaded.named_parameters():
        torch.testing.assert_close(parameter, step.named[name], atol=1e-3, rtol=1e-3)


def test_a_weight_too_large_for_half_precision_is_named() -> None:
    step = semantic_step()
    with torch.no_grad():
        step.model.head.weight[0, 0] = 1e6
    with pytest.raises(VoiceError, match=r"weight head.weight is not finite in half precision"):
        semantic_tensors(step.model)


HPARAMS = {
    "resblock": "1",
    "semantic_frame_rate": "25hz",
    "hidden_channels": 8,
    "inter_channels": 8,
    "filter_channels": 12,
    "n_heads": 2,
    "n_layers": 2,
    "kernel_size": 3,
    "gin_channels": 12,
    "upsample_initial_channel": 16,
    "upsample_rates": [10, 8, 8],
    "upsample_kernel_sizes": [16, 8, 8],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1]],
}
"""Of the toy, as upstream's file would say it; what is not there upstream hard-codes."""


def base() -> Networks:
    config = replace(DECODER, crossing_heads=4, flow_layers=4, posterior_layers=16)
    with torch.random.fork_rng():
        return Networks.fresh(config, Discriminators(widest=64))


def test_a_training_starts_from_what_another_published() -> None:
    first = base()
    tensors = decoder_tensors(first.decoder, first.posterior)
    second = Networks.of_upstream(HPARAMS, tensors, judge_tensors(first.discriminators))
    for one, other in (
        (first.decoder, second.decoder),
        (first.posterior, second.posterior),
        (first.discriminators, second.discriminators),
    ):
        mine = dict(one.named_parameters())
        for name, parameter in other.named_parameters():
            torch.testing.assert_close(parameter, mine[name], atol=1e-3, rtol=1e-3)


def test_a_voice_without_a_posterior_is_no_base() -> None:
    first = base()
    tensors = decoder_tensors(first.decoder, first.posterior)
    voice = {name: tensor for name, tensor in tensors.items() if not name.startswith("enc_q.")}
    with pytest.raises(VoiceError, match=r"the weights lack the posterior \(enc_q.\*\)"):
        Networks.of_upstream(HPARAMS, voice, judge_tensors(first.discriminators))
    with pytest.raises(VoiceError, match=r"the discriminators' weights lack 'discriminators\.0"):
        Networks.of_upstream(HPARAMS, tensors, {})
