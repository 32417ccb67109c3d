"""How long a chunk lies idle after `kill -9` of the worker that held it.

    python -m tests.chaos.recovery --repeats 5               # leases of the tests
    python -m tests.chaos.recovery --repeats 2 --production  # leases as shipped

The survivor runs in a process namespace of its own, as on another machine: it cannot see that the owner is
dead, and has to wait for the lease.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil
from sqlalchemy import select

from jobs.states import StepKind, StepState
from jobs.tables import Event, Step
from tests.chaos.rig import Rig, report, write_book

PRODUCTION: Final = {"lease_seconds": 60.0, "renew_seconds": 15.0, "sweep_seconds": 10.0, "look_seconds": 5.0}


def run(home: Path, *, repeats: int, production: bool) -> dict[str, Any]:
    """Seconds from each kill to the next claim of a step that the killed worker held."""
    waits = []
    for number in range(repeats):
        with Rig(
            home / str(number),
            seconds_per_utterance=0.5,
            settings_more=PRODUCTION if production else {},
        ) as rig:
            rig.submit(write_book(1, 60))  # as many chunks as one worker claims: the survivor stands idle
            victim = rig.start()
            held = _held_by(rig, victim.process.pid, give_up=60.0)
            rig.start(far=True)
            time.sleep(5)  # the survivor is up and has found nothing to do
            killed_at = rig.now()
            rig.kill(victim)
            waits.append(_claimed_again(rig, held, give_up=120.0) - killed_at)
    return {
        "repeats": repeats,
        "lease_seconds": PRODUCTION["lease_seconds"] if production else 2.0,
        "recovery_seconds": [round(wait, 2) for wait in sorted(waits)],
        "worst": round(max(waits), 2),
    }


def _held_by(rig: Rig, parent_pid: int, *, give_up: float) -> list[int]:
    """The chunks leased by a child of this process, as soon as there are any."""
    began = time.monotonic()
    while time.monotonic() - began < give_up:
        children = {child.pid for child in psutil.Process(parent_pid).children(recursive=True)}
        with rig.ledger.database.read() as tx:
            rows = tx.execute(
                select(Step.id, Step.owner).where(
                    Step.state == StepState.LEASED, Step.kind == StepKind.SYNTHESIZE
                )
            ).all()
        held = [row.id for row in rows if int(row.owner.rsplit("/", 1)[1].partition("-")[0]) in children]
        if held:
            return held
        time.sleep(0.05)
    raise TimeoutError(f"the worker claimed nothing within {give_up:.0f} s")


def _claimed_again(rig: Rig, step_ids: list[int], *, give_up: float) -> float:
    """When the first of these steps was claimed anew, by the ledger's clock."""
    began = rig.now()
    while rig.now() - began < give_up:
        with rig.ledger.database.read() as tx:
            claims = tx.execute(
                select(Event.at)
                .where(Event.step_id.in_(step_ids), Event.kind == "step.leased", Event.at > began)
                .order_by(Event.at)
            ).scalars()
            first = next(iter(claims), None)
        if first is not None:
            return float(first)
        time.sleep(0.05)
    raise TimeoutError(f"no step was claimed again within {give_up:.0f} s")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--production", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), repeats=arguments.repeats, production=arguments.production))


if __name__ == "__main__":
    main()
