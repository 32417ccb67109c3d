"""One training through the ledger that is killed and whose windows end, again and again: no bit changes.

    python -m tests.chaos.trainings [--ends 20] [--seed 5]

Each life is a process of its own on the same ledger and the same store, in another night by a clock that is
set: an update takes ten seconds of it. Some lives end at a call of a function somewhere, with `os._exit`: no
handler runs, no buffer is flushed, and the lease is left to lapse. In the others the window closes. The base
is a toy with random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch

import worker.train
from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import Claim
from jobs.messages import Knock
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from speech.training.course import Course
from speech.training.loop import Pace
from tests.chaos.rig import report
from tests.speech.training.toys import decoder_trainer
from tests.worker.learning import FAST, drain, put_base, recordings, sent, submit
from worker.lease import Watch
from worker.sweep import sweep
from worker.workshop import Workshop, open_workshop

INTERVAL: Final = 3
"""Updates between two checkpoints; a worker's own are three minutes apart."""
WINDOW: Final = "22:00-06:00 UTC"
PATIENT: Final = {"lease_seconds": 600, "renew_seconds": 200, "hang_seconds": 600}
AN_UPDATE: Final = 10.0
"""Seconds that an update takes by the clock that is set."""
LAYING_DOWN: Final = 30.0
"""Likewise, to lay the training down."""
DIED, LIVED = 9, 0


@dataclass(frozen=True)
class Life:
    """How one life goes."""

    night: int
    """Which one it is, from the first."""
    dies_after_calls: int | None = None
    fitting: int | None = None
    """Updates for which there is time before the window closes; None: all of them."""

    @property
    def begins_at(self) -> float:
        """By the ledger's clock: early in its night."""
        return (datetime(2026, 3, 1, 22, 30, tzinfo=UTC) + timedelta(days=self.night)).timestamp()

    def passes(self, left: float | None) -> float:
        """Seconds that pass before the first update, where the window stays open for so many."""
        return 0.0 if self.fitting is None or left is None else left - (self.fitting + 0.5) * AN_UPDATE


def workshop_of(home: Path, life: Life) -> tuple[Workshop, SetClock]:
    """The workshop of a life, all of it its own, and the clock that its ledger and its watch go by."""
    settings = Settings(home=home, window=WINDOW, max_attempts=100, **PATIENT)
    opened = open_workshop(settings)
    clock = SetClock(life.begins_at)
    ledger = Ledger(settings, clock=clock)
    watch = Watch(ledger, settings, clock=lambda: clock.seconds)
    return replace(opened, ledger=ledger, watch=watch), clock


def prepare(home: Path, epochs: int) -> None:
    """A base, recordings, and a training of so many epochs of each network that waits for its first night."""
    upgrade(Settings(home=home).ledger_url)
    workshop, _ = workshop_of(home, Life(0))
    put_base(workshop)
    sounds, texts = recordings(5)
    soon = datetime.fromtimestamp(Life(0).begins_at, UTC) + timedelta(minutes=29)  # too soon to choose hours
    options = {**FAST, "decoder_epochs": epochs, "semantic_epochs": epochs}
    sources = sent(workshop, home, sounds)
    asked = {"when": "off-peak", "windows": [WINDOW], "deadline": soon, "options": options}
    job_id = submit(workshop, sources, texts, **asked)
    drain(workshop, StepKind.PREPARE)
    assert workshop.ledger.jobs.results(job_id, StepKind.PREPARE), "the recordings were not prepared"


