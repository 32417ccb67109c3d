"""Files that stages leave for one another: there whole or not at all, and saying what they follow from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

STATE: Final = "state"
"""The field of a file's metadata that says what it follows from."""


def write_file(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes the file beside its place and moves it there; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, half_written, dict(metadata))
    half_written.replace(path)


def state_in(path: Path) -> str | None:
    """What the file at `path` follows from; None where there is no file, or it does not say."""
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get(STATE)
