"""What is said in recordings that came without a transcript, written down once and kept by digest."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from speech.gpt_sovits.recording import resample
from speech.recogniser import SAMPLE_RATE as RECOGNISED_RATE
from speech.recogniser import Recogniser
from speech.units import SAMPLE_RATE
from speech.voice import Samples

HEARD_SECONDS: Final = 30.0
"""The most that a recogniser hears at once."""

_FORMAT: Final = 1  # another number has everything written down anew
_AT_ONCE: Final = 8
_log = logging.getLogger(__name__)


class Transcriber:
    """Writes down what is said."""

    def __init__(
        self, load: Callable[[], Recogniser], *, digests: Sequence[str] = (), kept: Path | None = None
    ) -> None:
        """A transcriber.

        Args:
            load: gives the recogniser when the first recording wants it.
            digests: of all that decides what it writes.
            kept: the folder where transcripts are kept; None keeps none.
        """
        self._load, self._digests, self._kept = load, tuple(digests), kept
        self._recogniser: Recogniser | None = None

    def knows(self, language: str) -> bool:
        """Whether it can write down a language, BCP 47."""
        return self._ready().knows(language)

    def __call__(self, sounds: Sequence[Samples], language: str) -> list[str]:
        """The transcript of each recording `[N]` at 32 kHz, of 30 seconds at most; "" where none is heard.

        Raises:
            SpeechError: one is longer, or the recogniser has not learnt the language.
            VoiceError: the recogniser cannot be read.
        """
        paths = [self._path_of(sound, language) for sound in sounds]
        texts = [_recall(path) if path is not None else None for path in paths]
        missing = [index for index, text in enumerate(texts) if text is None]
        for start in range(0, len(missing), _AT_ONCE):
            indices = missing[start : start + _AT_ONCE]
            heard = [
                resample(torch.from_numpy(np.ascontiguousarray(sounds[index])), SAMPLE_RATE, RECOGNISED_RATE)
                for index in indices
            ]
            for index, text in zip(indices, self._ready()(heard, language), strict=True):
                texts[index] = text
                if (path := paths[index]) is not None:
                    _keep(path, text)
        return [text or "" for text in texts]

    def _ready(self) -> Recogniser:
        if self._recogniser is None:
            self._recogniser = self._load()
        return self._recogniser

    def _path_of(self, sound: Samples, language: str) -> Path | None:
        if self._kept is None:
            return None
        digest = hashlib.sha256(json.dumps([_FORMAT, language, *self._digests]).encode())
        digest.update(np.ascontiguousarray(sound, np.float32).tobytes())
        return self._kept / f"{digest.hexdigest()}.json"


def _recall(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        text = json.loads(path.read_text(encoding="utf-8"))["text"]
    except (ValueError, KeyError, TypeError):
        _log.warning("the transcript %s is damaged and is made anew", path.name)
        return None
    return text if isinstance(text, str) else None


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(f".{os.getpid()}.part")
    half_written.write_text(json.dumps({"text": text}, ensure_ascii=False), encoding="utf-8")
    half_written.replace(path)
