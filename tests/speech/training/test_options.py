"""Options change speed and memory, and the learning only as far as they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from speech.errors import TrainingError
from speech.training.batches import DecoderBatch, SemanticBatch
from speech.training.decoder import DecoderStep
from speech.training.kinds import train_decoder, train_semantic
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.semantic import SemanticStep
from tests.speech.training.toys import (
    DECODER,
    decoder_step,
    decoder_trainer,
    distance,
    recordings,
    same_bits,
    semantic_step,
    semantic_trainer,
    weights,
)

KEYS = ["a", "b", "c", "d"]


def decoder_batches(n: int, **options: Any) -> list[DecoderBatch]:
    """Four recordings of one length in `n` batches."""
    lanes = [recordings(1, DECODER, first=4 * i)[0] for i in range(4)]
    size = 4 // n
    return [DecoderBatch.of(lanes[i : i + size], KEYS[i : i + size], **options) for i in range(0, 4, size)]


def after_an_update(step: DecoderStep, batches: list[DecoderBatch]) -> dict[str, torch.Tensor]:
    """The gradients of an update, times a constant: what AdamW keeps of the first."""
    step.update(batches, number=0, epoch=0)
    return {name: tensor for name, tensor in step.tensors().items() if name.endswith("/exp_avg")}


def largest_change(step: DecoderStep, before: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((p.detach() - before[name]).abs().max()) for name, p in step.named.items()}


def test_several_passes_are_an_update_of_one() -> None:
    together = after_an_update(decoder_step(), decoder_batches(1))
    assert distance(together, after_an_update(decoder_step(), decoder_batches(2))) < 1e-3


def test_recomputing_changes_nothing_of_the_decoder() -> None:
    plain = after_an_update(decoder_step(), decoder_batches(1))
    assert distance(plain, after_an_update(decoder_step(recompute=True), decoder_batches(1))) < 1e-5


@pytest.mark.parametrize(
    "options", [{"bf16": True}, {"fused": True}, {"ceiling": 1.0}, {"jitter_samples": 300}]
)
def test_options_of_the_decoder_still_learn(options: dict[str, Any]) -> None:
    trainer = decoder_trainer(n=2, n_held_out=0, epochs=6, rate=3e-3, **options)
    losses = [trainer.update()["mel"] for _ in range(trainer.order.n_updates)]
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize(
    "options",
    [
        {"bf16": True},
        {"fused": True},
        {"ceiling": 1.0},
        {"recompute": True},
        {"n_passes": 3},
        {"adapter_rank": 4},
    ],
)
def test_options_of_the_semantic_model_still_learn(options: dict[str, Any]) -> None:
    trainer = semantic_trainer(n_held_out=0, epochs=12, rate=3e-3, **options)
    losses = [trainer.update()["token"] for _ in range(trainer.order.n_updates)]
    assert losses[-1] < 0.97 * losses[0]


def test_recomputing_changes_no_bit_of_the_semantic_model_dropout_included() -> None:
    plain, forgetful = semantic_trainer(n_held_out=0), semantic_trainer(n_held_out=0, recompute=True)
    for _ in range(3):
        assert plain.update() == forgetful.update()
    assert same_bits(weights(plain), weights(forgetful))


def test_a_gradient_is_scaled_down_to_its_ceiling() -> None:
    step = semantic_step(ceiling=1e-3, dropout=0.0)
    batch = SemanticBatch.of(recordings(2), "", 6)
    norm = step.update([batch], 0, 0)["gradient"]
    assert norm > 1e-3  # what is told is the norm before
    squares = sum(step.tensors()[name].square().sum() for name in step.tensors() if name.endswith("exp_avg"))
    assert float(squares) ** 0.5 == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_frozen_parts_keep_their_weights() -> None:
    step = decoder_step(frozen=("prior.phoneme_encoder", "generator"))
    everything = {name: p.detach().clone() for name, p in step.networks.decoder.named_parameters()}
    step.update(decoder_batches(1), 0, 0)
    moved = {
        name for name, p in step.networks.decoder.named_parameters() if not torch.equal(p, everything[name])
    }
    assert any(name.startswith("flow.") for name in moved)
    assert not any(name.startswith(("prior.phoneme_encoder.", "generator.", "quantiser.")) for name in moved)


def test_a_frozen_part_that_is_none_is_named() -> None:
    with pytest.raises(TrainingError, match=r"frozen: no part of the network is called 'decoder.generater'"):
        decoder_step(frozen=("generater",))


def test_what_reads_phonemes_learns_slower() -> None:
    step = decoder_step(text_share=0.1)
    before = {name: p.detach().clone() for name, p in step.named.items()}
    step.update(decoder_batches(1), 0, 0)
    changes = largest_change(step, before)
    slow = [name for name in changes if ".phoneme_e" in name or ".crossing." in name]
    assert slow
    assert all(changes[name] <= 1.05e-4 for name in slow)
    assert max(change for name, change in changes.items() if name not in slow) > 9e-4


def test_the_rate_falls_from_epoch_to_epoch() -> None:
    step = decoder_step(decay=0.5)
    before = {name: p.detach().clone() for name, p in step.named.items()}
    step.update(decoder_batches(1), number=0, epoch=3)
    assert max(largest_change(step, before).values()) == pytest.approx(1e-3 / 8, rel=0.05)


def test_the_divergence_warms_up() -> None:
    step = decoder_step(divergence_warm_up=10)
    parts = dict.fromkeys(["adversarial", "features", "mel"], torch.zeros(())) | {
        "divergence": torch.tensor(3.0)
    }
    assert [float(step.weigh(parts, number)) for number in (0, 5, 10, 50)] == [0, 1.5, 3, 3]


def test_noise_and_crop_are_a_lanes_own() -> None:
    lanes = recordings(3)
    together = DecoderBatch.of(lanes, KEYS[:3])
    for i, lane in enumerate(lanes):
        alone = DecoderBatch.of([lane], [KEYS[i]])
        n = lane.n_frames
        assert torch.equal(alone.noise(4)[0], together.noise(4)[i, :, :n])
        assert torch.equal(alone.crops(4)[0], together.crops(4)[i])
        assert torch.equal(alone.spectrogram()[0], together.spectrogram()[i, :, :n])


def test_crops_reach_both_ends() -> None:
    [lane] = recordings(1)
    batch = DecoderBatch.of([lane] * 400, [str(i) for i in range(400)])
    starts = batch.crops(4)
    assert (int(starts.min()), int(starts.max())) == (0, lane.n_frames - 4)


def test_jitter_moves_the_sound_and_not_the_tokens() -> None:
    [lane] = recordings(1)
    batch = DecoderBatch.of([lane], ["a"], jitter_samples=300)
    moved = [n for n in range(301) if torch.equal(batch.sound[0, : 640 * 9], lane.sound[n : n + 640 * 9])]
    assert len(moved) == 1
    assert batch.sound.shape == (1, lane.sound.shape[0])
    assert torch.equal(batch.tokens[0], lane.tokens)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DecoderOptions(epochs=0), "epochs: 0 is less than 1"),
        (lambda: SemanticOptions(n_lanes=0), "n_lanes: 0 is less than 1"),
        (lambda: SemanticOptions(rate=0.0), "rate: 0.0 is not above 0"),
        (lambda: SemanticOptions(ceiling=-1.0), "ceiling: -1.0 is not above 0"),
        (lambda: SemanticOptions(patience=-1), "patience: -1 is less than 0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(make: Any, complaint: str) -> None:
    with pytest.raises(TrainingError, match=complaint):
        make()


def test_a_recording_no_longer_than_a_crop_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="recording 0: 22 frames are not more than 32"):
        train_decoder(decoder_step(crop_frames=32), recordings(1))


def test_v2pro_needs_speaker_embeddings() -> None:
    step = decoder_step(replace(DECODER, speaker_width=7))
    with pytest.raises(TrainingError, match="recording 0: a speaker embedding of 0 numbers, not 7"):
        train_decoder(step, recordings(1))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"phonemes": torch.tensor([3, 20])}, "recording 0: phoneme 20 is not below 20"),
        ({"tokens": torch.tensor([], dtype=torch.int64)}, "recording 0: there is no token"),
        ({"sound": torch.zeros(1280)}, "recording 0: 1280 samples for 11 tokens"),
        ({"linguistic": torch.zeros(4, 6)}, r"recording 0: linguistic features are \[4, 6\], not \[6, 6\]"),
    ],
)
def test_features_that_do_not_fit_are_named(change: dict[str, torch.Tensor], complaint: str) -> None:
    [features] = recordings(1)
    with pytest.raises(TrainingError, match=complaint):
        train_semantic(semantic_step(), [replace(features, **change)])


def test_v2pro_learns_with_them() -> None:
    pro = replace(DECODER, speaker_width=7)
    step = decoder_step(pro)
    step.update([DecoderBatch.of(recordings(2, pro), ["a", "b"])], 0, 0)
    assert "decoder.style.speaker_in.weight/exp_avg" in step.tensors()


def test_a_gradient_that_is_not_finite_stops_the_training() -> None:
    step: SemanticStep = semantic_step()
    with torch.no_grad():
        step.model.head.weight[0, 0] = torch.inf
    with pytest.raises(TrainingError, match="the gradient's norm is nan"):
        step.update([SemanticBatch.of(recordings(2), "", 6)], 0, 0)
