"""A training that dies and is stopped again and again, each life in a process of its own.

    python -m tests.speech.training.mortal FOLDER N_ENDS SEED

Half of the lives end at a call of a function somewhere, with `os._exit`: no handler runs, no buffer is
flushed. The others are told to stop. Prints what happened, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch

from speech.training import checkpoint
from speech.training.loop import Outcome, Pace, run
from tests.speech.training.toys import decoder_trainer

INTERVAL = 3  # updates between two checkpoints
EPOCHS = 10
DIED, STOPPED, FINISHED = 9, 3, 0


def live(folder: Path, *, dies_after_calls: int | None = None, stops_after: int | None = None) -> int:
    """One life; how it ended."""
    trainer = decoder_trainer(epochs=EPOCHS)
    diary = os.open(folder.with_suffix(".diary"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    n_run = 0

    def note(_number: int, _losses: dict[str, float]) -> None:
        nonlocal n_run
        n_run += 1
        os.write(diary, b".")

    if dies_after_calls is not None:
        sys.setprofile(_fuse(dies_after_calls))
    outcome = run(
        trainer,
        folder,
        must_stop=lambda: stops_after is not None and n_run >= stops_after,
        report=note,
        pace=Pace(updates=INTERVAL, seconds=None),
    )
    sys.setprofile(None)
    return FINISHED if outcome == Outcome.DONE else STOPPED


def _fuse(calls: int) -> Callable[[FrameType, str, object], None]:
    left = calls

    def burn(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(DIED)

    return burn


def in_a_child(life: Callable[[], int]) -> int:
    """How the life ended, lived in a fork of this process."""
    child = os.fork()
    if child == 0:
        os._exit(life())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def calls_of_an_interval(folder: Path) -> int:
    """How many calls a life makes until its first checkpoint is down."""
    n = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal n
        n += 1

    trainer = decoder_trainer(epochs=EPOCHS)
    sys.setprofile(count)
    run(
        trainer,
        folder,
        must_stop=lambda: any(checkpoint.names(folder)),
        pace=Pace(updates=INTERVAL, seconds=None),
    )
    sys.setprofile(None)
    return n


def main() -> None:
    """Lives until the training is finished."""
    folder, n_ends, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    torch.set_num_threads(1)
    decoder_trainer().update()  # whatever torch imports late is there before the first fork
    undisturbed = folder / "undisturbed"
    assert in_a_child(lambda: live(undisturbed)) == FINISHED
    calls = calls_of_an_interval(folder / "counted")
    mortal, ends = folder / "mortal", {DIED: 0, STOPPED: 0, FINISHED: 0}
    while not ends[FINISHED]:
        is_enough = ends[DIED] + ends[STOPPED] >= n_ends
        dies = stops = None
        if not is_enough and chance.random() < 0.6:
            dies = chance.randrange(1, round(1.6 * calls))
        elif not is_enough:
            stops = chance.randrange(3)
        ends[in_a_child(lambda d=dies, s=stops: live(mortal, dies_after_calls=d, stops_after=s))] += 1  # type: ignore[misc]
    print(
        json.dumps(
            {
                "died": ends[DIED],
                "stopped": ends[STOPPED],
                "updates": decoder_trainer(epochs=EPOCHS).order.n_updates,
                "run": mortal.with_suffix(".diary").stat().st_size,
                "undisturbed": sorted(checkpoint.names(undisturbed)),
                "mortal": sorted(checkpoint.names(mortal)),
                "left": [path.name for path in mortal.glob("*.part")],
            }
        )
    )


if __name__ == "__main__":
    main()
