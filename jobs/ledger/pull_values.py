"""What the ledger tells of a pull beside its step: how far it is, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class PulledOffer:
    """Something that stands on the shelf now."""

    name: str
    revision: str
    """The commit it is of; "" where that is not known."""
    is_new: bool
    """Whether it was not there before."""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull has come."""

    bytes_done: int
    """Of what has to be here, what is; what an earlier attempt had brought counts."""
    n_bytes: int
    """Of all files that have to come; 0 until the hub has said so."""
    doing: str = ""
    """A line for people."""
    pulled: tuple[PulledOffer, ...] = ()
    """What was asked for, once all of it is there."""
    at: float = 0.0
    """When that was so, in seconds since 1970 UTC."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {**asdict(self), "pulled": [asdict(each) for each in self.pulled]}

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Self | None:
        """What was stored."""
        if stored is None:
            return None
        return cls(**{**stored, "pulled": tuple(PulledOffer(**each) for each in stored["pulled"])})
