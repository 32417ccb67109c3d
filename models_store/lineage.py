"""Where a voice that was trained comes from, as its manifest tells: recordings, parameters, code, energy."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from speech.voice import Parameter

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LearntRecording(BaseModel):
    """One recording that a voice was trained with."""

    model_config = _FROZEN

    name: str
    sha256: _Sha256
    """Of the file as it came."""
    seconds: Annotated[float, Field(ge=0)]
    is_held_out: bool = False
    """Only looked at: the voice is judged by it."""


class Lineage(BaseModel):
    """How a voice version came about."""

    model_config = _FROZEN

    base: str
    """`name@version` of the voice it started from."""
    recordings: tuple[LearntRecording, ...]
    options: dict[str, Parameter] = Field(default_factory=dict)
    """What was asked for beside the trainer's own defaults."""
    n_updates: Annotated[int, Field(ge=0)]
    code: str
    """Name and version of the program that trained it."""
    energy_kwh: Annotated[float, Field(ge=0)]
    energy_source: str
    """How that is known: "nvml", "rapl" or "estimate"."""
    energy_grams: float | None = None
    """Grams of CO2 equivalent."""
    energy_cost: float | None = None
    """In the operator's currency; None where no price was set. Hours of too much wind have prices below 0."""
    evaluation: dict[str, float] = Field(default_factory=dict)
    """What was measured of it: `speech.training.evaluate.Likeness`, the mean of the held-out recordings."""
    evaluation_of_base: dict[str, float] = Field(default_factory=dict)
    """The same of its base, speaking after the same prompt."""

    @property
    def seconds(self) -> float:
        """Speech it learnt from."""
        return sum(recording.seconds for recording in self.recordings if not recording.is_held_out)
