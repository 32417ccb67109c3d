"""Losses and gradients of the update steps against upstream's own training code."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from speech.networks import decoder as speaking
from speech.networks import posterior, semantic
from speech.networks.config import DecoderConfig, SemanticConfig
from speech.networks.decoder import Decoder
from speech.networks.discriminators import PERIODS_V2, PERIODS_V2PRO, Discriminators
from speech.networks.posterior import Posterior
from speech.networks.semantic import SemanticModel
from speech.networks.weights import load, rename, without_prefix
from speech.training import losses
from speech.training.batches import DecoderBatch, Features, SemanticBatch
from speech.training.decoder import DecoderStep, Networks
from speech.training.normed import PAIR_NAMES, restore_pairs, unfold
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.semantic import SemanticStep
from tests.speech.training import drawn
from tests.speech.training.golden import golden, weights

CLOSE = {"rel": 1e-4, "abs": 1e-4}


def networks_of(file: dict[str, Any]) -> Networks:
    """The toy of the golden file: narrower than upstream builds, so it is put together here."""
    is_judge = {name: name.startswith("judges.") for name in file["shapes"]}
    tensors = weights({name: shape for name, shape in file["shapes"].items() if not is_judge[name]})
    judges = weights({name: shape for name, shape in file["shapes"].items() if is_judge[name]})
    judges = without_prefix(judges, "judges.")
    config = DecoderConfig.of_upstream(file["hparams"], tensors)
    config = dataclasses.replace(config, crossing_heads=2)  # which upstream hard-codes
    periods = PERIODS_V2PRO if config.speaker_width else PERIODS_V2
    made = Networks(Decoder(config), Posterior(config), Discriminators(periods, widest=64))
    own = {f"enc_q.{name}": tensor for name, tensor in without_prefix(tensors, "enc_q.").items()}
    for network, given, names, unused in (
        (made.decoder, tensors, speaking.UPSTREAM_NAMES, speaking.UPSTREAM_UNUSED),
        (made.posterior, own, posterior.UPSTREAM_NAMES, ()),
        (made.discriminators, judges, (), ()),
    ):
        load(network, given, names, unused=unused)
        unfold(network)
        restore_pairs(network, given, names)
    return made


def recordings_of(file: dict[str, Any], networks: Networks) -> list[Features]:
    """The recordings upstream was given; the tokens are its own quantiser's."""
    lanes = []
    for i, (n_frames, n_phonemes) in enumerate(zip(file["n_frames"], file["n_phonemes"], strict=True)):
        speaker = networks.decoder.config.speaker_width
        lanes.append(
            Features(
                name=str(i),
                sound=drawn.sound(f"sound{i}", int(n_frames) * 640),
                tokens=torch.from_numpy(file["tokens"][i][: n_frames // 2]).long(),
                phonemes=drawn.integers(f"phonemes{i}", networks.decoder.config.n_phonemes, int(n_phonemes)),
                speaker=drawn.normal(f"speaker{i}", speaker) if speaker else None,
            )
        )
    return lanes


def our_name(theirs: str, names: tuple[tuple[str, str], ...]) -> str:
    return rename(rename(theirs, names), PAIR_NAMES)


@pytest.mark.parametrize("version", ["v2", "v2pro"])
def test_losses_and_gradients_of_the_decoder_equal_upstreams(version: str) -> None:
    file = golden(version)
    networks = networks_of(file)
    step = DecoderStep(networks, DecoderOptions(crop_frames=8))
    batch = DecoderBatch.of(recordings_of(file, networks), ["", ""])
    width = networks.decoder.config.latent_width
    attempt = step.attempt_with(batch, drawn.normal("noise", 2, width, 60), torch.from_numpy(file["starts"]))
    assert attempt.made.abs().mean().item() == pytest.approx(float(file["made_mean"]), rel=1e-4)

    judging = losses.judging_loss(
        networks.discriminators(attempt.real), networks.discriminators(attempt.made.detach())
    )
    assert judging.item() == pytest.approx(float(file["judging"]), **CLOSE)
    torch.autograd.backward(judging)
    gradients = norms(networks.discriminators, "judges.")
    networks.discriminators.zero_grad()

    parts = step.losses_of(attempt)
    assert parts["adversarial"].item() == pytest.approx(float(file["adversarial"]), **CLOSE)
    assert 2 * parts["features"].item() == pytest.approx(float(file["features_weighted"]), **CLOSE)
    assert 45 * parts["mel"].item() == pytest.approx(float(file["mel_weighted"]), **CLOSE)
    assert parts["divergence"].item() == pytest.approx(float(file["divergence"]), **CLOSE)
    total = step.weigh(parts, number=0)
    assert total.item() == pytest.approx(float(file["total"]), **CLOSE)
    torch.autograd.backward(total)
    ours = gradients | norms(networks.decoder, "") | norms(networks.posterior, "enc_q.")
    for name, norm in zip(file["gradient_names"], file["gradient_norms"], strict=True):
        if name.startswith("enc_q."):
            mine = "enc_q." + our_name(name, posterior.UPSTREAM_NAMES)
        elif name.startswith("judges."):
            mine = our_name(name, ())
        else:
            mine = our_name(name, speaking.UPSTREAM_NAMES)
        assert ours.pop(mine) == pytest.approx(float(norm), rel=1e-2, abs=1e-5), name
    assert not ours, "upstream has no gradient for these"


def norms(network: torch.nn.Module, prefix: str) -> dict[str, float]:
    return {
        prefix + name: p.grad.double().norm().item()
        for name, p in network.named_parameters()
        if p.grad is not None
    }


def semantic_step(file: dict[str, Any]) -> SemanticStep:
    model = SemanticModel(SemanticConfig.of_upstream(file["config"]))
    load(model, weights(file["shapes"]), semantic.UPSTREAM_NAMES)
    return SemanticStep(model, SemanticOptions(dropout=0.0))


def semantic_lanes(file: dict[str, Any]) -> list[Features]:
    config = file["config"]
    return [
        Features(
            name=str(i),
            sound=torch.zeros(0),
            # the last token is a guess and is left out of the semantic model's lessons: any will do
            tokens=torch.cat([drawn.integers(f"tokens{i}", config["EOS"], int(n)), torch.zeros(1)]).long(),
            phonemes=drawn.integers(f"phonemes{i}", config["phoneme_vocab_size"], int(p)),
            linguistic=drawn.normal(f"linguistic{i}", int(p), 1024),
        )
        for i, (p, n) in enumerate(zip(file["n_phonemes"], file["n_tokens"], strict=True))
    ]


def test_losses_and_gradients_of_the_semantic_model_equal_upstreams() -> None:
    file = golden("semantic")
    for i, lane in enumerate(semantic_lanes(file)):
        step = semantic_step(file)
        loss, n_targets = step.loss(SemanticBatch.of([lane], "", 1024))
        assert loss.item() == pytest.approx(float(file["alone"][i]), rel=1e-4)
        assert int(n_targets) == file["n_tokens"][i] + 1
        torch.autograd.backward(loss)
        ours = norms(step.model, "")
        for name, norm in zip(file["gradient_names"], file["gradient_norms"][i], strict=True):
            mine = rename(f"model.{name}", semantic.UPSTREAM_NAMES)
            assert ours[mine] == pytest.approx(float(norm), rel=2e-3, abs=1e-5), name


def test_the_loss_of_a_batch_is_the_sum_of_its_parts_where_upstreams_is_not() -> None:
    file = golden("semantic")
    step, lanes = semantic_step(file), semantic_lanes(file)
    together, n_targets = step.loss(SemanticBatch.of(lanes, "", 1024))
    assert together.item() == pytest.approx(float(file["alone"].sum()), rel=1e-5)
    assert int(n_targets) == sum(file["n_tokens"]) + 3
    assert float(file["batch"]) > 1.3 * file["alone"].sum()  # upstream's: its mask is on the wrong side


def gradients(step: SemanticStep, *batches: SemanticBatch) -> dict[str, Tensor]:
    step.model.zero_grad()
    for batch in batches:
        torch.autograd.backward(step.loss(batch)[0])
    return {name: p.grad.clone() for name, p in step.model.named_parameters() if p.grad is not None}


def test_so_is_its_gradient() -> None:
    file = golden("semantic")
    step, lanes = semantic_step(file), semantic_lanes(file)
    together = gradients(step, SemanticBatch.of(lanes, "", 1024))
    apart = gradients(step, *(SemanticBatch.of([lane], "", 1024) for lane in lanes))
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, apart[name], rtol=1e-3, atol=1e-4)
