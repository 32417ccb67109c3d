"""The draft voice: espeak-ng, every language at once, unmistakably a machine.

To hear a book's chapters, names and length in seconds before real voices spend hours on it. espeak-ng
is GPL-3.0-or-later and comes with the optional package espeakng-loader; it runs in a process of its own
(`speech.espeak`), and this module imports without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from speech import espeak
from speech.errors import BadTakeError, UnreadableTextError, VoiceError
from speech.languages import LANGUAGES, find_espeak_voice
from speech.resample import resample_22050
from speech.text.lexicon import Entry, Lexicon
from speech.text.script import count_letters
from speech.text.utterance import Span
from speech.voice import Request, Samples, Take, VoiceSource

__all__ = ["ESPEAK_VERSION", "LANGUAGES", "NARRATORS", "WEIGHTS_DIGEST", "DraftVoice", "open_voice"]

NARRATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "draft": "",
        "draft-f1": "f1",
        "draft-f2": "f2",
        "draft-f3": "f3",
        "draft-f4": "f4",
        "draft-m1": "m1",
        "draft-m2": "m2",
        "draft-m3": "m3",
        "draft-m4": "m4",
    }
)
"""The draft voices and the espeak-ng variant that each is; "" is espeak-ng's own voice of the language."""

ESPEAK_VERSION: Final = "1.52.0"
WEIGHTS_DIGEST: Final = hashlib.sha256(f"espeak-ng {ESPEAK_VERSION}".encode()).hexdigest()
"""All draft voices are one engine."""

WORDS_PER_MINUTE: Final = 175  # espeak-ng's own pace
LONGEST: Final = 5_000  # characters of an utterance
_SILENCE: Final = 10.0 ** (-60 / 20)  # peak, of full scale 1.0


class DraftVoice:
    """One of the draft narrators, in as many languages as espeak-ng has."""

    def __init__(self, narrator: str = "", *, weights_digest: str = WEIGHTS_DIGEST) -> None:
        """A draft voice, its engine started.

        Args:
            narrator: an espeak-ng variant of `NARRATORS`; "" for the language's own voice.
            weights_digest: as the manifest says it; must be this code's.

        Raises:
            VoiceError: espeakng-loader is missing, of another version of espeak-ng or broken; or the
                narrator or the weights are not of this family.
        """
        if narrator not in NARRATORS.values():
            known = ", ".join(repr(variant) for variant in NARRATORS.values())
            raise VoiceError(f"narrator: {narrator!r} is no draft narrator; known are {known}")
        if weights_digest != WEIGHTS_DIGEST:
            raise VoiceError(f"weights_digest: {weights_digest} is not espeak-ng {ESPEAK_VERSION}")
        self._narrator = narrator
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._engine = _start_engine()

    @property
    def weights_digest(self) -> str:
        """Names espeak-ng and its version."""
        return WEIGHTS_DIGEST

    @property
    def n_lanes(self) -> int:
        """One utterance at a time."""
        return 1

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        """Takes in the order of the requests.

        Raises:
            UnreadableTextError: a language espeak-ng does not have, a NUL or half a surrogate pair, more
                than `LONGEST` characters, or a lexicon that gives phonemes instead of a respelling.
            BadTakeError: text with letters in it came out silent, or espeak-ng failed on it.
            VoiceError: the speed is not within 0.5 to 2.0; or the voice is closed or of another process, or
                its engine has gone.
        """
        for request in requests:
            try:
                samples = self._speak_one(request)
            except (UnreadableTextError, BadTakeError) as error:
                error.add_note(request.key)
                raise
            yield Take(request.key, samples)

    def close(self) -> None:
        """Ends the engine."""
        with self._lock:
            self._engine.end()

    def _speak_one(self, request: Request) -> Samples:
        speed = request.sampling.speed
        if not 0.5 <= speed <= 2.0:
            raise VoiceError(f"speed: {speed} is not within 0.5 to 2.0")
        parts = _parts(request, self._narrator)
        spoken = self._ask(
            {
                # The C library's generator takes 32 bits, and 0 and 1 are one seed to it.
                "seed": 2
                + int.from_bytes(hashlib.sha256(request.key.encode()).digest()[:4], "big") % (2**31 - 2),
                "words_per_minute": round(WORDS_PER_MINUTE * speed),
                "parts": parts,
            }
        )
        for (_, text), samples in zip(parts, spoken, strict=True):
            if count_letters(text) and (not samples.size or np.abs(samples).max() < _SILENCE):
                raise BadTakeError(f"espeak-ng says nothing for {_shorten(text)!r}")
        return np.concatenate(spoken)

    def _ask(self, request: dict[str, Any]) -> list[Samples]:
        """What the engine says to each part, `[N]` each, at `units.SAMPLE_RATE`."""
        if os.getpid() != self._owner:
            raise VoiceError("a draft voice speaks only in the process that opened it, not in a fork of that")
        with self._lock:
            try:
                head, body = self._engine.ask(request)
            except BaseException:
                # Left between question and answer, the next answer would be to the wrong question.
                self._engine.end()
                raise
        if "error" in head:
            raise BadTakeError(head["error"])
        stops = np.cumsum([0, *head["n_samples"]])
        samples = np.frombuffer(body, np.int16)
        return [resample_22050(samples[start:stop]) for start, stop in pairwise(stops)]


