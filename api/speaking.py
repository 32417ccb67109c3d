"""A speech under way, as the server sees it: its takes in order, each as soon as the ledger has it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from api.errors import RETRY_SECONDS, Problem, invalid
from api.office import Office
from book.sound import Block, Source, silence
from book.track import Spoken, lay_out
from jobs.errors import JobMissingError, LedgerUnavailableError, MoveRefusedError
from jobs.ledger.speeches import SpeechView
from jobs.ledger.values import FoundTake
from jobs.objects import CorruptObjectError, ObjectMissingError
from jobs.states import JOB_ENDED, JobState
from models_store.scripts import Script
from speech.units import SAMPLE_RATE

log = logging.getLogger(__name__)

LOOKS_SECONDS: Final = (0.01, 0.1)
"""The shortest and the longest pause between two looks into the ledger; each is half as long again."""
LOOK_AHEAD: Final = 16
"""Utterances asked for in one look."""
MOST_SILENT_SECONDS: Final = 120.0
"""How long after one take the next may be in coming; then the speech is cancelled, and 504 says so."""
FAULTS_OF_TEXT: Final = {"unreadable-text", "option", "voice"}
"""Codes of a chunk's error that name what the client can put right."""


class SpeechBrokenError(Exception):
    """The speech cannot go on, and its beginning is already sent: the connection is cut, and this is why."""


class ClientGoneError(Exception):
    """Nobody listens any more."""


class Speech:
    """A speech somebody waits for."""

    def __init__(
        self, office: Office, tenant_id: str, job_id: str, script: Script, is_gone: Callable[[], bool]
    ) -> None:
        """The speech of this job, which says this script; `is_gone`: whether the client has hung up."""
        self.job_id = job_id
        self._office = office
        self._tenant_id = tenant_id
        self._script = script
        self._is_gone = is_gone
        self._found: dict[str, FoundTake] = {}
        self._n_read = 0
        self._folder: Path | None = None

    def blocks(self) -> Iterator[Block]:
        """The speech's sound at `SAMPLE_RATE`, each utterance as soon as it is spoken, with its pauses.

        Raises:
            Problem: it cannot be spoken, or nobody does.
            ClientGoneError: nobody listens.
        """
        for n_silent, sound, _ in lay_out(self._takes(), sample_rate=SAMPLE_RATE):
            yield from silence(n_silent)
            yield sound

    def let_go(self) -> None:
        """Cancels what is left of it, if it has not been heard to its end."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._n_read == len(self._script.utterances):
            return
        try:
            self._office.ledger.jobs.cancel(self._tenant_id, self.job_id)
        except (MoveRefusedError, JobMissingError):
            return  # it has ended by itself
        except LedgerUnavailableError as error:
            log.warning("a speech nobody waits for was not cancelled: %s", error)

    def _takes(self) -> Iterator[Spoken]:
        self._folder = Path(tempfile.mkdtemp(prefix="lectorium-"))
        for index, utterance in enumerate(self._script.utterances):
            samples = self._read(self._wait_for(index), self._folder / "render.flac")
            self._n_read = index + 1
            yield Spoken(samples, utterance.boundary.value, utterance.text)

    def _wait_for(self, index: int) -> FoundTake:
        key = self._script.keys[index]
        began, (pause, longest_pause) = time.monotonic(), LOOKS_SECONDS
        while key not in self._found:
            view = self._office.ledger.speeches.look(self._tenant_id, self.job_id)  # the state first:
            wanted = self._script.keys[index : index + LOOK_AHEAD]  # what has ended is then in the takes
            self._found |= self._office.ledger.takes.find(self._tenant_id, wanted)
            if key in self._found:
                break
            self._check(view, time.monotonic() - began)
            if self._is_gone():
                raise ClientGoneError
            if self._office.closing.wait(pause):
                raise Problem(503, "The server is stopping.", kind="stopping", headers=_later())
            pause = min(pause * 1.5, longest_pause)
        return self._found[key]

    def _check(self, view: SpeechView, waited: float) -> None:
        """Ends a wait that has no prospect."""
        if view.error is not None:
            raise self._failed(view.error)
        if view.state in JOB_ENDED:
            raise Problem(409, f"The speech is {view.state}.", kind="move-refused", state=view.state)
        if view.state == JobState.QUEUED and waited > self._office.settings.speech_wait_seconds:
            detail = f"No worker took it up within {waited:.0f} s. Ask again later."
            raise Problem(503, detail, kind="nobody-speaks", headers=_later())
        if waited > MOST_SILENT_SECONDS:
            detail = f"A worker has it, but no sound came for {waited:.0f} s; the job is cancelled."
            raise Problem(504, detail, kind="no-sound", job=self.job_id)

    def _failed(self, error: dict[str, object]) -> Problem:
        message, index = str(error.get("message", "")), error.get("utterance")
        if isinstance(index, int):
            text = " ".join(self._script.utterances[index].text.split())
            message = f"{message} (utterance {index + 1}: {text[:60]!r})"
        if error.get("code") in FAULTS_OF_TEXT:
            return invalid([{"pointer": "/input", "detail": message}])
        return Problem(500, message, kind="speech-failed", code=error.get("code"))

    def _read(self, take: FoundTake, path: Path) -> Block:
        try:
            self._office.objects.fetch(take.render_key, path, sha256=take.render_sha256)
        except (ObjectMissingError, CorruptObjectError) as error:
            self._office.ledger.takes.forget(self._tenant_id, [take.digest])
            log.warning("a render is lost and will be made again: %s", error)
            detail = "A stored take was lost. It is made again if you ask again."
            raise Problem(503, detail, kind="take-lost", headers=_later()) from error
        end = take.first_sample + take.n_samples
        return np.concatenate(list(Source.open(path).blocks(take.first_sample, end)))


def _later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)}
