"""The voice cache: weights at hand, so that the next chunk of a voice finds it loaded.

Voices that share weights (zero-shot voices of one base) and are opened alike share one entry. An entry is
loaded once however many ask, stays while anybody speaks with it, and otherwise leaves when it was used least
recently and room is wanted, or when it was idle for long.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from models_store.manifest import VoiceManifest
from speech.errors import SpeechError, VoiceError
from speech.voice import Parameter, Voice, Weights

log = logging.getLogger(__name__)

_Key = tuple[str, tuple[tuple[str, Parameter], ...]]
"""What tells entries apart: the weights, and how the manifest wants them opened (device, precision, ...)."""

MOST_VOICES: Final = 64
"""Voices kept for one entry's weights, unless more are in use; each holds a prompt, which is small."""

Check = Callable[[VoiceManifest, Voice], None]
"""Raises SpeechError if a voice that was just opened is not well."""


class Source(Protocol):
    """Where voices come from: a shelf."""

    def open_weights(self, manifest: VoiceManifest) -> Weights:
        """The weights that a voice version speaks with, loaded."""
        ...

    def open_on(self, weights: Weights, manifest: VoiceManifest) -> Voice:
        """The voice of a version over weights that are loaded."""
        ...


@dataclass(slots=True)
class CacheFigures:
    """What a cache did since it was made."""

    n_hits: int = 0
    n_loads: int = 0
    """Those ahead of need too."""
    n_loads_ahead: int = 0
    n_failures: int = 0
    n_evictions: Counter[str] = field(default_factory=Counter)
    """Why -> how often weights left: "room", "idle" or "closed"."""
    load_seconds: float = 0.0

    def counts(self) -> defaultdict[tuple[str, str], float]:
        """The same under the names that metrics have."""
        told: defaultdict[tuple[str, str], float] = defaultdict(float)
        told["voice_loads", "asked"] = self.n_loads - self.n_loads_ahead
        told["voice_loads", "ahead"] = self.n_loads_ahead
        told["voice_hits", ""] = self.n_hits
        told["voice_failures", ""] = self.n_failures
        told["voice_load_seconds", ""] = self.load_seconds
        for why, count in self.n_evictions.items():
            told["voice_evictions", why] = count
        return told


@dataclass(slots=True)
class _Entry:
    weights: Weights
    used_at: float
    n_pins: int = 0
    voices: OrderedDict[str, Voice] = field(default_factory=OrderedDict)
    n_users: Counter[str] = field(default_factory=Counter)
    """Version -> how many speak with that voice."""
    opening: threading.Lock = field(default_factory=threading.Lock)
    """Held while a voice is opened: one at a time, and none twice."""


