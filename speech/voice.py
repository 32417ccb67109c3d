"""The voice seam: what every family of voices (draft, stub, GPT-SoVITS) offers to the rest of the house.

Whoever holds a `Voice` gives it an iterator of requests and takes takes out, in whatever order they get
done. A family that decodes many lanes at once pulls a request whenever a lane runs free, and again at every
look while one is free: an iterator that has ended may have more by then (`Pulled`). A family that
speaks one utterance at a time pulls one at a time. A take depends on its request alone: not on its
neighbours, the order, the lane or the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from speech.text.lexicon import Entry
from speech.text.utterance import Utterance

Samples = npt.NDArray[np.float32]
"""Mono sound, `[N]`, at `units.SAMPLE_RATE`, nominally within -1...1."""

Pull = TypeVar("Pull")

Parameter = str | bool | int | float
"""What a family may ask to know of a voice beside its files."""


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt at rest."""

    path: Path
    """A mono WAV file of 16-bit samples."""
    transcript: str
    language: str
    """BCP 47."""


@dataclass(frozen=True, slots=True)
class VoiceSource:
    """Where a voice version lies and what its manifest says of it: all that a family opens it with."""

    weights_digest: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    folder: Path | None = None
    """Its own files; None for a voice that is built in."""
    weights: Path | None = None
    """The folder of its weights: its own, or that of the voice it shares them with."""
    prompts: tuple[PromptFile, ...] = ()
    """The first says how to speak, all of them with which timbre."""
    backbones: Path | None = None
    """The folder of the backbones, one folder each: `content`, `linguistic`, `speaker`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an utterance is spoken. Every field takes part in the digest of the take."""

    speed: float = 1.0
    """1.0 is the voice's own pace; 0.5 to 2.0."""
    settings: tuple[tuple[str, float], ...] = ()
    """Settings only some families know (top_k, temperature, ...), sorted by name."""


@dataclass(frozen=True, slots=True)
class Request:
    """One utterance asked of a voice."""

    key: str
    """The digest of the take. Returned with it, and the seed of all its noise."""
    utterance: Utterance
    sampling: Sampling = field(default_factory=Sampling)
    take: int = 0
    """Which attempt at a good take this is; another number draws other noise."""
    lexicon: tuple[Entry, ...] = ()
    """The job's pronunciations of words of this utterance; they go before the voice's own."""


@dataclass(frozen=True, slots=True)
class Take:
    """One utterance's sound."""

    key: str
    samples: Samples
    """`[N]` at `units.SAMPLE_RATE`."""
    doubts: tuple[str, ...] = ()
    """What still seems wrong with it after the last attempt; empty for a good take."""


class Weights(Protocol):
    """Loaded weights, which several voices may speak with."""

    @property
    def n_bytes(self) -> int:
        """The memory they hold, on the device that counts."""
        ...

    def voice(self, source: VoiceSource) -> Voice:
        """The voice of a version that stands on these weights; closing it leaves the weights.

        Raises:
            VoiceError: its prompt, its parameters or a backbone are missing or unfit.
        """
        ...

    def close(self) -> None:
        """Gives back memory and devices, the voices' too."""
        ...


@runtime_checkable
class Working(Protocol):
    """A voice whose takes may be long in coming, and which tells meanwhile that it gets further.

    So whoever ends a process that hangs need not know how long a take may last, or how slow the machine is.
    """

    on_beat: Callable[[], None]
    """Called at least once for each second of sound that is decoded, in the thread that speaks."""


@runtime_checkable
class Voice(Protocol):
    """A voice version, loaded and ready to speak."""

    @property
    def weights_digest(self) -> str:
        """Names the weights; requests for voices with one digest may share a batch."""
        ...

    @property
    def n_lanes(self) -> int:
        """How many utterances it can have in hand at once: how far ahead it pulls."""
        ...

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        """Takes, each as soon as it is done, exactly one for each request pulled; ends when none is in hand.

        Raises:
            UnreadableTextError: a request's text cannot be spoken (its `key` is in the message's notes).
            BadTakeError: no acceptable take was made of a request.
        """
        ...

    def close(self) -> None:
        """Gives back memory and devices."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A voice whose lanes keep what they decode in a memory that has an end."""

    @property
    def n_slots(self) -> int:
        """Phonemes, prompts and tokens that all lanes together have room for."""
        ...

    @property
    def n_prompt_slots(self) -> int:
        """Of them, what its prompt takes in each lane that speaks with this voice."""
        ...


@runtime_checkable
class Sociable(Protocol):
    """A voice that can speak in one batch with others over the same weights."""

    def shares_lanes_with(self, other: Voice) -> bool:
        """Whether the lanes of this voice can speak for the other one."""
        ...

    def speak_with(self, asked: Iterator[tuple[Request, Voice]]) -> Iterator[Take]:
        """As `Voice.speak`, each request with the voice that is to speak it: this one, or one it shares with.

        Raises:
            VoiceError: the lanes cannot speak for one of the voices.
        """
        ...


class Pulled(Iterator[Pull]):
    """What a function gives. It ends where that is None, and goes on if it is asked again and there is more.

    A generator cannot: once at its end, it stays there.
    """

    def __init__(self, give: Callable[[], Pull | None]) -> None:
        self._give = give

    def __next__(self) -> Pull:
        given = self._give()
        if given is None:
            raise StopIteration
        return given
