"""What a knock sets off: claim, do, ring, until the ledger has nothing more for this worker."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final

from jobs.errors import LeaseLostError
from jobs.ledger.values import ALL_BUT_URGENT, ALL_PRIORITIES, ONLY_URGENT, Claim
from jobs.messages import Knock
from jobs.objects import ObjectsUnavailableError
from jobs.states import StepKind
from models_store.ahead import VoiceAhead
from speech.voice import Voice
from worker.about import about_step
from worker.bind import bind
from worker.careful import synthesize_carefully
from worker.company import Company
from worker.errors import FAULTS_OF_INPUT, StoppingError, describe
from worker.export import export
from worker.master import master
from worker.plan import plan
from worker.pull import pull
from worker.synthesize import Synthesis
from worker.training import prepare, publish, train
from worker.urgent import Lookout, Meter, Purse
from worker.voices import next_voice
from worker.workshop import Workshop

log = logging.getLogger(__name__)

SINGLE_STEPS: Final[Mapping[StepKind, Callable[[Workshop, Claim], list[Knock]]]] = MappingProxyType(
    {
        StepKind.PLAN: plan,
        StepKind.MASTER: master,
        StepKind.BIND: bind,
        StepKind.PREPARE: prepare,
        StepKind.TRAIN: train,
        StepKind.PUBLISH: publish,
        StepKind.EXPORT: export,
        StepKind.PULL: pull,
    }
)
"""The kinds that are done one step at a time."""

OUTAGE_SECONDS: Final = 10.0
"""How long a step waits that could not reach the object store."""
RETRY_SECONDS: Final = 2.0
"""How long a step waits after an error of our own, times the attempt."""


class Drain:
    """A worker's claims, one after another, and the voice it holds."""

    def __init__(self, workshop: Workshop, kinds: Collection[StepKind]) -> None:
        self._workshop = workshop
        self._kinds = tuple(kinds)
        self._voice: Voice | None = None
        self._voice_name = ""
        self._held = ExitStack()
        """Keeps the voice in the cache while it is spoken with."""
        self._ahead = VoiceAhead(workshop.voices)
        self._waiting: deque[list[Claim]] = deque()
        """Claimed while a voice wanted more, but for another voice or of another kind; or laid aside."""
        self._purse = Purse()
        self._lookout = Lookout(workshop.ledger.speeches)

    def run(self) -> None:
        """Works until nothing is due or the process is asked to stop."""
        watch = self._workshop.watch
        while not watch.stopping:
            claims = self._waiting.popleft() if self._waiting else self._claim()
            if not claims:
                self._ahead.make_way()
                return
            try:
                self._work(claims)
            except StoppingError:
                break
        self._release_all("the worker stops")

    def close(self) -> None:
        """Gives back what the voice at hand holds, and what was fetched ahead."""
        self._ahead.close()
        self._put_back()

    def _put_back(self) -> None:
        self._held.close()
        self._voice = None

    def _work(self, claims: list[Claim]) -> None:
        try:
            self._do(claims)
        except StoppingError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the steps must hear of it
            self._hand_back(error)

    def _claim(self) -> list[Claim]:
        """Whatever is first in line; but books first while speeches have had all of their share."""
        settings = self._workshop.settings
        claims: list[Claim] = []
        if self._purse.is_empty:
            claims = self._take(settings.claim_chunks, ALL_BUT_URGENT)
            if not claims:
                self._purse.forgive()
        if not claims:
            claims = self._take(settings.claim_chunks, ALL_PRIORITIES)
        if len(claims) == settings.claim_chunks > 1:  # there may be more: one knock woke only one worker
            self._workshop.doorbell.ring([Knock(claims[0].kind, claims[0].weights_digest)])
        return claims

    def _take(self, most: int, priorities: tuple[int, int]) -> list[Claim]:
        settings = self._workshop.settings
        try:
            claims = self._workshop.insist(
                lambda: self._workshop.ledger.steps.claim(
                    self._kinds,
                    owner=self._workshop.owner,
                    lease_seconds=settings.lease_seconds,
                    most=most,
                    weights=self._voice.weights_digest if self._voice else None,
                    resident=self._workshop.voices.resident(),
                    priorities=priorities,
                )
            )
        except StoppingError:
            return []
        self._workshop.watch.add(claims)
        return claims

    def _claim_urgent(self, most: int, at_once: bool) -> list[Claim]:
        """Chunks of speeches, if any wait and there is time to spend on them."""
        if self._purse.is_empty:
            return []
        try:
            if not self._workshop.insist(lambda: self._lookout.sees_any(at_once=at_once)):
                return []
        except StoppingError:
            return []
        return self._take(most, ONLY_URGENT)

    def _do(self, claims: list[Claim]) -> None:
        claims = self._return_over(claims)
        if not claims:
            return
        first = claims[0]
        if first.kind == StepKind.SYNTHESIZE:
            voice = self._voice_for(first)
            if first.careful:
                with about_step(first):
                    synthesize_carefully(self._workshop, voice, first)
                return
            self._look_ahead()
            self._synthesize(voice, claims)
            return
        with about_step(first):
            self._do_one(first)

    def _synthesize(self, voice: Voice, claims: list[Claim]) -> None:
        with Company(self._workshop, voice, claims[0].tenant_id, self._voice_name) as company:
            synthesis = Synthesis(
                self._workshop,
                company,
                self._claim_same(claims[0]),
                self._claim_urgent,
                Meter(self._purse),
            )
            synthesis.run(claims)
        if synthesis.others:
            self._waiting.append(synthesis.others)
        for before in (synthesis.rest, synthesis.detour):
            if before:
                self._waiting.appendleft(before)

    def _do_one(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            knocks = SINGLE_STEPS[claim.kind](self._workshop, claim)
        except LeaseLostError:
            log.warning("the step was lost: its result is dropped")
            knocks = []
        else:
            log.info("the step is done", extra={"seconds": round(time.monotonic() - began, 3)})
        self._workshop.watch.drop(claim)
        self._workshop.doorbell.ring(knocks)

    def _claim_same(self, like: Claim) -> Callable[[], list[Claim]]:
        """More chunks for the voice that speaks; what else the ledger gives is kept for afterwards."""

        def claim_more() -> list[Claim]:
            if self._waiting:
                return []
            claims = self._claim()
            if not claims:
                return []
            first = claims[0]
            if first.kind == like.kind and first.weights_digest == like.weights_digest and not first.careful:
                self._look_ahead()
                return claims
            self._waiting.append(claims)
            return []

        return claim_more

    def _look_ahead(self) -> None:
        """While this voice speaks, the one that the next claim will probably want is loaded."""
        weights = self._voice.weights_digest if self._voice else None
        self._ahead.fetch(lambda: next_voice(self._workshop, self._kinds, weights))

    def _voice_for(self, claim: Claim) -> Voice:
        """The voice of the claim's script; the one in use goes back to the cache."""
        name = self._workshop.script_of(claim).voice
        if self._voice is not None and self._voice_name == name:
            return self._voice
        began = time.monotonic()
        self._put_back()
        shelf = self._workshop.shelf.of(claim.tenant_id)
        manifest = shelf.resolve(name)
        self._ahead.make_way(manifest)
        shelf.require_consent(manifest)  # it may have been taken back since the voice was loaded
        self._voice = self._held.enter_context(self._workshop.voices.use(shelf, manifest))
        self._voice_name = name
        if claim.is_urgent:
            self._purse.spend(2 * (time.monotonic() - began))  # there and back
        return self._voice

    def _hand_back(self, error: Exception) -> None:
        """Tells the ledger what became of the steps in hand: whose fault it was decides what follows."""
        waiting = {claim.step_id for claims in self._waiting for claim in claims}
        for claim in self._workshop.watch.in_hand():
            if claim.step_id in waiting:
                continue
            self._workshop.watch.drop(claim)
            with about_step(claim):
                try:
                    self._settle(claim, error)
                except LeaseLostError:
                    log.info("the step was lost before its error could be told")

    def _settle(self, claim: Claim, error: Exception) -> None:
        steps, insist = self._workshop.ledger.steps, self._workshop.insist
        if isinstance(error, ObjectsUnavailableError):
            log.warning("the step waits for the object store: %s", error)
            insist(lambda: steps.release(claim, reason="objects unavailable", wait_seconds=OUTAGE_SECONDS))
            return
        told = describe(error, chapter_index=claim.chapter_index)
        is_ours = not isinstance(error, FAULTS_OF_INPUT)
        if is_ours:
            log.error("the step failed", exc_info=error)
        knocks = insist(
            lambda: steps.fail(claim, told, retry=is_ours, wait_seconds=RETRY_SECONDS * claim.attempt)
        )
        self._workshop.doorbell.ring(knocks)

    def _return_over(self, claims: list[Claim]) -> list[Claim]:
        """Those whose window has not closed while they waited for their voice; the others go back."""
        over = [claim for claim in claims if self._workshop.watch.is_over(claim)]
        self._release(over, "the window closed")
        return [claim for claim in claims if claim not in over]

    def _release_all(self, reason: str) -> None:
        self._release(self._workshop.watch.in_hand(), reason)

    def _release(self, claims: Iterable[Claim], reason: str) -> None:
        for claim in claims:
            self._workshop.watch.drop(claim)
            self._workshop.ledger.steps.release(claim, reason=reason)