class VoiceCache:
    """Loaded weights, by digest, within a budget of bytes."""

    def __init__(
        self,
        *,
        budget_bytes: int,
        idle_seconds: float,
        check: Check | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """An empty cache.

        Args:
            budget_bytes: what all entries together may hold. A single one may be larger: it is then alone.
            idle_seconds: after so long without use an entry leaves.
            check: looks at each voice before anybody speaks with it.
            now: the clock, in seconds.
        """
        self.figures = CacheFigures()
        self._told = self.figures.counts()
        self._check = check
        self._budget_bytes = budget_bytes
        self._idle_seconds = idle_seconds
        self._now = now
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()  # least recently used first
        self._changed = threading.Condition()
        self._loading: set[_Key] = set()

    @contextmanager
    def use(self, source: Source, manifest: VoiceManifest, *, ahead: bool = False) -> Iterator[Voice]:
        """The voice, loaded if need be; its weights stay at hand until the end of the block.

        `ahead`: nobody waits for it yet.

        Raises:
            VoiceError: it cannot be loaded, may not speak, or is not well.
        """
        entry = self._pin(source, manifest, ahead=ahead)
        try:
            with entry.opening:
                voice = self._voice_of(entry, source, manifest)
                entry.n_users[manifest.version] += 1
            try:
                yield voice
            finally:
                with entry.opening:
                    entry.n_users[manifest.version] -= 1
        finally:
            with self._changed:
                entry.n_pins -= 1
                entry.used_at = self._now()
                self._shrink()

    def prefetch(self, source: Source, manifest: VoiceManifest) -> None:
        """Has the voice loaded for whoever asks next. What goes wrong is told then, and here only logged."""
        try:
            with self.use(source, manifest):
                pass
        except SpeechError as error:
            log.warning("voice %s could not be fetched ahead: %s", manifest.name, error)

    def holds(self, manifest: VoiceManifest) -> bool:
        """Whether the voice's weights are at hand."""
        with self._changed:
            return _key_of(manifest) in self._entries

    def has_room_for(self, manifest: VoiceManifest) -> bool:
        """Whether the voice's weights fit beside those in use, if all others leave."""
        with self._changed:
            pinned = sum(entry.weights.n_bytes for entry in self._entries.values() if entry.n_pins)
            return pinned + _bytes_of(manifest) <= self._budget_bytes

    def resident(self) -> list[str]:
        """The digests of the weights at hand, those used last first."""
        with self._changed:
            return list(dict.fromkeys(digest for digest, _ in reversed(self._entries)))

    def take_counts(self) -> list[tuple[str, str, float]]:
        """What happened since this was last asked, for the operator: name, which sort of it, how much."""
        with self._changed:
            now = self.figures.counts()
            before, self._told = self._told, now
        return [(*what, amount - before[what]) for what, amount in now.items() if amount > before[what]]

    @property
    def used_bytes(self) -> int:
        """What all entries hold."""
        with self._changed:
            return self._used_bytes()

    def expire(self) -> None:
        """Lets go of what was idle for too long."""
        with self._changed:
            for key, entry in list(self._entries.items()):
                if not entry.n_pins and self._now() - entry.used_at >= self._idle_seconds:
                    self._evict(key, "idle")

    def close(self) -> None:
        """Lets go of everything; nobody may be speaking."""
        with self._changed:
            for key in list(self._entries):
                self._evict(key, "closed")

    def _pin(self, source: Source, manifest: VoiceManifest, *, ahead: bool) -> _Entry:
        key = _key_of(manifest)
        with self._changed:
            while key in self._loading:
                self._changed.wait()
            entry = self._entries.get(key)
            if entry is not None:
                self.figures.n_hits += 1
                self._entries.move_to_end(key)
                entry.n_pins += 1
                return entry
            self._loading.add(key)
            self._shrink(_bytes_of(manifest))
        try:
            entry = self._load(source, manifest, ahead=ahead)
        finally:
            with self._changed:
                self._loading.discard(key)
                self._changed.notify_all()
        return entry

    def _load(self, source: Source, manifest: VoiceManifest, *, ahead: bool) -> _Entry:
        began = time.monotonic()
        try:
            weights = source.open_weights(manifest)
        except SpeechError as error:
            self.figures.n_failures += 1
            log.error("voice %s cannot be loaded: %s", manifest.name, error)  # noqa: TRY400 - one line says it
            raise
        seconds = time.monotonic() - began
        entry = _Entry(weights, self._now(), n_pins=1)
        with self._changed:
            self._entries[_key_of(manifest)] = entry
            self.figures.n_loads += 1
            self.figures.n_loads_ahead += ahead
            self.figures.load_seconds += seconds
            self._shrink()
        log.info(
            "voice %s is loaded%s: %.0f MB in %.2f s",
            manifest.name, " ahead" if ahead else "", weights.n_bytes / 1e6, seconds,
            extra={"weights": manifest.weights_digest, "seconds": round(seconds, 3)},
        )  # fmt: skip
        return entry

    def _voice_of(self, entry: _Entry, source: Source, manifest: VoiceManifest) -> Voice:
        voice = entry.voices.get(manifest.version)
        if voice is None:
            try:
                voice = source.open_on(entry.weights, manifest)
                if self._check is not None:
                    self._check(manifest, voice)
            except SpeechError as error:
                self.figures.n_failures += 1
                log.error("voice %s is refused: %s", manifest.name, error)  # noqa: TRY400 - one line says it
                if isinstance(error, VoiceError):
                    raise
                raise VoiceError(f"voice {manifest.name!r}: {error}") from error
            entry.voices[manifest.version] = voice
            self._let_go_of_idle(entry, manifest.version)
        entry.voices.move_to_end(manifest.version)
        return voice

    def _let_go_of_idle(self, entry: _Entry, new: str) -> None:
        """Closes the voices used least recently that are too many, but none in use, nor the new one."""
        idle = [version for version in entry.voices if not entry.n_users[version] and version != new]
        for version in idle[: max(0, len(entry.voices) - MOST_VOICES)]:
            entry.voices.pop(version).close()
            entry.n_users.pop(version, None)

    def _shrink(self, wanted_bytes: int = 0) -> None:
        """Evicts, least recently used first, until there is room for so much more, or all is in use."""
        for key, entry in list(self._entries.items()):
            if self._used_bytes() + wanted_bytes <= self._budget_bytes:
                return
            if not entry.n_pins:
                self._evict(key, "room")

    def _evict(self, key: _Key, why: str) -> None:
        entry = self._entries.pop(key)
        entry.weights.close()
        self.figures.n_evictions[why] += 1
        log.info("weights %s leave the voice cache: %s", key[0][:12], why, extra={"weights": key[0]})

    def _used_bytes(self) -> int:
        return sum(entry.weights.n_bytes for entry in self._entries.values())


def shares_entry(one: VoiceManifest, other: VoiceManifest) -> bool:
    """Whether both speak over the same weights, opened alike."""
    return _key_of(one) == _key_of(other)


def _bytes_of(manifest: VoiceManifest) -> int:
    """What its own files hold; weights of a base that it shares are known only once they are loaded."""
    return sum(file.bytes for file in manifest.files.values())


def _key_of(manifest: VoiceManifest) -> _Key:
    return manifest.weights_digest, tuple(sorted(manifest.parameters.items()))
