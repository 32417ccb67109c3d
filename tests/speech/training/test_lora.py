from __future__ import annotations

import pytest
import torch

from speech.errors import VoiceError
from speech.networks.config import SemanticConfig
from speech.networks.semantic import SemanticModel
from speech.training.batches import SemanticBatch
from speech.training.lora import adapt, adapter_tensors, merge, put_on
from speech.training.published import semantic_tensors
from speech.training.semantic import SemanticStep
from tests.speech.training.toys import SEMANTIC, recordings, semantic_step


def learnt(rank: int = 4) -> SemanticStep:
    step = semantic_step(adapter_rank=rank, dropout=0.0)
    for number in range(3):
        step.update([SemanticBatch.of(recordings(3), str(number), 6)], number, 0)
    return step


@torch.no_grad()
def hidden(model: SemanticModel) -> torch.Tensor:
    states: torch.Tensor = model(SemanticBatch.of(recordings(3), "", 6).prefix)
    return states


def test_adapters_change_nothing_at_first() -> None:
    model = semantic_step().model
    before = hidden(model)
    adapt(model, 4)
    assert torch.equal(hidden(model), before)


def test_only_adapters_learn() -> None:
    base = dict(semantic_step().model.named_parameters())
    step = learnt()
    assert all(name.endswith((".down", ".up")) for name in step.named)
    after = dict(step.model.named_parameters())
    assert all(torch.equal(after[name], parameter) for name, parameter in base.items())
    assert any(bool(after[name].abs().sum() > 0) for name in step.named if name.endswith(".up"))


def test_merged_says_what_adapted_says() -> None:
    model = learnt().model
    adapted = hidden(model)
    merge(model)
    torch.testing.assert_close(hidden(model), adapted, atol=1e-5, rtol=1e-5)
    assert semantic_tensors(model).keys() == semantic_tensors(semantic_step().model).keys()


def test_adapters_travel_alone() -> None:
    step = learnt()
    other = semantic_step().model
    put_on(other, adapter_tensors(step.model))
    torch.testing.assert_close(hidden(other), hidden(step.model), atol=2e-3, rtol=2e-3)  # half precision


def test_a_merge_leaves_the_base_alone() -> None:
    base = semantic_step().model
    before = {name: parameter.detach().clone() for name, parameter in base.named_parameters()}
    kept = dict(base.named_parameters())
    put_on(base, adapter_tensors(learnt().model))
    merge(base)
    assert all(torch.equal(kept[name], before[name]) for name in before)


def test_adapters_of_another_shape_are_refused() -> None:
    tensors = adapter_tensors(learnt().model)
    tensors["blocks.0.qkv.up"] = tensors["blocks.0.qkv.up"][:-1]
    with pytest.raises(VoiceError, match=r"blocks.0.qkv.up has shape \[47, 4\], not \[48, 4\]"):
        put_on(semantic_step().model, tensors)
    with pytest.raises(VoiceError, match="the model has no adapters"):
        adapter_tensors(SemanticModel(SEMANTIC))


def test_at_real_size_they_take_less_than_15_mb() -> None:
    with torch.device("meta"):
        model = SemanticModel(SemanticConfig())
    n_bytes = sum(
        2 * 32 * (layer.in_features + layer.out_features)
        for block in model.blocks
        for layer in (block.qkv, block.out, block.expand, block.contract)
    )
    assert n_bytes == 12_582_912
