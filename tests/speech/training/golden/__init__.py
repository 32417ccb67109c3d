"""What upstream's own training code (commit 48b1a016) computed from the weights and sounds of `drawn`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tests.speech.training import drawn

FOLDER = Path(__file__).parent


def golden(name: str) -> dict[str, Any]:
    """Losses, norms of gradients and the rest, by name."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays: dict[str, Any] = dict(file)
    return {
        key: json.loads(str(value)) if value.dtype.kind == "U" else value for key, value in arrays.items()
    }


def weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """The tensors upstream was run with."""
    return {name: drawn.weight(name, tuple(shape)) for name, shape in shapes.items()}
