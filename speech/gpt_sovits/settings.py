"""How one utterance is to be spoken, in the words of the decode loop and the decoder."""

from __future__ import annotations

from dataclasses import dataclass

from speech.gpt_sovits.knobs import SPEED, read_knobs
from speech.sampling import TokenSampling
from speech.voice import Sampling


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs of one utterance, checked."""

    tokens: TokenSampling
    noise_scale: float
    speed: float
    seed: int

    @classmethod
    def of(cls, sampling: Sampling) -> Settings:
        """What `sampling` asks for, and upstream's defaults for the rest.

        Raises:
            SettingError: a setting is unknown or out of range.
        """
        knobs = read_knobs(sampling.settings)
        return cls(
            TokenSampling(
                top_k=int(knobs["top_k"]),
                top_p=knobs["top_p"],
                temperature=knobs["temperature"],
                repetition_penalty=knobs["repetition_penalty"],
            ),
            noise_scale=knobs["noise_scale"],
            speed=SPEED.check("speed", sampling.speed),
            seed=int(knobs["seed"]),
        )

    def noise_key(self, key: str) -> str:
        """What all noise of a take is keyed by. With seed 0 it is the take's own key."""
        return f"{key}+{self.seed}" if self.seed else key
