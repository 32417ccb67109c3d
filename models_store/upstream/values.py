"""What a pickle of a voice is made of, beside plain numbers, text, lists and dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ELEMENT_BYTES: Final[Mapping[str, int]] = {
    "HalfStorage": 2, "BFloat16Storage": 2, "FloatStorage": 4, "DoubleStorage": 8,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1,
}  # fmt: skip

HPARAMS: Final = "utils.HParams"
"""Upstream's bag of settings (`utils.py` at 48b1a01): the one class of its own that its files name."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle calls a class or a function."""

    path: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the archive."""

    kind: str
    """One of `ELEMENT_BYTES`."""
    key: str
    n_elements: int


@dataclass(frozen=True, slots=True)
class TensorSketch:
    """A tensor, before anybody read its numbers."""

    kind: str
    """Its storage's, one of `ELEMENT_BYTES`."""
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * ELEMENT_BYTES[self.kind]


@dataclass(slots=True, eq=False)
class HParams:
    """A bag of settings."""

    fields: dict[str, Any] = field(default_factory=dict)
