"""The train step: updates as long as the window is open and nobody goes before; the rest of them later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from jobs.ledger.training_values import TrainingProgress
from jobs.ledger.values import Claim
from jobs.messages import Knock
from jobs.states import StepKind
from models_store.commission import options_of
from speech.energy import Meter
from speech.training.corpus import Corpus
from speech.training.course import LOSSES, Course, Reached, pack, unpack
from speech.training.expect import device_name
from speech.training.loop import Outcome
from speech.units import SAMPLE_RATE
from worker.giving_way import GivingWay
from worker.pacing import Pacer
from worker.schooling import bring, find_base, keep, meter_of, note_energy, spec_of, told
from worker.workshop import Workshop

log = logging.getLogger(__name__)

_TENSORS: Final = "application/octet-stream"
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
        duty = _Duty(workshop, claim, meter, pacer)
        outcome = course.run(
            must_stop=duty.must_stop,
            report=duty.report,
            saved=lambda: _carry(workshop, claim, folder, meter, pacer),
        )
        if outcome is Outcome.STOPPED:
            log.info("the training is laid down: %s", duty.why)
            note_energy(workshop, claim, meter)
            return workshop.insist(lambda: workshop.ledger.trainings.put_back(claim, reason=duty.why))
        files = {
            name: keep(workshop, claim, path, "voice", _TENSORS, name=name)
            for name, path in course.published.items()
        }
        n_updates = len(course.losses)
        losses = keep(workshop, claim, folder / "course" / LOSSES, "report", "application/jsonl", name=LOSSES)
    energy = note_energy(workshop, claim, meter)
    pace = pacer.pace(
        base.manifest.weights_digest,
        [len(features.sound) / SAMPLE_RATE for features in corpus.learnt],
        decoder,
        semantic,
        kwh=energy.kwh - prepared["energy"]["kwh"],
    )
    result = {
        "voice": {name: told(stored) for name, stored in files.items()},
        "losses": told(losses),
        "n_updates": n_updates,
        "energy": asdict(energy),
        "pace": pace.as_json(),
    }
    return workshop.insist(
        lambda: workshop.ledger.steps.finish(claim, artefacts=[*files.values(), losses], result=result)
    )


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
        meter: Meter,
        pacer: Pacer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.why = ""
        self._workshop, self._claim, self._clock = workshop, claim, clock
        self._meter, self._pacer = meter, pacer
        self._giving_way = GivingWay(workshop, claim, clock)
        self._told_at = clock()
        self._began_at: float | None = None
        self._longest = self._foretold()
        self._first: tuple[float, int] | None = None

    def must_stop(self) -> bool:
        """Whether no other update may begin."""
        self.why = self._giving_way.reason(self._longest) or ""
        self._began_at = self._clock()
        return bool(self.why)

    def report(self, reached: Reached, losses: dict[str, float]) -> None:
        """An update is done."""
        now = self._clock()
        if self._began_at is not None:
            self._longest = max(self._longest, now - self._began_at)
            self._pacer.add(reached.stage, now - self._began_at)
        self._first = self._first or (now, reached.n_done)
        if now - self._told_at < _TELL_SECONDS and reached.n_done < reached.n_updates:
            return
        self._told_at = now
        seconds = now - self._first[0]
        pace = (reached.n_done - self._first[1]) / seconds if seconds > 0 else None
        progress = TrainingProgress(reached.stage, reached.n_done, reached.n_updates, pace or None)
        self._workshop.insist(lambda: self._workshop.ledger.trainings.note_progress(self._claim, progress))
        log.info("update %d of %d", reached.n_done, reached.n_updates, extra={"losses": losses})

    def _foretold(self) -> float:
        """Seconds of an update when it was laid down last, so that the first one does not last too long."""
        claim, jobs = self._claim, self._workshop.ledger.jobs
        progress = self._workshop.insist(lambda: jobs.get(claim.tenant_id, claim.job_id)).training
        return 1 / progress.updates_per_second if progress and progress.updates_per_second else 0.0
