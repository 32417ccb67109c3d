"""Swaps of toys: what is measured, not how long it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from speech.bench import swaps as measured
from speech.bench.swaps import copied, copy_over, forget, open_networks, swaps, write
from speech.bench.weights import SHAPES
from speech.networks.decoder import Decoder
from speech.networks.semantic import SemanticModel
from speech.precision import Precision

CPU = torch.device("cpu")


def test_cpu_has_the_tiers_of_files_and_says_null_for_those_of_a_gpu() -> None:
    found = swaps("random:toy", Precision.MIXED, CPU, 3)
    assert found["device"] is found["pinned"] is None
    for tier in ("mapped", "disk"):
        assert 0 < found[tier]["p50"] <= found[tier]["p95"]
    assert found["mapped"]["read_bytes"] == 0, "every page was touched before"


def test_no_swaps_are_no_figures() -> None:
    assert set(swaps("random:toy", Precision.FP32, CPU, 0).values()) == {None}


def test_swap_without_a_way_to_forget_files_has_no_tier_of_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(measured.os, "posix_fadvise")
    found = swaps("random:toy", Precision.FP32, CPU, 1)
    assert found["disk"] is None
    assert found["mapped"] is not None


@pytest.mark.parametrize("precision", list(Precision))
def test_opened_networks_are_of_the_shape_and_the_numbers_asked_for(
    tmp_path: Path, precision: Precision
) -> None:
    write(tmp_path, "random:toy")
    semantic, decoder = open_networks(tmp_path, precision, CPU)
    assert isinstance(semantic, SemanticModel)
    assert isinstance(decoder, Decoder)
    assert semantic.config == SHAPES["random:toy"][0]
    assert semantic.head.weight.dtype == (torch.bfloat16 if precision is Precision.BF16 else torch.float32)


def test_forgotten_files_are_the_same_files(tmp_path: Path) -> None:
    files = write(tmp_path, "random:toy")
    before = [path.read_bytes() for path in files]
    forget(files)
    assert [path.read_bytes() for path in files] == before


def test_copies_go_over_the_weights_that_speak_and_leave_their_addresses() -> None:
    speaking, other = nn.Linear(3, 2), nn.Linear(3, 2)
    targets = list(speaking.parameters())
    addresses = [tensor.data_ptr() for tensor in targets]
    copy_over(targets, list(other.parameters()))
    x = torch.ones(1, 3)
    assert torch.equal(speaking(x), other(x))
    assert [tensor.data_ptr() for tensor in targets] == addresses


def test_copies_are_timed_in_the_numbers_of_the_order() -> None:
    for swap in copied("random:toy", Precision.BF16, CPU, 2):
        assert 0 < swap.p50 <= swap.p95
