"""The stub voice: no speech, but takes as a voice gives them, for benchmarks and chaos tests.

It sleeps as long as it is told, and its sound follows from the request's key alone. With `poison=True`
certain words in a text do to the process what bad weights and bad drivers do. It is listed to nobody
who does not ask for it.
"""

from __future__ import annotations

import ctypes
import enum
import hashlib
import time
from collections.abc import Iterator
from typing import Final, NoReturn

import numpy as np

from speech.errors import UnreadableTextError, VoiceError
from speech.text.script import expect_seconds
from speech.units import SAMPLE_RATE
from speech.voice import Request, Samples, Take, VoiceSource

WEIGHTS_DIGEST: Final = hashlib.sha256(b"lectorium stub voice").hexdigest()


class Poison(enum.StrEnum):
    """Words that harm the process that speaks them, if it was told to let them."""

    SEGFAULT = "poison-segfault"
    """A real SIGSEGV."""
    HANG = "poison-hang"
    """Blocks in C for ever, with the GIL released: other threads go on."""
    FREEZE = "poison-freeze"
    """Blocks in C for ever, with the GIL held: nothing in the process goes on."""
    GLUTTON = "poison-glutton"
    """Eats memory up to the appetite given, and then stands still."""
    REFUSE = "poison-refuse"
    """Raises `UnreadableTextError`, as a voice does that cannot speak a text."""
    DOUBT = "poison-doubt"
    """Gives a doubtful take, as a voice does that got none right at its last attempt. Harms nothing."""


class StubVoice:
    """A voice of noise in the rhythm of syllables: repeatable, cheap and never silent."""

    def __init__(
        self,
        seconds_per_utterance: float = 0.02,
        *,
        n_lanes: int = 1,
        poison: bool = False,
        appetite_bytes: int = 1 << 30,
        weights_digest: str = WEIGHTS_DIGEST,
    ) -> None:
        """A stub that takes `seconds_per_utterance` of wall time over each utterance.

        Args:
            seconds_per_utterance: asleep, with the GIL released; 0 for a no-op voice.
            n_lanes: how many requests it says it can have in hand.
            poison: whether the words of `Poison` work.
            appetite_bytes: how much `Poison.GLUTTON` eats at most.
            weights_digest: another one makes another voice for whoever groups by it.
        """
        if not seconds_per_utterance >= 0:
            raise ValueError(f"seconds_per_utterance: {seconds_per_utterance} is not 0 or more")
        if n_lanes < 1:
            raise ValueError(f"n_lanes: {n_lanes} is not 1 or more")
        self._seconds_per_utterance = seconds_per_utterance
        self._n_lanes = n_lanes
        self._poison = poison
        self._appetite_bytes = appetite_bytes
        self._weights_digest = weights_digest

    @property
    def weights_digest(self) -> str:
        """Names the weights."""
        return self._weights_digest

    @property
    def n_lanes(self) -> int:
        """How many utterances it says it can have in hand at once."""
        return self._n_lanes

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        """Takes in the order of the requests; each follows from its request's key, text length and speed."""
        for request in requests:
            if self._poison:
                self._swallow(request)
            if self._seconds_per_utterance:
                time.sleep(self._seconds_per_utterance)
            n_samples = round(expect_seconds(request.utterance.text) / request.sampling.speed * SAMPLE_RATE)
            yield Take(request.key, make_sound(request.key, n_samples), self._doubts(request))

    def close(self) -> None:
        """Nothing to give back."""

    def _doubts(self, request: Request) -> tuple[str, ...]:
        is_doubtful = self._poison and Poison.DOUBT in request.utterance.text
        return (f"says {Poison.DOUBT.value!r}",) if is_doubtful else ()

    def _swallow(self, request: Request) -> None:
        text = request.utterance.text
        if Poison.SEGFAULT in text:
            ctypes.string_at(0)
        if Poison.HANG in text:
            _block(ctypes.CDLL(None))
        if Poison.FREEZE in text:
            _block(ctypes.PyDLL(None))
        if Poison.GLUTTON in text:
            eaten = [np.ones(1 << 24, np.uint8) for _ in range(max(1, self._appetite_bytes >> 24))]
            _block(ctypes.CDLL(None), eaten)
        if Poison.REFUSE in text:
            error = UnreadableTextError(f"{Poison.REFUSE.value!r} cannot be spoken")
            error.add_note(request.key)
            raise error


def make_sound(key: str, n_samples: int) -> Samples:
    """Noise in the rhythm of syllables, `[N]`, peak 0.25, that follows from `key` and `n_samples` alone.

    The noise is Philox's, keyed by the SHA-256 of `key`, smoothed and shaped in integers and powers of two
    only: no sine, no exponential, so that every processor computes the same bits.
    """
    n_samples = max(n_samples, SAMPLE_RATE // 20)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    noise = np.random.Generator(np.random.Philox(key=seed)).integers(-128, 128, n_samples + 15, np.int64)
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(noise)])
    smooth = sums[16:] - sums[:-16]  # [N], a moving sum of 16: mostly below 2 kHz, within +-2**11
    syllable = np.arange(n_samples, dtype=np.int64) % 8192  # 256 ms: 192 ms of sound, 64 ms of silence
    rise = np.minimum(np.minimum(syllable, 6144 - syllable), 1024).clip(min=0)  # [N], 0...2**10
    # |smooth * rise| <= 2**21; exact in float32, whose mantissa has 24 bits.
    sound: Samples = (smooth * rise).astype(np.float32) * np.float32(2.0**-23)
    return sound


def _block(libc: ctypes.CDLL, *_held: object) -> NoReturn:
    """Blocks the calling thread for ever, using no processor time, with no return on a signal.

    A mutex locked twice by its owner: unlike pause() or sleep(), signals do not wake it (POSIX,
    pthread_mutex_lock: "shall not return an error code of [EINTR]").
    """
    mutex = ctypes.create_string_buffer(256)
    libc.pthread_mutex_init(mutex, None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
    raise AssertionError("a mutex locked twice by its owner let it pass")


def open_voice(source: VoiceSource) -> StubVoice:
    """The stub voice its manifest describes.

    Raises:
        VoiceError: a parameter is unknown or wrong.
    """
    parameters = source.parameters
    known = {"seconds_per_utterance", "n_lanes", "poison", "appetite_bytes"}
    if unknown := sorted(parameters.keys() - known):
        names = ", ".join(sorted(known))
        raise VoiceError(f"parameters.{unknown[0]}: unknown to the stub voice; known are {names}")
    try:
        return StubVoice(
            float(parameters.get("seconds_per_utterance", 0.02)),
            n_lanes=int(parameters.get("n_lanes", 1)),
            poison=bool(parameters.get("poison", False)),
            appetite_bytes=int(parameters.get("appetite_bytes", 1 << 30)),
            weights_digest=source.weights_digest,
        )
    except ValueError as error:
        raise VoiceError(f"parameters.{error}") from error