def open_voice(source: VoiceSource) -> DraftVoice:
    """The draft voice its manifest describes.

    Raises:
        VoiceError: a parameter is unknown or wrong, or the manifest names files; or as `DraftVoice`.
    """
    if source.folder is not None:
        raise VoiceError("a draft voice has no files")
    if unknown := sorted(source.parameters.keys() - {"narrator"}):
        raise VoiceError(f"parameters.{unknown[0]}: unknown to the draft voice, which knows 'narrator' alone")
    return DraftVoice(str(source.parameters.get("narrator", "")), weights_digest=source.weights_digest)


def _parts(request: Request, narrator: str) -> list[tuple[str, str]]:
    """The espeak-ng voice and the text of each span that has something to say, respelt by the lexicon."""
    text = request.utterance.text
    if len(text) > LONGEST:
        raise UnreadableTextError(
            f"{len(text)} characters in one utterance; the draft voice speaks {LONGEST} at most"
        )
    for place, character in enumerate(text):
        if character == "\0" or unicodedata.category(character) == "Cs":
            raise UnreadableTextError(f"character {place} is {character!a}, which is no text")
    parts = []
    for span in request.utterance.spans:
        voice = find_espeak_voice(span.language)
        if span.text.strip():
            said = _quieten(_respell(span, request.lexicon))
            parts.append((f"{voice}+{narrator}" if narrator else voice, said))
    if not parts:
        raise UnreadableTextError("the utterance is empty")
    return parts


def _respell(span: Span, entries: tuple[Entry, ...]) -> str:
    """The text with the words of the lexicon as they are respelt."""
    lexicon = Lexicon(entries).for_language(span.language)
    pattern = lexicon.pattern(span.language)
    if pattern is None:
        return span.text
    if phonetic := next((entry for entry in lexicon.entries if entry.phonemes), None):
        raise UnreadableTextError(
            f"lexicon: {phonetic.word!r}: phonemes: a draft voice takes a respelling only"
        )
    return pattern.sub(lambda found: lexicon.entry(span.language, found.group()).respelling, span.text)


def _seed(key: str) -> int:
    """A seed in 2...2**31 - 1: the C library's generator takes no more, and takes 0 for 1."""
    return 2 + int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % (2**31 - 2)


def _quieten(text: str) -> str:
    """The text with control characters as blanks: espeak-ng takes U+0001 for the start of a command."""
    return "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


class _Engine:
    """The process of `speech.espeak` and the pipes to it."""

    def __init__(self, library_path: str, data_folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", espeak.__file__, library_path, data_folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C on the terminal is for us; the engine ends when its input does
        )
        try:
            self.head = self._read_head()
        except BaseException:
            self.end()
            raise

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The reply's head and its samples."""
        assert self._process.stdin is not None
        if self._process.stdin.closed:
            raise VoiceError("the draft voice is closed")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise VoiceError(_GONE) from error
        head = self._read_head()
        n_bytes = 2 * sum(head.get("n_samples", ()))
        assert self._process.stdout is not None
        body = self._process.stdout.read(n_bytes)
        if len(body) != n_bytes:
            raise VoiceError(_GONE)
        return head, body

    def end(self) -> None:
        """Ends the process; more than once does no harm."""
        # The whole group, the fork that is speaking too. Not yet waited for, so the number is still its own.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):  # a request it did not live to read
                    pipe.close()

    def _read_head(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise VoiceError(_GONE)
        head: dict[str, Any] = json.loads(line)
        return head


_GONE: Final = "the draft voice's engine has gone"


def _start_engine() -> _Engine:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise VoiceError("the draft voice needs espeak-ng (GPL-3.0-or-later): pip install 'lectorium[draft]'")
    loader = importlib.import_module("espeakng_loader")
    engine = _Engine(loader.get_library_path(), loader.get_data_path())
    version = engine.head.get("version")
    if version != ESPEAK_VERSION:
        engine.end()
        found = engine.head.get("error") or f"espeak-ng {version}"
        raise VoiceError(f"the draft voice needs espeak-ng {ESPEAK_VERSION}; espeakng-loader has: {found}")
    return engine
