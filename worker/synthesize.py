"""The synthesize step: chunks of one weights digest, from whatever jobs, spoken through one voice's lanes.

The longest of what waits go first, so that the lanes end together (`speech.schedule`). While lanes run free,
more chunks of the same weights are claimed; a chunk whose takes are complete is stored and finished at once.
Of a chunk whose window closes nothing more is begun: what is in lanes is finished, and it goes back with
what is spoken. A claim that an earlier attempt got nowhere with is spoken in `worker.careful` instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from jobs.ledger.values import Claim
from models_store.scripts import Script
from speech.errors import BadTakeError, UnreadableTextError
from speech.schedule import Schedule, Waiting
from speech.text.script import expect_seconds
from speech.units import TOKEN_RATE
from speech.voice import Request, Take, Voice
from worker.chunks import Chunk, close_chunk, lay_aside, open_chunk, return_chunk
from worker.errors import describe
from worker.pulse import heard_by
from worker.urgent import Meter
from worker.workshop import Workshop

PATIENCE_SECONDS: Final = 300.0
"""An utterance that has waited for a lane so long goes before longer ones."""

Claimer = Callable[[], list[Claim]]
"""More chunks of the weights in use, or none."""
UrgentClaimer = Callable[[int, bool], list[Claim]]
"""Up to so many chunks of speeches, of any voice, or none; the flag: look at once."""


def _are_urgent(waiters: list[tuple[Chunk, int]]) -> bool:
    """Whether somebody waits for the sound of one of them."""
    return any(chunk.claim.is_urgent for chunk, _ in waiters)


class Synthesis:
    """The chunks in one voice's lanes.

    Chunks of another voice with the same weights (another prompt, another narrator) are never spoken with
    this one: they wait in `others` for their own. Speeches come in at the
    next free lane; one of another voice ends the synthesis: the lanes run empty, and then there is the speech
    in `detour` and what has to wait for its end in `rest`.
    """

    def __init__(
        self,
        workshop: Workshop,
        voice: Voice,
        voice_name: str,
        claim_more: Claimer,
        claim_urgent: UrgentClaimer,
        meter: Meter,
    ) -> None:
        self.others: list[Claim] = []
        self.detour: list[Claim] = []
        self.rest: list[Claim] = []
        self._claim_urgent = claim_urgent
        self._meter = meter
        self._workshop = workshop
        self._voice = voice
        self._voice_name = voice_name
        self._claim_more = claim_more
        # Twice as many as there are lanes are enough for the lanes to end together, and few enough for chunks
        # to be done about one after another. A voice of one lane speaks them in order.
        self._has_lanes = voice.n_lanes > 1
        n_compared = 2 * voice.n_lanes if self._has_lanes else 1
        self._schedule = Schedule(patience_seconds=PATIENCE_SECONDS, n_compared=n_compared)
        self._waiting: dict[str, tuple[Chunk, int]] = {}
        """What the schedule calls it -> what waits for a lane, as it came."""
        self._in_lanes: dict[str, list[tuple[Chunk, int]]] = {}
        """Digest -> who waits for the take; two equal sentences are spoken once."""
        self._over: dict[int, Chunk] = {}
        """Step id -> chunks whose window has closed, until their last lane is done."""
        self._scripts: dict[tuple[str, int | None], Script] = {}

    def run(self, claims: list[Claim]) -> None:
        """Speaks these chunks and all that can be claimed meanwhile; on a stop, keeps what is spoken."""
        self._take_in(claims)
        with self._workshop.watch.progress() as got_further, heard_by(self._voice, got_further):
            while self._waiting or self._in_lanes:
                try:
                    for take in self._voice.speak(self._requests()):
                        got_further()
                        self._accept(take)
                except (UnreadableTextError, BadTakeError) as error:
                    self._refuse(error)
                self._return_over()
                if self._workshop.watch.stopping or self.detour:
                    break
        self._part_with_rest()

    def _take_in(self, claims: list[Claim]) -> None:
        self._line_up(self._open(claims, self.others))

    def _let_in_urgent(self) -> None:
        """Speeches go to the head of the line, unless one waits there already."""
        if _are_urgent(list(self._waiting.values())):
            return
        claims = self._claim_urgent(self._voice.n_lanes, not self._waiting)
        self._line_up(self._open(claims, self.detour))

    def _line_up(self, entries: Iterable[tuple[Chunk, int]]) -> None:
        """Has utterances wait for a lane. Those of a speech keep their order: somebody listens already."""
        now = time.monotonic()
        for chunk, index in entries:
            claim = chunk.claim
            key = f"{claim.step_id}/{claim.epoch}/{index}"
            job = key if claim.is_urgent else claim.job_id if self._has_lanes else ""
            n_expected = max(1, round(expect_seconds(chunk.script.utterances[index].text) * TOKEN_RATE))
            self._waiting[key] = (chunk, index)
            self._schedule.add([Waiting(key, job, 0, n_expected, claim.priority, now)])

    def _next_in_line(self) -> tuple[Chunk, int] | None:
        """What is to be spoken next; None where nothing waits."""
        waiting = self._schedule.admit(time.monotonic())
        if waiting is None:
            return None
        self._schedule.retire(waiting.key)  # the lanes have room of their own: there is no budget
        return self._waiting.pop(waiting.key)

    def _open(self, claims: list[Claim], for_others: list[Claim]) -> list[tuple[Chunk, int]]:
        """What is to be spoken of these chunks; those that this synthesis cannot speak go to the list."""
        entries: list[tuple[Chunk, int]] = []
        for claim in claims:
            script = self._script(claim)
            if script.voice != self._voice_name or (for_others is self.detour and claim.careful):
                for_others.append(claim)
                continue
            chunk = open_chunk(self._workshop, claim, script)
            missing = chunk.missing
            if missing:
                entries += [(chunk, index) for index in missing]
            else:
                close_chunk(self._workshop, chunk)
        return entries

    def _script(self, claim: Claim) -> Script:
        """The script of the claim's chapter; the last one is at hand, for chunks come side by side."""
        key = (claim.job_id, claim.chapter_index)
        if key not in self._scripts:
            self._scripts = {key: self._workshop.script_of(claim)}
        return self._scripts[key]

    def _requests(self) -> Iterator[Request]:
        """What the voice pulls from when a lane runs free."""
        while not self._workshop.watch.stopping:
            self._let_in_urgent()
            if self.detour:
                return
            if not self._waiting and not self.others:
                self._take_in(self._claim_more())
            entry = self._next_in_line()
            if entry is None:
                return
            chunk, index = entry
            request = chunk.script.request(index)
            if not self._is_wanted(chunk) or request.key in chunk.spoken:
                continue
            if self._workshop.watch.is_over(chunk.claim):
                self._over[chunk.claim.step_id] = chunk
                self._return_over()
                continue
            self._read_meter()
            is_new = request.key not in self._in_lanes
            self._in_lanes.setdefault(request.key, []).append((chunk, index))
            if is_new:
                yield request

    def _accept(self, take: Take) -> None:
        self._read_meter()
        waiters = self._in_lanes.pop(take.key)
        for chunk, _index in waiters:
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
        for chunk, index in self._in_lanes.pop(culprit):
            place = chunk.claim.chapter_index
            chunk.refused[index] = describe(error, chapter_index=place, utterance_index=index)
            self._settle(chunk)
        for waiters in self._in_lanes.values():
            self._line_up(waiters)
        self._in_lanes.clear()

    def _return_over(self) -> None:
        """Gives back the chunks whose window has closed and of which nothing is in a lane any more."""
        if not self._over:
            return
        speaking = {chunk.claim.step_id for waiters in self._in_lanes.values() for chunk, _ in waiters}
        for step_id in self._over.keys() - speaking:
            chunk = self._over.pop(step_id)
            if self._is_wanted(chunk):
                return_chunk(self._workshop, chunk)

    def _part_with_rest(self) -> None:
        """Before a detour what is left is laid aside; else it is given back."""
        if self._workshop.watch.stopping or not self.detour:
            self._return_rest()
            return
        for chunk in {chunk.claim.step_id: chunk for chunk, _ in self._waiting.values()}.values():
            if self._is_wanted(chunk) and lay_aside(self._workshop, chunk):
                self.rest.append(chunk.claim)

    def _return_rest(self) -> None:
        """Gives back the chunks that were not completed, with the takes they have."""
        begun = (entry for lane in self._in_lanes.values() for entry in lane)
        rest = {chunk.claim.step_id: chunk for chunk, _ in (*self._waiting.values(), *begun)} | self._over
        for chunk in rest.values():
            if self._is_wanted(chunk):
                return_chunk(self._workshop, chunk)
