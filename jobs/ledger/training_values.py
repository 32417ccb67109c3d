"""What the ledger tells of a training beside its steps: progress, energy, and the hours chosen for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Self

EnergySource = Literal["nvml", "rapl", "estimate"]
_WORST_FIRST: Final[tuple[EnergySource, ...]] = ("estimate", "rapl", "nvml")


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training has come."""

    stage: str
    """Which network learns: "decoder", "semantic"."""
    updates_done: int
    updates: int
    """Of this stage and those before it; of all stages where the worker knows them."""
    updates_per_second: float | None = None
    at: float = 0.0
    """When that was so, in seconds since 1970 UTC."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Self | None:
        """What was stored."""
        return None if stored is None else cls(**stored)


@dataclass(frozen=True, slots=True)
class Energy:
    """What a job has used so far."""

    kwh: float
    source: EnergySource
    """How it is known; with several, the least certain one."""
    grams: float | None = None
    """Grams of CO2 equivalent; None where nobody knows what a kilowatt-hour stands for."""
    cost: float | None = None
    """In the operator's currency; None where no price is set."""

    def plus(self, more: Self) -> Self:
        """Both together; what is unknown of one part is unknown of the sum."""
        return replace(
            self,
            kwh=self.kwh + more.kwh,
            source=min(self.source, more.source, key=_WORST_FIRST.index),
            grams=None if self.grams is None or more.grams is None else self.grams + more.grams,
            cost=None if self.cost is None or more.cost is None else self.cost + more.cost,
        )

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Self | None:
        """What was stored."""
        return None if stored is None else cls(**stored)


@dataclass(frozen=True, slots=True)
class MeasuredPace:
    """How fast a training went, told by its train step."""

    device: str
    """"cpu", or the GPU's name."""
    weights_digest: str
    """Of the base: networks of another size learn at another pace."""
    decoder_seconds: float | None
    """For each lane of an update; None if the decoder did not learn."""
    semantic_seconds: float | None
    """For each second of speech in an update."""
    watts: float | None
    """Drawn from beginning to end, as well as that is known; None where machines changed on the way."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """What was stored."""
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class ChosenHours:
    """When a training shall run, and what that is expected to save."""

    openings: tuple[tuple[float, float], ...]
    """Start and end of each stretch, in seconds since 1970 UTC."""
    needed_seconds: float
    """How long it was expected to take."""
    meets_deadline: bool
    """Whether all of it fits into its windows before the deadline."""
    saving: float | None
    """The share of grams (or cost) saved against starting at once; None where the signal does not say."""
    unit: str
    """Of the signal: "gCO2e/kWh", "EUR/kWh", or "relative"."""
    is_measured: bool = False
    """Whether `needed_seconds` follows from a training here, and not from assumptions."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Self | None:
        """What was stored."""
        if stored is None:
            return None
        openings = tuple((float(start), float(end)) for start, end in stored["openings"])
        return cls(**{**stored, "openings": openings})
