"""What a new voice and its base have said so far, so that publishing can be laid down and go on from there.

It is kept on this machine alone, beside the features of recordings, and as long as those: another one lets
both speak anew.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from speech.text.digest import SPEECH_VERSION
from speech.voice import Samples
from worker.schooling import features_folder
from worker.workshop import Workshop

log = logging.getLogger(__name__)

VOICE: Final = "voice"
BASE: Final = "base"


class LaidDownError(Exception):
    """Publishing does not go on now; the message says why."""


class Tried:
    """The takes of one job, by who speaks and the recording's name."""

    def __init__(self, workshop: Workshop, tenant_id: str, job_id: str) -> None:
        """Those that this machine has put down, if any."""
        folder = features_folder(workshop, tenant_id)
        self._path = folder / f"{job_id}-{SPEECH_VERSION['gpt-sovits']}.safetensors"
        self._takes: dict[str, Samples] = {}
        try:
            self._takes = load_file(self._path)
        except FileNotFoundError:  # nothing was said on this machine
            pass
        except (OSError, SafetensorError) as error:
            log.warning("what was said in %s cannot be read and is said anew: %s", self._path, error)

    def get(self, who: str, name: str) -> Samples | None:
        """What was said; None if it was not yet."""
        return self._takes.get(f"{who} {name}")

    def add(self, who: str, name: str, samples: Samples) -> None:
        """It was said just now."""
        self._takes[f"{who} {name}"] = samples

    def write(self) -> None:
        """Puts all of it down."""
        if self._takes:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half_written = self._path.with_suffix(f".{os.getpid()}.part")
            save_file(self._takes, half_written)
            half_written.replace(self._path)

    def drop(self) -> None:
        """The voice is published."""
        self._path.unlink(missing_ok=True)
