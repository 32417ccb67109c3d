"""What upstream's own modules (commit 48b1a016) made of toy networks with random weights.

Each file holds the network's config, its tensors (half precision, upstream's names) and the arrays that went
in and came out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """One golden file."""

    config: Any
    weights: dict[str, Tensor]
    arrays: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]


def golden(name: str) -> Golden:
    """The golden file of that name."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    config, names = json.loads(str(arrays.pop("config"))), json.loads(str(arrays.pop("names")))
    flat, weights = torch.from_numpy(arrays.pop("weights")), {}
    for tensor, shape in names:
        n = int(np.prod(shape))
        weights[tensor], flat = flat[:n].reshape(shape), flat[n:]
    return Golden(
        config, weights, {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}
    )
