"""Who speaks in the lanes of one synthesis: the voice of its first chunk, and all that can join it.

A claim asks for weights, not for a voice; chunks of several zero-shot voices of one base come together, and
are spoken together, each after its own prompt.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from types import TracebackType
from typing import Self

from jobs.ledger.values import Claim
from models_store.cache import shares_entry
from models_store.scripts import Script
from speech.errors import SpeechError
from speech.voice import Request, Sociable, Take, Voice
from worker.workshop import Workshop

log = logging.getLogger(__name__)


class Company:
    """The voices of one synthesis. All stay in the cache until its end."""

    def __init__(self, workshop: Workshop, lead: Voice, tenant_id: str, name: str) -> None:
        """At first `lead` alone, whose lanes they are; `name` is what scripts of this tenant call it."""
        self.lead = lead
        self._workshop = workshop
        self._tenant_id = tenant_id
        self._name = name
        self._others: dict[tuple[str, str], Voice | None] = {}
        """(tenant, name) -> the voice; None for one that cannot join."""
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def voice_of(self, claim: Claim, script: Script) -> Voice | None:
        """The voice of this claim's script; None if it has to speak in lanes of its own."""
        if script.voice == self._name:
            return self.lead
        if not isinstance(self.lead, Sociable) or claim.weights_digest != self.lead.weights_digest:
            return None
        asked = (claim.tenant_id, script.voice)
        if asked not in self._others:
            self._others[asked] = self._join(*asked, self.lead)
        return self._others[asked]

    def speak(self, asked: Iterator[tuple[Request, Voice]]) -> Iterator[Take]:
        """The takes; pulls as `speech.voice.Voice.speak` does."""
        if isinstance(self.lead, Sociable):
            return self.lead.speak_with(asked)
        return self.lead.speak(map(itemgetter(0), asked))

    def _join(self, tenant_id: str, name: str, lead: Sociable) -> Voice | None:
        try:
            shelf = self._workshop.shelf.of(tenant_id)
            manifest = shelf.resolve(name)
            if not shares_entry(manifest, self._workshop.shelf.of(self._tenant_id).resolve(self._name)):
                return None
            shelf.require_consent(manifest)
            voice = self._held.enter_context(self._workshop.voices.use(shelf, manifest))
        except SpeechError as error:  # told to those who asked for it, when it is their turn
            log.info("voice %s does not join: %s", name, error)
            return None
        return voice if lead.shares_lanes_with(voice) else None
