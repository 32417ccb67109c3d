"""The train step: updates as long as the window is open and nobody goes before; the rest of them later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from jobs.ledger.training_values import TrainingProgress
from jobs.ledger.values import Claim
from jobs.messages import Knock
from jobs.states import StepKind
from models_store.commission import options_of
from speech.energy import Meter
from speech.gpt_sovits.files import DECODER
from speech.training.corpus import Corpus
from speech.training.course import LOSSES, Course, Reached, pack, unpack
from speech.training.expect import Pace, device_name
from speech.training.loop import Outcome
from speech.units import SAMPLE_RATE
from worker.giving_way import WINDOW_CLOSES, GivingWay
from worker.pacing import Pacer
from worker.schooling import bring, find_base, keep, meter_of, note_energy, pace_of, spec_of, told
from worker.workshop import Workshop

log = logging.getLogger(__name__)

_TENSORS: Final = "application/octet-stream"
_MOST_ASSUMED_SECONDS: Final = 60.0
"""So much of a window's end is left unused at most for a first update whose length is only assumed."""
_SLACK: Final = 1.5
"""So many times its mean an update may take: those of the semantic model are not all of one length."""
_TELL_SECONDS: Final = 2.0
"""How often progress is told; the ledger writes less often."""


def train(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step, or as much of it as there is time for; returns the knocks now due.

    Raises:
        LeaseLostError: the lease was lost, or the job cancelled.
        TrainingError: a gradient is not finite, or a recording does not fit the networks.
    """
    spec = spec_of(claim)
    prepared = workshop.insist(lambda: workshop.ledger.jobs.results(claim.job_id, StepKind.PREPARE))[0]
    base = find_base(workshop.shelf.of(claim.tenant_id), prepared["base"])
    decoder, semantic = options_of(spec.options)
    meter = meter_of(workshop.settings, base.device)
    with workshop.scratch() as folder:
        corpus = Corpus.read(bring(workshop, prepared["corpus"], folder / "corpus.safetensors"))
        latest = workshop.insist(lambda: workshop.ledger.trainings.latest_checkpoint(claim))
        if latest is not None:
            packed = bring(workshop, {"key": latest.key, "sha256": latest.sha256}, folder / "packed")
            unpack(packed, folder / "course")
            packed.unlink()
        course = Course(
            base.weights,
            base.manifest.weights_digest,
            corpus,
            folder / "course",
            decoder=decoder,
            semantic=semantic,
            device=base.device,
        )
        pacer = Pacer(folder / "course", device_name(base.device))
        seconds = [len(features.sound) / SAMPLE_RATE for features in corpus.learnt]
        to_come = None if DECODER in course.published else decoder
        pace = pace_of(workshop, base)
        foretold = _foretell(pace, pace.update_seconds(seconds, to_come, semantic), pacer)
        duty = _Duty(workshop, claim, pacer, foretold)
        outcome = course.run(
            must_stop=duty.must_stop,
            report=duty.report,
            saved=lambda: _carry(workshop, claim, folder, meter, pacer),
        )
        if outcome is Outcome.STOPPED:
            log.info("the training is laid down: %s", duty.why)
            note_energy(workshop, claim, meter)
            return workshop.insist(
                lambda: workshop.ledger.trainings.put_back(
                    claim, reason=duty.why, past_opening=duty.why == WINDOW_CLOSES
                )
            )
        files = {
            name: keep(workshop, claim, path, "voice", _TENSORS, name=name)
            for name, path in course.published.items()
        }
        n_updates = len(course.losses)
        losses = keep(workshop, claim, folder / "course" / LOSSES, "report", "application/jsonl", name=LOSSES)
    energy = note_energy(workshop, claim, meter)
    measured = pacer.pace(
        base.manifest.weights_digest,
        seconds,
        decoder,
        semantic,
        kwh=energy.kwh - prepared["energy"]["kwh"],
    )
    result = {
        "voice": {name: told(stored) for name, stored in files.items()},
        "losses": told(losses),
        "n_updates": n_updates,
        "energy": asdict(energy),
        "pace": measured.as_json(),
    }
    return workshop.insist(
        lambda: workshop.ledger.steps.finish(claim, artefacts=[*files.values(), losses], result=result)
    )


def _foretell(pace: Pace, update_seconds: Mapping[str, float], pacer: Pacer) -> dict[str, float]:
    """How long the first update of each stage may take, so that none ends after its window."""
    before = pacer.update_seconds()
    found = {}
    for stage, seconds in update_seconds.items():
        if stage in before or stage in pace.measured:
            found[stage] = _SLACK * before.get(stage, seconds)
        else:
            found[stage] = min(seconds, _MOST_ASSUMED_SECONDS)
    return found


def _carry(workshop: Workshop, claim: Claim, folder: Path, meter: Meter, pacer: Pacer) -> None:
    """Puts all there is so far where any worker can go on from it, in place of what was put there before."""
    pacer.write()
    pack(folder / "course", folder / "packed")
    stored = keep(workshop, claim, folder / "packed", "checkpoint", "application/x-tar", suffix=".tar")
    (folder / "packed").unlink()
    former = workshop.insist(lambda: workshop.ledger.trainings.checkpoint(claim, stored))
    for key in former:
        workshop.objects.delete(key)
    note_energy(workshop, claim, meter)


class _Duty:
    """Whether to go on, asked before each update, and what is told after it."""

    def __init__(
        self,
        workshop: Workshop,
        claim: Claim,
        pacer: Pacer,
        foretold: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Of one claim; `foretold` are the seconds that an update of each stage to come is taken to last."""
        self.why = ""
        self._workshop, self._claim, self._clock = workshop, claim, clock
        self._pacer = pacer
        self._giving_way = GivingWay(workshop, claim, clock)
        self._told_at = clock()
        self._began_at: float | None = None
        self._longest = dict(foretold)
        self._seen: set[str] = set()
        self._first: tuple[float, int] | None = None

    def must_stop(self) -> bool:
        """Whether no other update may begin."""
        self.why = self._giving_way.reason(max(self._longest.values())) or ""
        self._began_at = self._clock()
        return bool(self.why)

    def report(self, reached: Reached, losses: dict[str, float]) -> None:
        """An update is done."""
        now = self._clock()
        if self._began_at is not None:
            self._time(reached.stage, now - self._began_at)
        self._first = self._first or (now, reached.n_done)
        if now - self._told_at < _TELL_SECONDS and reached.n_done < reached.n_updates:
            return
        self._told_at = now
        seconds = now - self._first[0]
        pace = (reached.n_done - self._first[1]) / seconds if seconds > 0 else None
        progress = TrainingProgress(reached.stage, reached.n_done, reached.n_updates, pace or None)
        self._workshop.insist(lambda: self._workshop.ledger.trainings.note_progress(self._claim, progress))
        log.info("update %d of %d", reached.n_done, reached.n_updates, extra={"losses": losses})

    def _time(self, stage: str, seconds: float) -> None:
        """An update of this stage took so long; what was foretold of it counts no more."""
        self._pacer.add(stage, seconds)
        before = self._longest[stage] if stage in self._seen else 0.0
        self._longest[stage] = max(before, seconds)
        self._seen.add(stage)
