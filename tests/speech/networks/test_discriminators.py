from __future__ import annotations

import pytest
import torch

from speech.networks.discriminators import PERIODS_V2, PERIODS_V2PRO, Discriminators
from speech.networks.weights import load
from tests.speech.networks.golden import golden


@torch.inference_mode()
def test_judgements_equal_upstreams() -> None:
    file = golden("discriminators")
    network = Discriminators(file.config["periods"], file.config["widest"]).eval()
    load(network, file.weights)
    for i, judgement in enumerate(network(file["sound"])):
        torch.testing.assert_close(judgement.scores, file[f"scores{i}"], atol=1e-5, rtol=1e-5)
        means = torch.stack([feature.abs().mean() for feature in judgement.features])
        torch.testing.assert_close(means, file[f"features{i}"].float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("periods", "n"), [(PERIODS_V2, 6), (PERIODS_V2PRO, 8)])
def test_each_period_has_its_judge(periods: tuple[int, ...], n: int) -> None:
    assert len(Discriminators(periods, widest=64)(torch.zeros(1, 1, 640))) == n
