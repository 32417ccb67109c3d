"""Whose voice a recording is in: a classical embedding, because no speaker network comes with the starter.

Of each recording the mean and the spread of its cepstra (loudness left out), the median of its pitch and the
spread of that. Every figure counts by how little it varies within a narrator, and the narrator whose mean
lies nearest is the one. It tells flite's four narrators apart (docs/log.md says how well); of people it would
tell little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speech.training.evaluate import Floats, cepstra_of, pitch_of
from speech.voice import Samples

_LEAST_SPREAD = 1e-6


def embed(sound: Samples) -> Floats:
    """The embedding `[26]` of sound `[N]` at 32 kHz."""
    cepstra, pitch = cepstra_of(sound), pitch_of(sound)
    pitches = [float(np.median(pitch)), float(pitch.std())] if pitch.size else [0.0, 0.0]
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0), pitches])


@dataclass(frozen=True, slots=True)
class Narrators:
    """Narrators by their recordings."""

    means: Mapping[str, Floats]
    spread: Floats
    """Of each figure within a narrator, over all of them."""

    @classmethod
    def of(cls, recordings: Mapping[str, Sequence[Samples]]) -> Narrators:
        """Narrators as they sound in recordings, two or more of each, `[N]` at 32 kHz."""
        embeddings = {
            name: np.stack([embed(sound) for sound in sounds]) for name, sounds in recordings.items()
        }
        apart = np.concatenate([of - of.mean(axis=0) for of in embeddings.values()])
        means = {name: of.mean(axis=0) for name, of in embeddings.items()}
        return cls(means, np.maximum(np.sqrt(np.square(apart).mean(axis=0)), _LEAST_SPREAD))

    def nearest(self, sound: Samples) -> str:
        """The narrator whose mean lies nearest to sound `[N]` at 32 kHz."""
        found = embed(sound)
        return min(
            self.means, key=lambda name: float(np.square((found - self.means[name]) / self.spread).sum())
        )
