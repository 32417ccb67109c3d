"""Sentences that segfault, hang or eat memory: each is tried three times at most, and all others are done.

python -m tests.chaos.poison --sentences 5000
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from speech.stub import Poison
from tests.chaos.rig import Rig, report, write_book

KINDS = (Poison.SEGFAULT, Poison.HANG, Poison.FREEZE, Poison.GLUTTON)


def run(home: Path, *, sentences: int, seconds_per_utterance: float = 0.002) -> dict[str, Any]:
    """One book with one sentence of each kind of poison, far apart."""
    chapters = max(5, sentences // 250)
    step = sentences // (len(KINDS) + 1)
    poison = {step * (number + 1): kind.value for number, kind in enumerate(KINDS)}
    with Rig(
        home,
        poison=True,
        seconds_per_utterance=seconds_per_utterance,
        settings_more={"hang_seconds": 3.0, "memory_gigabytes": 2.0},
    ) as rig:
        started = time.monotonic()
        job_id = rig.submit(write_book(chapters, sentences, poison=poison))
        rig.start()
        rig.start()
        job = rig.wait(job_id, seconds=1200)
        errors = (job.error or {}).get("errors", [])
        return {
            "sentences": job.n_utterances,
            "state": job.state,
            "takes": rig.n_takes(job_id),
            "errors": [error["message"] for error in errors],
            "claims_of_poisoned_chunks": rig.claims_of_failed_chunks(job_id),
            "named": sorted(
                kind.value for kind in KINDS if any(kind.value in json.dumps(error) for error in errors)
            ),
            "broken_invariants": rig.broken([job_id]),
            "seconds": round(time.monotonic() - started, 1),
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), sentences=arguments.sentences))


if __name__ == "__main__":
    main()
