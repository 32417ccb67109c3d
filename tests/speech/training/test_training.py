"""Toy voices learn, are stopped, and go on as if nothing had been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from speech.errors import TrainingError
from speech.training import checkpoint
from speech.training.loop import Outcome, Pace, best, run
from speech.training.trainer import Trainer
from tests.speech.training.toys import decoder_trainer, same_bits, semantic_trainer, weights

MAKERS = pytest.mark.parametrize("make", [decoder_trainer, semantic_trainer], ids=["decoder", "semantic"])
Make = Callable[..., Trainer[Any]]


@MAKERS
def test_a_toy_learns(make: Make, tmp_path: Path) -> None:
    trainer = make(epochs=8)
    losses: list[dict[str, float]] = []
    outcome = run(trainer, tmp_path, report=lambda _, said: losses.append(said))
    assert outcome == Outcome.DONE
    assert len(losses) == trainer.order.n_updates == trainer.progress.update
    name = "mel" if "mel" in losses[0] else "token"
    assert losses[-1][name] < 0.9 * losses[0][name]
    assert all(torch.isfinite(torch.tensor(list(said.values()))).all() for said in losses)


@MAKERS
def test_stops_leave_no_trace_in_the_weights(make: Make, tmp_path: Path) -> None:
    undisturbed = make(epochs=2)
    run(undisturbed, tmp_path / "undisturbed")
    n_run, n_updates = 0, undisturbed.order.n_updates

    while True:
        trainer, start = make(epochs=2), n_run

        def count(_number: int, _losses: dict[str, float]) -> None:
            nonlocal n_run
            n_run += 1

        limit = start + 2
        outcome = run(
            trainer, tmp_path / "stopped", must_stop=lambda limit=limit: n_run >= limit, report=count
        )
        if outcome == Outcome.DONE:
            break
        assert outcome == Outcome.STOPPED
        assert n_run == limit  # not one update after it was told to stop
    assert n_run == n_updates  # and none was lost
    assert same_bits(weights(trainer), weights(undisturbed))
    assert trainer.progress.looks == undisturbed.progress.looks


def test_a_checkpoint_is_put_down_after_so_many_updates_or_seconds(tmp_path: Path) -> None:
    clock = 0.0

    def tick(_number: int, _losses: dict[str, float]) -> None:
        nonlocal clock
        clock += 10
        seen.append(max((int(name[:8]) for name in checkpoint.names(tmp_path)), default=0))

    seen: list[int] = []
    run(semantic_trainer(epochs=3), tmp_path, pace=Pace(updates=4, seconds=None), report=tick)
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8]
    seen.clear()
    folder, clock = tmp_path / "by the clock", 0.0
    tmp_path = folder
    run(semantic_trainer(epochs=3), folder, pace=Pace(seconds=25), report=tick, now=lambda: clock)
    assert seen == [0, 0, 0, 3, 3, 3, 6, 6, 6]


def test_a_damaged_checkpoint_is_passed_over_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = semantic_trainer(epochs=3)
    run(undisturbed, tmp_path / "undisturbed")
    n = 0

    def count(number: int, _losses: dict[str, float]) -> None:
        nonlocal n
        n = number

    folder = tmp_path / "damaged"
    run(semantic_trainer(epochs=3), folder, pace=Pace(updates=2), must_stop=lambda: n >= 5, report=count)
    kept = sorted(checkpoint.names(folder))
    assert [int(name[:8]) for name in kept] == [4, 5]
    newest = folder / kept[-1]
    content = bytearray(newest.read_bytes())
    content[-7] ^= 1
    newest.write_bytes(content)
    again = semantic_trainer(epochs=3)
    run(again, folder)
    assert f"checkpoint {kept[-1]} is damaged" in caplog.text
    assert same_bits(weights(again), weights(undisturbed))


def test_another_trainings_checkpoint_is_refused(tmp_path: Path) -> None:
    run(semantic_trainer(), tmp_path)
    with pytest.raises(TrainingError, match="the checkpoint is of other recordings, options or another base"):
        run(semantic_trainer(rate=2e-3), tmp_path)


@MAKERS
def test_it_ends_early_when_looks_get_no_better_and_keeps_the_best(make: Make, tmp_path: Path) -> None:
    trainer = make(epochs=40, rate=0.05, look_every=2, patience=2)
    assert run(trainer, tmp_path) == Outcome.SETTLED
    looks = trainer.progress.looks
    assert trainer.progress.update < trainer.order.n_updates
    assert trainer.progress.best == looks[-3]
    found = best(tmp_path)
    assert found is not None
    assert found.progress.update == looks[-3][0]
    assert run(trainer, tmp_path) == Outcome.SETTLED  # and stays so
    trainer.restore(found)
    assert not trainer.is_done


def test_an_early_stop_needs_recordings_to_look_at() -> None:
    with pytest.raises(TrainingError, match="patience: an early stop needs recordings that are held out"):
        semantic_trainer(n_held_out=0, patience=1)
