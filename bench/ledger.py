"""What the ledger costs: jobs accepted a second, queue overhead a sentence, a claim among much history.

    python -m bench.ledger                                   # SQLite in a fresh folder
    python -m bench.ledger --ledger postgresql:///empty      # an empty database, whose rows it leaves behind

Speech itself is left out: a claimed chunk is finished at once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, insert, text

from jobs.ids import new_id
from jobs.ledger import Ledger
from jobs.ledger.values import Claim, PlannedChapter, Stored, TakeRange
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobKind, StepKind
from jobs.tables import Event, Job, Step

SPEC: Final = {"voice": "draft", "formats": ["m4b"], "profile": "podcast"}
WEIGHTS: Final = "a" * 64
CHUNK: Final = 16
CLAIM: Final = 4
ROWS_A_STATEMENT: Final = 5_000


def main() -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ledger", help="address of an empty database; default: SQLite in a fresh folder")
    parser.add_argument("--folder", type=Path, help="where that fresh folder is made")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs to submit")
    parser.add_argument("--sentences", type=int, default=5_000, help="sentences of the book to drain")
    parser.add_argument("--history", type=int, default=200_000, help="steps that lie finished")
    parser.add_argument("--claims", type=int, default=1_000, help="claims to time among them")
    parser.add_argument("--threads", type=int, default=8, help="threads of the parallel submission")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        url = given.ledger or f"sqlite:///{folder}/ledger.sqlite3"
        upgrade(url)
        figures = {
            "ledger": url.partition(":")[0],
            **_drain(url, given.sentences),
            **_enqueue(url, given.jobs, given.threads),
            **_claim_among_history(url, given.history, given.claims),
        }
    if given.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, figure in figures.items():
        sys.stdout.write(
            f"{name:34} {figure:.3f}\n" if isinstance(figure, float) else f"{name:34} {figure}\n"
        )


@contextlib.contextmanager
def _open(url: str, *, sync: bool = True, n_connections: int = 5) -> Iterator[Ledger]:
    with Ledger(Settings(ledger=url), n_connections=n_connections) as ledger:
        if not sync:
            off = (
                "SET synchronous_commit = off" if ledger.database.on_postgresql else "PRAGMA synchronous=OFF"
            )

            @event.listens_for(ledger.database.engine, "connect")
            def _off(connection: Any, _record: object) -> None:
                connection.execute(off)
                if ledger.database.on_postgresql:
                    connection.commit()

        yield ledger


def _enqueue(url: str, n_jobs: int, n_threads: int) -> dict[str, Any]:
    with _open(url, n_connections=n_threads) as ledger:
        tenants = [ledger.keys.create_tenant(f"tenant {n}") for n in range(n_threads)]
        in_line = _submit(ledger, tenants[0], n_jobs // 2)
        with ThreadPoolExecutor(n_threads) as pool:
            share = n_jobs // 2 // n_threads
            started = time.perf_counter()
            list(pool.map(lambda tenant: _submit(ledger, tenant, share), tenants))
            abreast = share * n_threads / (time.perf_counter() - started)
        waiting = ledger.operations.backlog().steps_by_state[StepKind.PLAN, "ready"]
    with _open(url, sync=False) as ledger:
        unsynced = _submit(ledger, tenants[0], n_jobs // 5)
    return {
        "enqueue_jobs": waiting,
        "enqueue_per_second": len(in_line) / sum(in_line),
        "enqueue_p99_ms": statistics.quantiles(in_line, n=100)[98] * 1000,
        "enqueue_per_second_all_threads": abreast,
        "enqueue_threads": n_threads,
        "enqueue_per_second_unsynced": len(unsynced) / sum(unsynced),
        "enqueue_share_of_sync": max(0.0, 1 - statistics.mean(unsynced) / statistics.mean(in_line)),
    }


def _submit(ledger: Ledger, tenant_id: str, n_jobs: int) -> list[float]:
    """Seconds of each submission."""
    seconds: list[float] = []
    for _ in range(n_jobs):
        source = Stored("source", f"upload/{new_id()}", "0" * 64, 1_000, "application/epub+zip")
        started = time.perf_counter()
        ledger.jobs.submit(
            tenant_id,
            JobKind.NARRATION,
            SPEC,
            source=source,
            idempotency_key=new_id(),
            request_digest="0" * 64,
        )
        seconds.append(time.perf_counter() - started)
    return seconds


def _drain(url: str, n_sentences: int) -> dict[str, Any]:
    """A book of chapters of 25 sentences, from plan to bind, with a voice that takes no time."""
    figures: dict[str, Any] = {}
    with _open(url) as ledger:
        tenant_id = ledger.keys.create_tenant("book")
        ledger.jobs.submit(tenant_id, JobKind.NARRATION, SPEC)
        (plan,) = ledger.steps.claim([StepKind.PLAN], owner="bench", lease_seconds=60)
        chapters = [
            PlannedChapter(f"Chapter {n}", 2_500, 25, _file("script", f"{plan.job_id}/script/{n}"))
            for n in range(n_sentences // 25)
        ]
        started = time.perf_counter()
        ledger.steps.plan(plan, title="A", chapters=chapters, weights_digest=WEIGHTS, chunk_utterances=CHUNK)
        figures["plan_ms"] = (time.perf_counter() - started) * 1000
        started = time.perf_counter()
        n_done = 0
        while claims := ledger.steps.claim(
            [StepKind.SYNTHESIZE], owner="bench", lease_seconds=60, most=CLAIM, weights=WEIGHTS
        ):
            for claim in claims:
                _finish(ledger, claim)
                n_done += claim.n_utterances or 0
        figures["overhead_ms_per_sentence"] = (time.perf_counter() - started) * 1000 / n_done
        kinds = [StepKind.MASTER, StepKind.BIND]
        while claims := ledger.steps.claim(kinds, owner="bench", lease_seconds=60):
            ledger.steps.finish(claims[0], audio_seconds=1.0)
        figures["overhead_ms_per_sentence_with_masters"] = (time.perf_counter() - started) * 1000 / n_done
        figures["sentences"] = n_done
    return figures


def _finish(ledger: Ledger, claim: Claim) -> None:
    first, key = claim.first_utterance or 0, f"render/{claim.job_id}/{claim.step_id}"
    digests = [
        hashlib.sha256(f"{claim.job_id}/{claim.chapter_index}/{index}".encode()).hexdigest()
        for index in range(first, first + (claim.n_utterances or 0))
    ]
    ledger.takes.find(claim.tenant_id, digests)  # as a worker does: an earlier edition may have them
    takes = [TakeRange(digest, key, place * 96_000, 96_000) for place, digest in enumerate(digests)]
    ledger.steps.finish(claim, artefacts=[_file("render", key)], takes=takes, audio_seconds=3.0)


def _file(kind: Any, key: str) -> Stored:
    return Stored(kind, key, "0" * 64, 100_000, "application/octet-stream")


def _claim_among_history(url: str, n_history: int, n_claims: int) -> dict[str, Any]:
    """Claims and releases of the jobs queued before, beside so many finished steps and their events."""
    with _open(url) as ledger:
        _write_history(ledger, n_history)
        queued = ledger.operations.backlog().steps_by_state[StepKind.PLAN, "ready"]
        seconds: list[float] = []
        for _ in range(n_claims):
            started = time.perf_counter()
            claims = ledger.steps.claim(
                [StepKind.PLAN, StepKind.MASTER, StepKind.BIND], owner="bench", lease_seconds=60
            )
            seconds.append(time.perf_counter() - started)
            ledger.steps.release(claims[0], reason="bench", wait_seconds=3_600)
    quantiles = statistics.quantiles(seconds, n=100)
    return {
        "claim_queued_jobs": queued,
        "claim_history_steps": n_history,
        "claim_p50_ms": quantiles[49] * 1000,
        "claim_p95_ms": quantiles[94] * 1000,
        "claim_p99_ms": quantiles[98] * 1000,
    }


def _write_history(ledger: Ledger, n_steps: int) -> None:
    tenant_id = ledger.keys.create_tenant("history")
    per_job = 400
    with ledger.database.write() as tx:
        tx.execute(text("SELECT 1"))
        for start in range(0, n_steps, per_job * 10):
            jobs = [new_id() for _ in range(min(10, (n_steps - start) // per_job))]
            if not jobs:
                break
            owned = {"tenant_id": tenant_id, "state": "succeeded", "ended_at": 2.0}
            tx.execute(
                insert(Job),
                [{**owned, "id": job, "kind": "narration", "spec": SPEC, "created_at": 1.0} for job in jobs],
            )
            rows = [(job, number) for job in jobs for number in range(per_job)]
            for first in range(0, len(rows), ROWS_A_STATEMENT):
                some = rows[first : first + ROWS_A_STATEMENT]
                tx.execute(
                    insert(Step),
                    [
                        {
                            **owned,
                            "job_id": job,
                            "kind": "synthesize",
                            "weights_digest": WEIGHTS,
                            "ready_at": 1.0,
                        }
                        for job, _ in some
                    ],
                )
                tx.execute(
                    insert(Event),
                    [
                        {
                            "tenant_id": tenant_id,
                            "job_id": job,
                            "kind": "step.succeeded",
                            "detail": {},
                            "at": 2.0,
                        }
                        for job, _ in some
                    ],
                )


if __name__ == "__main__":
    main()
