"""Workers that stop past their lease and wake again (SIGSTOP, SIGCONT): nothing they bring is accepted.

python -m tests.chaos.zombies --times 20 --seed 3
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from jobs.states import JOB_ENDED, JobState
from jobs.tables import Event
from tests.chaos.rig import Rig, report, write_book


def run(home: Path, *, times: int, seed: int) -> dict[str, Any]:
    """The figures. A commit is stale if its step had ended before, or if it changed the sound."""
    text = write_book(20, times * 60)
    pace = 0.1
    with Rig(home / "calm", seconds_per_utterance=pace) as rig:
        calm_id = rig.submit(text)
        rig.start()
        rig.start()
        rig.wait(calm_id)
        calm = rig.audio(calm_id)
    chance = random.Random(seed)
    with Rig(home / "storm", seconds_per_utterance=pace) as rig:
        job_id = rig.submit(text)
        rig.start()
        rig.start(far=True)
        rig.wait(job_id, until_done=1, seconds=60)
        n_stopped = 0
        while n_stopped < times and rig.job(job_id).state not in JOB_ENDED:
            victim = chance.choice(rig.workers)
            victim.signal(signal.SIGSTOP)
            time.sleep(2.2 * rig.settings.lease_seconds)
            victim.signal(signal.SIGCONT)
            n_stopped += 1
            time.sleep(chance.uniform(0.2, 1.0))
        job = rig.wait(job_id, seconds=600)
        with rig.ledger.database.read() as tx:
            twice = tx.execute(
                select(Event.step_id)
                .where(Event.job_id == job_id, Event.kind == "step.succeeded")
                .group_by(Event.step_id)
                .having(func.count() > 1)
            ).all()
        log = (rig.home / "workers.log").read_text(errors="replace")
        return {
            "stops": n_stopped,
            "state": job.state,
            "lapsed": rig.events()["step.ready"],
            "stale_commits": len(twice),
            "refused_results": log.count("was lost"),
            "bit_identical": job.state == JobState.SUCCEEDED and rig.audio(job_id) == calm,
            "broken_invariants": rig.broken([job_id]),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), times=arguments.times, seed=arguments.seed))


if __name__ == "__main__":
    main()
