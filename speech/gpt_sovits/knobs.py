"""The sampling settings that voices of this family know: names, ranges and upstream's defaults.

A plain table that needs no torch, so that whoever takes requests can check them by it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from speech.errors import SpeechError


class SettingError(SpeechError):
    """A sampling setting is unknown, out of range or given twice; the message names it."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: a number from `low` to `high`, both included."""

    low: float
    high: float
    default: float
    is_integer: bool
    about: str

    def check(self, name: str, value: float) -> float:
        """`value`, if it is one that `name` may have.

        Raises:
            SettingError: it is not.
        """
        if self.is_integer and not float(value).is_integer():
            raise SettingError(f"{name} is {value:g}, not a whole number")
        if math.isnan(value) or not self.low <= value <= self.high:
            raise SettingError(f"{name} is {value:g}, not within {self.low:g} to {self.high:g}")
        return value


KNOBS: Final[Mapping[str, Knob]] = MappingProxyType(
    {
        "noise_scale": Knob(
            0.0, 2.0, 0.5, is_integer=False, about="noise in the decoder, of its own deviation; 0 is none"
        ),
        "repetition_penalty": Knob(
            0.1,
            10.0,
            1.35,
            is_integer=False,
            about="how much tokens that have occurred are held back; 1 is off",
        ),
        "seed": Knob(
            0,
            2**53 - 1,  # the largest whole number that a float of JSON holds with all numbers below it
            0,
            is_integer=True,
            about="another number draws other noise for every utterance",
        ),
        "temperature": Knob(
            0.0, 5.0, 1.0, is_integer=False, about="below 1 the likelier tokens win more often, above 1 less"
        ),
        "top_k": Knob(
            1, 1024, 15, is_integer=True, about="how many of the likeliest tokens may be drawn; 1 is greedy"
        ),
        "top_p": Knob(
            0.0, 1.0, 1.0, is_integer=False, about="probability within which tokens may be drawn; 1 keeps all"
        ),
    }
)
"""By name, in alphabetical order. Pace is no knob of this family: `Sampling.speed` sets it for all."""

SPEED: Final = Knob(0.5, 2.0, 1.0, is_integer=False, about="1 is the voice's own pace")


def read_knobs(settings: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The value of every knob: as `settings` has it, else its default.

    Raises:
        SettingError: a name is unknown or comes twice, or a value is out of range.
    """
    given: dict[str, float] = {}
    for name, value in settings:
        if name not in KNOBS:
            guesses = difflib.get_close_matches(name, KNOBS, n=1)
            hint = f"did you mean {guesses[0]!r}?" if guesses else f"known are {', '.join(KNOBS)}"
            raise SettingError(f"setting {name!r} is unknown to GPT-SoVITS voices; {hint}")
        if name in given:
            raise SettingError(f"setting {name!r} is given twice")
        given[name] = KNOBS[name].check(name, value)
    return {name: given.get(name, knob.default) for name, knob in KNOBS.items()}
