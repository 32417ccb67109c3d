from __future__ import annotations

import dataclasses
import mmap
import sys
from pathlib import Path

import pytest
import torch

from speech.networks.cache import KVCache, slot_bound
from speech.networks.config import SemanticConfig

CONFIG = SemanticConfig(width=6, n_heads=2, n_layers=2, n_phonemes=4, n_tokens=5, linguistic_width=3)


def cache(*, poison: bool = False) -> KVCache:
    return KVCache.empty(CONFIG, 3, 5, torch.zeros(1), poison=poison)


def test_append_writes_each_lane_at_its_own_slot() -> None:
    written = cache()
    keys, values = written.append(
        1, torch.tensor([0, 2, 1]), torch.ones(3, 2, 1, 3), 2 * torch.ones(3, 2, 1, 3), 3
    )
    assert keys.shape == values.shape == (3, 2, 3, 3)
    assert keys[:, 0, :, 0].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert values.sum() == 2 * keys.sum() == 2 * 18
    assert not written.keys[0].any()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux what is resident")
def test_memory_is_taken_where_something_is_written_and_given_back() -> None:
    config = dataclasses.replace(CONFIG, width=512, n_heads=2, n_layers=4)
    before = resident_bytes()
    large = KVCache.empty(config, 16, 2048, torch.zeros(1))  # 512 MiB
    assert resident_bytes() - before < 16 << 20
    for layer in (*large.keys, *large.values):
        layer[1:3] = 1  # 64 MiB
    assert resident_bytes() - before > 60 << 20
    large.release(1)
    assert resident_bytes() - before < 48 << 20
    for layer in (*large.keys, *large.values):
        assert not layer[1].any()
        assert layer[2].eq(1).all(), "its neighbour keeps what it has"


def test_fill_writes_the_lanes_named_alone() -> None:
    written = cache()
    written.fill(0, torch.tensor([2, 0]), torch.ones(2, 2, 4, 3), torch.ones(2, 2, 4, 3))
    assert written.keys[0].sum(dim=(1, 2, 3)).tolist() == [24, 0, 24]


def test_first_is_a_view() -> None:
    whole = cache()
    for layer in whole.first(2).keys:
        layer.fill_(3)
    assert torch.stack(whole.keys).sum(dim=(0, 2, 3, 4)).tolist() == [180, 180, 0]


def test_move_copies_a_lane() -> None:
    moved = cache()
    for layer in (*moved.keys, *moved.values):
        layer[2] = 1
    moved.move(2, 0, 4)
    for layer in (*moved.keys, *moved.values):
        assert layer[0, :, :4].eq(1).all()
        assert not layer[0, :, 4].any()


def test_poison_is_loud_and_finite() -> None:
    values = torch.stack(cache(poison=True).values)
    assert (values > 1000).all()
    assert torch.isfinite(values).all()


def test_slot_bound_goes_in_steps_and_not_past_the_slots() -> None:
    assert [slot_bound(n, 200) for n in (1, 64, 65, 193, 200)] == [64, 64, 128, 200, 200]
