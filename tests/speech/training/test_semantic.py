"""The semantic model's training, beyond upstream's: falling rates, replaced tokens, attention in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from speech.errors import TrainingError
from speech.networks.masks import valid_of
from speech.networks.semantic import SemanticModel
from speech.training.batches import SemanticBatch, TokenFeatures
from speech.training.kinds import train_semantic
from speech.training.options import SemanticOptions
from speech.training.semantic import SemanticStep, attend, replace_some
from tests.speech.training import drawn
from tests.speech.training.toys import SEMANTIC, recordings, semantic_step, semantic_trainer


def test_the_rate_rises_to_its_height_and_falls_along_half_a_cosine() -> None:
    options = SemanticOptions(rate=8.0, warm_up=4)
    step = SemanticStep(SemanticModel(SEMANTIC), options, n_updates=12)
    rates = [step.rate_of(number) for number in range(13)]
    assert rates[:5] == [2.0, 4.0, 6.0, 8.0, 8.0]
    assert rates[8] == pytest.approx(4.0)
    assert rates[12] == pytest.approx(0.0)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert semantic_step(rate=0.5).rate_of(1000) == 0.5


def test_a_warm_up_that_takes_all_updates_is_named() -> None:
    with pytest.raises(TrainingError, match="warm_up: 12 updates of 12"):
        SemanticStep(SemanticModel(SEMANTIC), SemanticOptions(warm_up=12), n_updates=12)


def test_attention_in_bfloat16_is_attention() -> None:
    q, k, v = (drawn.normal(f"{name} of attention", 2, 4, 30, 8).bfloat16() for name in "qkv")
    earlier = torch.ones(30, 30, dtype=torch.bool).tril()
    visible = (earlier & valid_of(torch.tensor([30, 20]), 30)[:, None])[:, None]  # [B, 1, T, T]
    expected = scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=visible)
    found = attend(q, k, v, visible, 0.0)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.03
    assert torch.equal(attend(q.float(), k.float(), v.float(), visible, 0.0), expected)


def test_a_share_of_what_is_read_is_replaced_and_what_is_to_be_said_is_not() -> None:
    tokens = drawn.integers("tokens to replace", 30, 2000).view(40, 50)
    torch.manual_seed(0)
    changed = (replace_some(tokens, 0.25, 30) != tokens).float().mean()
    assert 0.2 < changed < 0.29  # one in thirty is replaced by itself
    step = semantic_step(dropout=0.0)
    batch = SemanticBatch.of(recordings(2), "key", 6)
    (plain, n), (noisy, n_noisy) = step.loss(batch), step.loss(batch, replaced=0.5)
    assert n == n_noisy
    assert plain != noisy
    assert torch.equal(step.loss(batch, replaced=0.5)[0], noisy)  # drawn by the batch's key


def test_looks_replace_nothing() -> None:
    replaced, plain = (semantic_trainer(epochs=1, dropout=0.0, replaced=share) for share in (0.5, 0.0))
    batch = SemanticBatch.of(recordings(2), "key", 6)
    assert replaced.step.evaluate([batch]) == plain.step.evaluate([batch])


def test_sound_is_not_needed() -> None:
    with_sound = recordings(4)
    without = [TokenFeatures(one.name, one.tokens, one.phonemes, one.linguistic) for one in with_sound]
    losses = []
    for lanes in (with_sound, without):
        trainer = train_semantic(semantic_step(), lanes)
        losses.append([trainer.update() for _ in range(4)])
    assert losses[0] == losses[1]
    with pytest.raises(TrainingError, match=r"recording 0: token 40 is not below 30"):
        train_semantic(semantic_step(), [TokenFeatures("recording 0", torch.tensor([40]), torch.tensor([1]))])
