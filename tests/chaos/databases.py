"""PostgreSQL stopped with `-m immediate`, again and again, in the middle of a book and of submissions.

python -m tests.chaos.databases --stops 10 --seed 5
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from jobs.states import JOB_ENDED
from tests.chaos.rig import Rig, report, write_book
from tests.services.postgres import PrivatePostgres
from tests.services.process import free_port


def run(home: Path, *, stops: int, seed: int, shortest: float = 2.0, longest: float = 6.0) -> dict[str, Any]:
    """The figures of one run. Every submission is repeated with its key until it is answered with 202."""
    chance = random.Random(seed)
    with (
        PrivatePostgres(durable=True) as postgres,
        Rig(home, ledger_url=postgres.url, seconds_per_utterance=0.05) as rig,
    ):
        port = free_port()
        rig.start_api(port)
        rig.start()
        rig.start()
        book_id = rig.submit(write_book(10, int(stops * longest * 30)))
        answers: Counter[str] = Counter()
        accepted: dict[str, str] = {}
        over = threading.Event()

        def client() -> None:
            number = 0
            while not over.is_set():
                key = f"harbour-{number}"
                status, body, retry_after = rig.post(port, f"The lamp of harbour {number} went out.", key)
                answers[f"{status} with Retry-After" if retry_after and status != 202 else str(status)] += 1
                if status == 202:
                    accepted[key] = body["id"]
                    number += 1
                over.wait(0.2)

        asking = threading.Thread(target=client)
        asking.start()
        try:
            for _ in range(stops):
                time.sleep(chance.uniform(shortest, longest))
                postgres.stop("immediate")
                time.sleep(chance.uniform(0, 2))
                postgres.start()
        finally:
            over.set()
            asking.join()
        running = rig.job(book_id).state not in JOB_ENDED
        job_ids = [book_id, *accepted.values()]
        ends = Counter(rig.wait(job_id, seconds=600).state.value for job_id in job_ids)
        return {
            "stops": stops,
            "jobs": len(job_ids),
            "book_was_running_at_the_last_stop": running,
            "answers": dict(answers),
            "ends": dict(ends),
            "broken_invariants": rig.broken(job_ids),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), stops=arguments.stops, seed=arguments.seed))


if __name__ == "__main__":
    main()