def live(home: Path, life: Life, counted: Path | None = None) -> None:
    """One life; what it does is in the ledger, and a mark for each update in `home/diary`.

    Args:
        home: of ledger and store.
        life: how it goes.
        counted: where the calls made until each update are written, if wanted.
    """
    workshop, clock = workshop_of(home, life)
    sweep(workshop.ledger, workshop.objects, lambda _knocks: None)  # the dead worker's lease lapses
    diary = os.open(home / "diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    calls: list[int] = []
    told, put_back = worker.train._Duty.report, workshop.ledger.trainings.put_back
    must_stop = worker.train._Duty.must_stop

    def stop(duty: Any) -> bool:
        if not calls and clock.seconds == life.begins_at:
            clock.seconds += life.passes(workshop.watch.seconds_left(duty._claim))
        return must_stop(duty)

    def note(duty: Any, reached: Any, losses: dict[str, float]) -> None:
        clock.seconds += AN_UPDATE
        left = workshop.watch.seconds_left(duty._claim)
        os.write(diary, b"." if left is not None and left > 0 else b"!")
        calls.append(fuse.n_calls)
        told(duty, reached, losses)

    def lay_down(claim: Claim, **why: Any) -> list[Knock]:
        clock.seconds += LAYING_DOWN
        workshop.watch.stop()  # another opening may follow at once; this life is over
        return put_back(claim, **why)

    worker.train._Duty.report = note  # type: ignore[method-assign]
    worker.train._Duty.must_stop = stop  # type: ignore[method-assign]
    worker.train._Duty.__init__.__defaults__ = (lambda: clock.seconds,)
    workshop.ledger.trainings.put_back = lay_down  # type: ignore[method-assign]
    Course.run.__kwdefaults__["pace"] = Pace(updates=INTERVAL, seconds=None)
    fuse = Fuse(life.dies_after_calls)
    if counted is not None or life.dies_after_calls is not None:
        sys.setprofile(fuse)
    drain(workshop, StepKind.TRAIN)
    sys.setprofile(None)
    if counted is not None:
        counted.write_text(json.dumps(calls))


class Fuse:
    """Counts calls, and ends the process at one of them."""

    def __init__(self, dies_after: int | None) -> None:
        self.n_calls = 0
        self._dies_after = dies_after

    def __call__(self, _frame: FrameType, _event: str, _argument: object) -> None:
        """Python and C, going in and coming out."""
        self.n_calls += 1
        if self.n_calls == self._dies_after:
            os._exit(DIED)


def in_a_child(life: Callable[[], None]) -> int:
    """How it ended, lived in a fork of this process."""
    child = os.fork()
    if child == 0:
        try:
            life()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(LIVED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ended(home: Path) -> dict[str, Any]:
    """What the ledger tells: the state, the weights as digests, and why it was laid down each time."""
    with Ledger(Settings(home=home), clock=SetClock(0.0)) as ledger:
        (job,) = ledger.jobs.page(LOCAL_TENANT)
        events = ledger.jobs.events(LOCAL_TENANT, job.id)
        done = ledger.jobs.results(job.id, StepKind.TRAIN)
        return {
            "state": job.state,
            "reasons": [event.detail.get("reason", "") for event in events if event.detail.get("reason")],
            "weights": {name: where["sha256"] for name, where in done[0]["voice"].items()} if done else {},
            "n_updates": done[0]["n_updates"] if done else 0,
        }


def run(home: Path, *, ends: int, seed: int) -> dict[str, Any]:
    """The figures of an undisturbed training and of one with so many ends."""
    torch.set_num_threads(1)
    decoder_trainer().update()  # whatever torch imports late is there before the first fork
    calm, storm = home / "calm", home / "storm"
    epochs = 4 + ends // 2  # long enough for all of its ends
    for place in (calm, storm):
        place.mkdir()
        assert in_a_child(lambda place=place: prepare(place, epochs)) == LIVED  # type: ignore[misc]
    counted = home / "counted"
    assert in_a_child(lambda: live(calm, Life(0), counted)) == LIVED
    calls = json.loads(counted.read_text())
    until_checkpoint = calls[INTERVAL]
    chance = random.Random(seed)
    n_died = n_closed = night = 0
    while (told := ended(storm))["state"] not in (JobState.SUCCEEDED, JobState.FAILED) and not told[
        "weights"
    ]:
        life = Life(night)
        if n_died + n_closed < ends and chance.random() < 0.6:
            life = Life(night, dies_after_calls=chance.randrange(1, round(1.4 * until_checkpoint)))
        elif n_died + n_closed < ends:
            life = Life(night, fitting=chance.randrange(4))
        how = in_a_child(lambda life=life: live(storm, life))  # type: ignore[misc]
        assert how in (DIED, LIVED), f"a life ended with {how}"
        n_died += how == DIED
        n_closed = sum(reason == "the window closes" for reason in ended(storm)["reasons"])
        night += 1
    diary = (storm / "diary").read_text()
    undisturbed, disturbed = ended(calm), ended(storm)
    return {
        "killed": n_died,
        "windows_ended": n_closed,
        "lives": night,
        "bit_identical": bool(undisturbed["weights"]) and undisturbed["weights"] == disturbed["weights"],
        "updates": undisturbed["n_updates"],
        "updates_run": len(diary),
        "updates_lost": len(diary) - undisturbed["n_updates"],
        "updates_lost_limit": INTERVAL * n_died,
        "updates_outside_the_window": diary.count("!"),
        "calm_outside_the_window": (calm / "diary").read_text().count("!"),
        "seed": seed,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ends", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), ends=arguments.ends, seed=arguments.seed))


if __name__ == "__main__":
    main()
