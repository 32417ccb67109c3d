"""Who reads the corpus: four voices of flite, plain or changed in pitch, rate and vocal tract."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from speech.noise import seed_of

VOICES: Final = {"rms": "rms", "slt": "slt", "awb": "awb", "kal": "kal16"}
"""The starter's narrators and flite's names for them; its `kal` proper has 8,000 samples a second."""

_HERTZ: Final = {"slt": (150, 240), "awb": (95, 190), "kal": (80, 170)}
"""The pitch that flite's narrators can be asked for. `rms` keeps its own whatever is asked (flite 2.2)."""
_STRETCHES: Final = (
    Fraction(85, 100),
    Fraction(93, 100),
    Fraction(1),
    Fraction(108, 100),
    Fraction(118, 100),
)
_TRACTS: Final = tuple(Fraction(n, n + step) for n, step in ((8, 1), (12, 1), (1, 0), (13, -1), (9, -1)))


@dataclass(frozen=True, slots=True)
class Narrator:
    """A voice of flite, and how it is changed."""

    voice: str
    """One of `VOICES`."""
    hertz: int | None = None
    """Mean pitch; None: its own."""
    stretch: Fraction = Fraction(1)
    """How much longer everything takes."""
    tract: Fraction = Fraction(1)
    """Pitch and formants are multiplied by it, as a shorter vocal tract does; lengths stay."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing is changed."""
        return self.hertz is None and self.stretch == self.tract == 1

    def __str__(self) -> str:
        """A name that tells all of it."""
        hertz = "" if self.hertz is None else f"@{self.hertz}"
        changed = "" if self.stretch == self.tract == 1 else f" stretch {self.stretch} tract {self.tract}"
        return f"{self.voice}{hertz}{changed}"


def narrator_of(key: str, plain_share: float) -> Narrator:
    """The narrator that reads a sentence, drawn by its key; `plain_share` of them are not changed."""
    which, plain, change = seed_of(f"narrator:{key}")
    voice = tuple(VOICES)[which % len(VOICES)]
    if plain < plain_share * 2**32:
        return Narrator(voice)
    change, stretch = divmod(change, len(_STRETCHES))
    change, tract = divmod(change, len(_TRACTS))
    low, high = _HERTZ.get(voice, (0, 0))
    hertz = low + change % (high - low) if high else None
    return Narrator(voice, hertz, _STRETCHES[stretch], _TRACTS[tract])
