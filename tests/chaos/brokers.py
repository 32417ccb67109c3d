"""Redis flushed in the middle of a book, and killed for a minute: nothing is lost, the API answers on.

python -m tests.chaos.brokers --flushes 20 --down-seconds 60
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from jobs.states import JOB_ENDED
from tests.chaos.rig import Rig, report, write_book
from tests.services.process import free_port
from tests.services.redis import PrivateRedis


def run(home: Path, *, flushes: int, down_seconds: float, every_seconds: float = 0.5) -> dict[str, Any]:
    """The figures of one run: flushes first, then the outage, jobs being submitted all the while."""
    with PrivateRedis() as redis, Rig(home, broker=redis.url, seconds_per_utterance=0.01) as rig:
        port = free_port()
        rig.start_api(port)
        rig.start("plan,master,bind")
        rig.start("synthesize")
        job_ids = [rig.submit(write_book(20, int(flushes * every_seconds * 60)))]
        answers: Counter[int] = Counter()
        slowest = 0.0

        def ask(number: int) -> None:
            nonlocal slowest
            started = time.monotonic()
            status, body, _ = rig.post(port, f"The lamp of harbour {number} went out.")
            slowest = max(slowest, time.monotonic() - started)
            answers[status] += 1
            job_ids.append(body["id"])

        n_flushes = 0
        while n_flushes < flushes:
            time.sleep(every_seconds)
            redis.flushall()
            n_flushes += 1
            ask(n_flushes)
        busy = rig.job(job_ids[0]).state not in JOB_ENDED
        redis.kill()
        down_at = time.monotonic()
        while time.monotonic() - down_at < down_seconds:
            ask(1000 + len(job_ids))
            time.sleep(1)
        done_while_down = sum(rig.job(job_id).state in JOB_ENDED for job_id in job_ids)
        redis.start()
        ends = Counter(rig.wait(job_id, seconds=300).state.value for job_id in job_ids)
        return {
            "jobs": len(job_ids),
            "flushes": n_flushes,
            "book_was_running_at_the_last_flush": busy,
            "down_seconds": down_seconds,
            "answers": dict(answers),
            "slowest_answer_seconds": round(slowest, 2),
            "ended_before_redis_came_back": done_while_down,
            "ends": dict(ends),
            "broken_invariants": rig.broken(job_ids),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flushes", type=int, default=20)
    parser.add_argument("--down-seconds", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), flushes=arguments.flushes, down_seconds=arguments.down_seconds))


if __name__ == "__main__":
    main()
