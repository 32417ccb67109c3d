from __future__ import annotations

import torch

from speech.networks.masks import blank, pad_lanes, valid_of


def test_valid_is_true_within_each_length() -> None:
    assert valid_of(torch.tensor([0, 2, 3]), 3).int().tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_blank_without_a_mask_is_the_thing_itself() -> None:
    x = torch.ones(2)
    assert blank(x, None) is x


def test_pad_lanes_pads_along_any_dimension() -> None:
    lanes = [torch.ones(2, 1), torch.full((2, 3), 2.0)]
    padded, lengths = pad_lanes(lanes, dim=1)
    assert padded.tolist() == [[[1, 0, 0], [1, 0, 0]], [[2, 2, 2], [2, 2, 2]]]
    assert lengths.tolist() == [1, 3]


def test_pad_lanes_keeps_the_dtype_of_empty_lanes() -> None:
    padded, lengths = pad_lanes([torch.zeros(0, dtype=torch.int64)])
    assert (padded.shape, padded.dtype, lengths.tolist()) == ((1, 0), torch.int64, [0])
