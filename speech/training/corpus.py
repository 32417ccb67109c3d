"""All that a training learns from, in one file: the features of its recordings and what is said in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from speech.errors import TrainingError
from speech.training.batches import Features
from speech.training.order import hold_out

_ENTRIES: Final = "lectorium.recordings"
_TENSORS: Final = ("sound", "tokens", "phonemes", "linguistic", "speaker")
_LEAST_TO_HOLD_OUT: Final = 4
_MOST_HELD_OUT: Final = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording, ready to be learnt from."""

    features: Features
    text: str
    language: str
    """BCP 47."""
    sha256: str
    """Of the file it came in."""
    is_held_out: bool = False
    """Whether it is only looked at: for an early stop, and to judge what was learnt."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings to learn from, and some to look at only."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry], seed: int) -> Corpus:
        """These recordings, a tenth of them (one to eight) held out where there are four or more."""
        entries = tuple(entries)
        n = min(_MOST_HELD_OUT, -(-len(entries) // 10)) if len(entries) >= _LEAST_TO_HOLD_OUT else 0
        _, held_out = hold_out([entry.features.name for entry in entries], n, seed)
        return cls(
            tuple(replace(entry, is_held_out=index in held_out) for index, entry in enumerate(entries))
        )

    @property
    def learnt(self) -> Sequence[Features]:
        """What is learnt from."""
        return [entry.features for entry in self.entries if not entry.is_held_out]

    @property
    def held_out(self) -> Sequence[Features]:
        """What is looked at only."""
        return [entry.features for entry in self.entries if entry.is_held_out]

    @property
    def judged(self) -> Sequence[Entry]:
        """What the voice is judged by: what it never learnt from; where there is none, the first it did."""
        return [entry for entry in self.entries if entry.is_held_out] or self.entries[:1]

    def write(self, path: Path) -> None:
        """Everything into one file, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        for index, entry in enumerate(self.entries):
            for name in _TENSORS:
                tensor: Tensor | None = getattr(entry.features, name)
                if tensor is not None:
                    tensors[f"{index}/{name}"] = tensor.contiguous()
        told = [
            [entry.features.name, entry.text, entry.language, entry.sha256, entry.is_held_out]
            for entry in self.entries
        ]
        half_written = path.with_suffix(f".{os.getpid()}.part")
        save_file(tensors, half_written, {_ENTRIES: json.dumps(told)})
        half_written.replace(path)

    @classmethod
    def read(cls, path: Path) -> Corpus:
        """What `write` wrote.

        Raises:
            TrainingError: the file holds none.
        """
        try:
            with safe_open(path, framework="pt") as file:
                told = json.loads((file.metadata() or {})[_ENTRIES])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return cls(
                tuple(
                    Entry(
                        Features(
                            name,
                            tensors[f"{index}/sound"],
                            tensors[f"{index}/tokens"],
                            tensors[f"{index}/phonemes"],
                            tensors.get(f"{index}/linguistic"),
                            tensors.get(f"{index}/speaker"),
                        ),
                        text,
                        language,
                        sha256,
                        is_held_out,
                    )
                    for index, (name, text, language, sha256, is_held_out) in enumerate(told)
                )
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise TrainingError(f"{path.name} holds no recordings: {error}") from error
