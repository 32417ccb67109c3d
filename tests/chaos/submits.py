"""A thousand clients submit at once, each with a key and the patience to try again, while the API is killed.

python -m tests.chaos.submits --clients 1000 --kills 3
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from jobs.tables import Job
from tests.chaos.rig import Rig, report
from tests.services.process import free_port

AT_ONCE = 100
"""Connections open at a time: a listening socket's queue is finite, and clients of ours wait their turn."""


def run(home: Path, *, clients: int, kills: int, ledger_url: str = "") -> dict[str, Any]:
    """The figures: as many jobs as clients, each client told the id of its own."""
    with Rig(home, ledger_url=ledger_url) as rig:
        port = free_port()
        server = rig.start_api(port)
        answers: Counter[str] = Counter()

        def submit(number: int) -> str:
            while True:
                try:
                    status, body, _ = rig.post(
                        port, f"The lamp of harbour {number} went out.", f"key-{number}"
                    )
                except OSError as error:
                    answers[type(error).__name__] += 1
                else:
                    answers[str(status)] += 1
                    if status == 202:
                        return str(body["id"])
                time.sleep(0.2)

        started = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = [pool.submit(submit, number) for number in range(clients)]
            for kill in range(kills):
                while sum(answer.done() for answer in told) < clients * (kill + 1) / (kills + 1):
                    time.sleep(0.01)
                rig.kill(server)
                server = rig.start_api(port)
            ids = [answer.result() for answer in told]
        seconds = time.monotonic() - started
        with rig.ledger.database.read() as tx:
            n_jobs = tx.execute(select(func.count()).select_from(Job)).scalar_one()
        return {
            "clients": clients,
            "kills": kills,
            "jobs": n_jobs,
            "distinct_ids": len(set(ids)),
            "answers": dict(answers),
            "submits_per_second": round(clients / seconds, 1),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--ledger", default="", help="a database address; the default is SQLite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(
            run(
                Path(home),
                clients=arguments.clients,
                kills=arguments.kills,
                ledger_url=arguments.ledger,
            )
        )


if __name__ == "__main__":
    main()
