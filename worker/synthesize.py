"""The synthesize step: chunks of one weights digest, from whatever jobs, spoken through one set of lanes.

The longest of what waits go first, so that the lanes end together (`worker.line`). While lanes run free,
more chunks of the same weights are claimed; a chunk whose takes are complete is stored and finished at once.
Of a chunk whose window closes nothing more is begun: what is in lanes is finished, and it goes back with
what is spoken. A claim that an earlier attempt got nowhere with is spoken in `worker.careful` instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from jobs.ledger.values import Claim
from models_store.scripts import Script
from speech.errors import BadTakeError, UnreadableTextError
from speech.units import SAMPLE_RATE
from speech.voice import Pulled, Request, Take, Voice
from worker.chunks import Chunk, close_chunk, lay_aside, open_chunk, return_chunk
from worker.company import Company
from worker.errors import describe
from worker.line import Line, Waiter
from worker.pulse import heard_by
from worker.urgent import Meter
from worker.workshop import Workshop

CLAIM_AGAIN_SECONDS: Final = 1.0
"""While lanes run and nothing waits, the ledger is asked so often whether there is something new."""

Claimer = Callable[[], list[Claim]]
"""More chunks of the weights in use, or none."""
UrgentClaimer = Callable[[int, bool], list[Claim]]
"""Up to so many chunks of speeches, of any voice, or none; the flag: look at once."""


class Synthesis:
    """The chunks in one voice's lanes.

    Chunks of another voice with the same weights are spoken with this one where it can share its lanes; the
    others wait in `others` for their own. Whatever comes is let in as long as any lane runs. Speeches come in
    at the next free lane; one of a voice that cannot join ends the synthesis: the lanes run empty, and then
    there is the speech in `detour` and what has to wait for its end in `rest`.
    """

    def __init__(
        self,
        workshop: Workshop,
        company: Company,
        claim_more: Claimer,
        claim_urgent: UrgentClaimer,
        meter: Meter,
    ) -> None:
        self.others: list[Claim] = []
        self.detour: list[Claim] = []
        self.rest: list[Claim] = []
        self._workshop = workshop
        self._company = company
        self._claim_more = claim_more
        self._claim_at = 0.0
        """When the ledger may be asked again for more, on the monotonic clock."""
        self._claim_urgent = claim_urgent
        self._meter = meter
        self._line = Line(company.lead, workshop.settings.lane_slots)
        self._in_lanes: dict[str, list[Waiter]] = {}
        """Digest -> who waits for the take; two equal sentences are spoken once."""
        self._over: dict[int, Chunk] = {}
        """Step id -> chunks whose window has closed, until their last lane is done."""
        self._scripts: dict[tuple[str, int | None], Script] = {}

    def run(self, claims: list[Claim]) -> None:
        """Speaks these chunks and all that can be claimed meanwhile; on a stop, keeps what is spoken."""
        watch, voice = self._workshop.watch, self._company.lead
        self._take_in(claims)
        with self._timed(), watch.progress() as got_further, heard_by(voice, got_further):
            while self._line or self._in_lanes:
                try:
                    for take in self._company.speak(Pulled(self._next)):
                        got_further()
                        self._accept(take)
                except (UnreadableTextError, BadTakeError) as error:
                    self._refuse(error)
                self._return_over()
                if watch.stopping or self.detour:
                    break
        self._part_with_rest()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Counts the time of the block, for the operator."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._workshop.ledger.counts.note("synthesis_seconds", amount=time.monotonic() - began)

    def _take_in(self, claims: list[Claim]) -> None:
        self._line.add(self._open(claims, self.others))

    def _let_in_urgent(self) -> None:
        """Speeches go to the head of the line, unless one waits there already."""
        if self._line.has_urgent:
            return
        at_once = not self._line and not self._in_lanes
        claims = self._claim_urgent(self._company.lead.n_lanes, at_once)
        self._line.add(self._open(claims, self.detour))

    def _let_in_more(self) -> None:
        """More of the same weights where nothing waits; while lanes run, the ledger is asked now and then."""
        if self._line or self.others or (self._in_lanes and time.monotonic() < self._claim_at):
            return
        claims = self._claim_more()
        if not claims:
            self._claim_at = time.monotonic() + CLAIM_AGAIN_SECONDS
        self._take_in(claims)

    def _open(self, claims: list[Claim], for_others: list[Claim]) -> list[Waiter]:
        """What is to be spoken of these chunks; those that this synthesis cannot speak go to the list."""
        waiters: list[Waiter] = []
        for claim in claims:
            script = self._script(claim)
            voice = self._company.voice_of(claim, script)
            if voice is None or (for_others is self.detour and claim.careful):
                for_others.append(claim)
                continue
            chunk = open_chunk(self._workshop, claim, script)
            missing = chunk.missing
            if missing:
                waiters += [Waiter(chunk, index, voice) for index in missing]
            else:
                close_chunk(self._workshop, chunk)
        return waiters

    def _script(self, claim: Claim) -> Script:
        """The script of the claim's chapter; the last one is at hand, for chunks come side by side."""
        key = (claim.job_id, claim.chapter_index)
        if key not in self._scripts:
            self._scripts = {key: self._workshop.script_of(claim)}
        return self._scripts[key]

    def _next(self) -> tuple[Request, Voice] | None:
        """What the voice is given when a lane runs free; None if there is nothing for the moment."""
        while not self._workshop.watch.stopping:
            self._let_in_urgent()
            if self.detour:
                return None
            self._let_in_more()
            waiter = self._line.next()
            if waiter is None:
                return None
            request = waiter.chunk.script.request(waiter.index)
            if self._begins(waiter, request.key):
                return request, waiter.voice
            self._line.leave(waiter)
        return None

    def _begins(self, waiter: Waiter, key: str) -> bool:
        """Whether it is to be spoken now: not if its chunk is let go, or the take is there or in a lane."""
        chunk = waiter.chunk
        if not self._is_wanted(chunk) or key in chunk.spoken:
            return False
        if self._workshop.watch.is_over(chunk.claim):
            self._over[chunk.claim.step_id] = chunk
            self._return_over()
            return False
        self._read_meter()
        in_lanes = self._in_lanes.setdefault(key, [])
        in_lanes.append(waiter)
        return len(in_lanes) == 1

    def _accept(self, take: Take) -> None:
        self._read_meter()
        self._workshop.ledger.counts.note("synthesis_audio_seconds", amount=take.samples.size / SAMPLE_RATE)
        waiters = self._in_lanes.pop(take.key)
        self._line.leave(waiters[0])
        for chunk in (waiter.chunk for waiter in waiters):
            if self._is_wanted(chunk):
                chunk.spoken[take.key] = take
                self._settle(chunk)
        self._meter.read(_are_urgent(waiters), 1)
        self._return_over()

    def _read_meter(self) -> None:
        self._meter.read(sum(map(_are_urgent, self._in_lanes.values())), len(self._in_lanes))

    def _is_wanted(self, chunk: Chunk) -> bool:
        """False for a chunk that is closed, or whose lease is lost: that one is let go."""
        if not chunk.is_closed and self._workshop.watch.is_lost(chunk.claim):
            chunk.is_closed = True
            self._workshop.watch.drop(chunk.claim)
        return not chunk.is_closed

    def _settle(self, chunk: Chunk) -> None:
        if not chunk.is_closed and not chunk.missing:
            close_chunk(self._workshop, chunk)

    def _refuse(self, error: UnreadableTextError | BadTakeError) -> None:
        """The voice cannot speak one request: its chunks go on without it, the other lanes start afresh."""
        culprit = next((key for key in self._in_lanes if key in getattr(error, "__notes__", ())), None)
        if culprit is None:
            raise error
        for waiters in self._in_lanes.values():
            self._line.leave(waiters[0])
        for waiter in self._in_lanes.pop(culprit):
            chunk, index = waiter.chunk, waiter.index
            place = chunk.claim.chapter_index
            chunk.refused[index] = describe(error, chapter_index=place, utterance_index=index)
            self._settle(chunk)
        for waiters in self._in_lanes.values():
            self._line.add(waiters)
        self._in_lanes.clear()

    def _return_over(self) -> None:
        """Gives back the chunks whose window has closed and of which nothing is in a lane any more."""
        if not self._over:
            return
        speaking = {waiter.chunk.claim.step_id for waiters in self._in_lanes.values() for waiter in waiters}
        for step_id in self._over.keys() - speaking:
            chunk = self._over.pop(step_id)
            if self._is_wanted(chunk):
                return_chunk(self._workshop, chunk)

    def _part_with_rest(self) -> None:
        """Before a detour what is left is laid aside; else it is given back."""
        if self._workshop.watch.stopping or not self.detour:
            self._return_rest()
            return
        for chunk in self._line.chunks:
            if self._is_wanted(chunk) and lay_aside(self._workshop, chunk):
                self.rest.append(chunk.claim)

    def _return_rest(self) -> None:
        """Gives back the chunks that were not completed, with the takes they have."""
        begun = (waiter.chunk for waiters in self._in_lanes.values() for waiter in waiters)
        rest = {chunk.claim.step_id: chunk for chunk in (*self._line.chunks, *begun)} | self._over
        for chunk in rest.values():
            if self._is_wanted(chunk):
                return_chunk(self._workshop, chunk)


def _are_urgent(waiters: list[Waiter]) -> bool:
    """Whether somebody waits for the sound of one of them."""
    return any(waiter.is_urgent for waiter in waiters)
