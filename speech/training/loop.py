"""Runs a trainer until it is done or must stop, and leaves a checkpoint whenever it lets go of it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from speech.training import checkpoint, parallel
from speech.training.trainer import Snapshot, Trainer

Batch = TypeVar("Batch")


class Outcome(enum.StrEnum):
    """How a run ended."""

    DONE = "done"
    """All updates are done."""
    SETTLED = "settled"
    """The looks at the held-out recordings got no better."""
    STOPPED = "stopped"
    """It was told to stop; another run goes on from the checkpoint."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the state is put down."""

    updates: int | None = None
    """Updates between two checkpoints."""
    seconds: float | None = 180.0
    """Seconds between two checkpoints."""


def run(
    trainer: Trainer[Batch],
    folder: Path,
    *,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, dict[str, float]], None] = lambda _number, _losses: None,
    saved: Callable[[], None] = lambda: None,
    pace: Pace = Pace(),
    now: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Goes on from the newest checkpoint in `folder`, if there is one, until done or stopped.

    The best look's weights are kept in `folder/best` when there are held-out recordings.

    Args:
        trainer: of this training, not yet begun or at any update.
        folder: of this training's checkpoints.
        must_stop: asked before each update: a window that ends, a signal, a job that was cancelled.
        report: told each update's number, from 1, and its losses.
        saved: called after each checkpoint: who keeps them elsewhere too does so now.
        pace: how often to put the state down.
        now: seconds of a clock that never goes back.

    Raises:
        TrainingError: the checkpoint is of another training, or a gradient is not finite.
    """
    return _Run(trainer, folder, pace, now, saved).go(must_stop, report)


def best(folder: Path) -> Snapshot | None:
    """The snapshot of the best look, if there was one: what is published after an early stop."""
    return checkpoint.latest(folder / "best")


class _Run(Generic[Batch]):
    """One run, with the moment of its last checkpoint."""

    def __init__(
        self,
        trainer: Trainer[Batch],
        folder: Path,
        pace: Pace,
        now: Callable[[], float],
        saved: Callable[[], None],
    ) -> None:
        self._trainer, self._folder, self._pace, self._now = trainer, folder, pace, now
        self._saved = saved
        found = checkpoint.latest(folder)
        if found is not None:
            trainer.restore(found)
        self._saved_update, self._saved_at = trainer.progress.update, now()

    def go(self, must_stop: Callable[[], bool], report: Callable[[int, dict[str, float]], None]) -> Outcome:
        trainer = self._trainer
        while not trainer.is_done:
            if parallel.agree(must_stop()):  # one process alone would leave the others waiting
                self._save()
                return Outcome.STOPPED
            losses = trainer.update()
            self._keep_best(losses)
            report(trainer.progress.update, losses)
            if self._is_due():
                self._save()
        self._save()
        return Outcome.SETTLED if trainer.progress.is_settled else Outcome.DONE

    def _is_due(self) -> bool:
        updates, seconds = self._pace.updates, self._pace.seconds
        since = self._trainer.progress.update - self._saved_update
        return (updates is not None and since >= updates) or (
            seconds is not None and self._now() - self._saved_at >= seconds
        )

    def _keep_best(self, losses: dict[str, float]) -> None:
        progress = self._trainer.progress
        if "held_out" in losses and progress.best == (progress.update, losses["held_out"]):
            self._write(self._folder / "best", kept=1)

    def _save(self) -> None:
        if self._saved_update != self._trainer.progress.update or checkpoint.latest(self._folder) is None:
            self._write(self._folder, kept=checkpoint.KEPT)
            self._saved()
        self._saved_update, self._saved_at = self._trainer.progress.update, self._now()

    def _write(self, folder: Path, kept: int) -> None:
        """All processes hold the same weights; the first writes them."""
        if parallel.place()[0] == 0:
            checkpoint.save(folder, self._trainer.snapshot(), kept=kept)
