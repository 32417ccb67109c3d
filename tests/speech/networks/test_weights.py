from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from speech.errors import VoiceError
from speech.networks.weights import fold_weight_norm, load, rename, without_prefix

NAMES = (("a.", "x."), ("layers.#.part_#.", "blocks.#.part.#."))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("a.weight", "x.weight"),
        ("layers.11.part_3.bias", "blocks.11.part.3.bias"),
        ("a.layers.0.part_1.bias", "x.blocks.0.part.1.bias"),
        ("b.weight", "b.weight"),
    ],
)
def test_rename_keeps_numbers_in_order(theirs: str, ours: str) -> None:
    assert rename(theirs, NAMES) == ours


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv1d(4, 6, 3),
        lambda: nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1),
        lambda: nn.Conv1d(4, 1, 3),
        lambda: nn.Conv2d(4, 6, (5, 1)),
    ],
    ids=["conv", "transposed", "to one channel", "of two dimensions"],
)
@pytest.mark.parametrize("dim", [0, 2])
def test_folded_weight_equals_the_weight_norm_it_stands_for(make: Callable[[], nn.Conv1d], dim: int) -> None:
    layer = make()
    expected = layer.weight.detach().clone() * 1.7
    normed = weight_norm(layer, dim=dim)
    magnitude, direction = (parameter.detach() for parameter in normed.parametrizations.weight.parameters())
    folded = fold_weight_norm(
        {"up.weight_g": magnitude * 1.7, "up.weight_v": direction, "up.bias": torch.ones(1)}
    )
    torch.testing.assert_close(folded["up.weight"], expected)
    assert folded.keys() == {"up.weight", "up.bias"}


def network() -> nn.Linear:
    return nn.Linear(2, 3)


def tensors(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(3, 2, dtype=torch.half), "bias": torch.zeros(3, dtype=torch.half)} | changes


def test_load_fills_every_tensor_in_the_networks_dtype() -> None:
    filled = network()
    load(filled, tensors())
    assert filled.weight.dtype == torch.float32
    assert (filled.weight == 1).all()
    assert (filled.bias == 0).all()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"weight": torch.ones(3, 2)}, "the weights lack bias$"),
        (tensors(enc_x=torch.ones(1)), "the network has no use for enc_x$"),
        (tensors(weight=torch.ones(2, 3)), r"weight weight has shape \[2, 3\], not \[3, 2\]"),
        (tensors(bias=torch.tensor([0.0, torch.nan, 0.0])), "weight bias is not finite"),
        (tensors(up_weight_g=torch.ones(1), **{"up.weight_g": torch.ones(1)}), r"up.weight_g stands without"),
        (tensors(**{"up.weight_v": torch.ones(1)}), r"up.weight_v stands without"),
        (tensors(a=torch.ones(1), b=torch.ones(1), c=torch.ones(1), d=torch.ones(1)), "a, b, c and 1 more"),
    ],
)
def test_load_refuses_and_names(given: dict[str, torch.Tensor], complaint: str) -> None:
    with pytest.raises(VoiceError, match=complaint):
        load(network(), given)


def test_load_leaves_the_network_as_it_was_when_it_refuses() -> None:
    untouched = network()
    before = untouched.weight.detach().clone()
    with pytest.raises(VoiceError):
        load(untouched, tensors(bias=torch.tensor([torch.inf, 0.0, 0.0])))
    assert torch.equal(untouched.weight, before)


def test_load_passes_over_what_the_network_has_no_use_for_when_told() -> None:
    load(network(), tensors(**{"enc_q.deep.weight_v": torch.ones(1)}), unused=["enc_q.*"])


def test_without_prefix_keeps_only_those_under_it() -> None:
    assert without_prefix({"a.b": torch.ones(1), "c.b": torch.zeros(1)}, "a.") == {"b": torch.ones(1)}
