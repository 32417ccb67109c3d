"""Random `kill -9` of workers: nothing is lost, and the sound is that of an undisturbed run, bit for bit.

python -m tests.chaos.kills --chapters 200 --sentences 5000 --kills 50 --seed 7
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from jobs.states import JobState
from tests.chaos.rig import Rig, report, write_book


def run(
    home: Path,
    *,
    chapters: int,
    sentences: int,
    kills: int,
    seed: int,
    n_workers: int = 2,
    every_seconds: float = 2.0,
    ledger_url: str = "",
    seconds_per_utterance: float = 0.02,
) -> dict[str, Any]:
    """The figures of one run, undisturbed and disturbed."""
    text = write_book(chapters, sentences)
    with Rig(home / "calm", seconds_per_utterance=seconds_per_utterance) as rig:
        started = time.monotonic()
        job_id = rig.submit(text)
        for _ in range(n_workers):
            rig.start()
        calm_job = rig.wait(job_id)
        calm_seconds = time.monotonic() - started
        calm = rig.audio(job_id)
        calm_claims = rig.n_claimed_utterances()
        n_utterances = calm_job.n_utterances
        faults = rig.broken([job_id])
    with Rig(home / "storm", ledger_url=ledger_url, seconds_per_utterance=seconds_per_utterance) as rig:
        started = time.monotonic()
        job_id = rig.submit(text)
        for _ in range(n_workers):
            rig.start()
        n_kills = rig.monkey(job_id, kills=kills, every_seconds=every_seconds, seed=seed)
        job = rig.wait(job_id, seconds=900)
        storm_seconds = time.monotonic() - started
        faults += rig.broken([job_id])
        chunk = rig.settings.chunk_utterances * rig.settings.claim_chunks
        return {
            "sentences": n_utterances,
            "kills": n_kills,
            "state": job.state,
            "error": job.error,
            "lost": n_utterances - job.n_utterances_done,
            "bit_identical": job.state == JobState.SUCCEEDED and rig.audio(job_id) == calm,
            "claimed_again": rig.n_claimed_utterances() - calm_claims,
            "claimed_again_limit": n_kills * chunk,
            "broken_invariants": faults,
            "calm_seconds": round(calm_seconds, 1),
            "storm_seconds": round(storm_seconds, 1),
            "seed": seed,
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapters", type=int, default=200)
    parser.add_argument("--sentences", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--ledger", default="", help="a database address; the default is SQLite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        figures = run(
            Path(home),
            chapters=arguments.chapters,
            sentences=arguments.sentences,
            kills=arguments.kills,
            seed=arguments.seed,
            ledger_url=arguments.ledger,
        )
    report(figures)


if __name__ == "__main__":
    main()
