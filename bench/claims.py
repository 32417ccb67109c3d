"""The real claim code on PostgreSQL under a fleet of simulated GPU workers: how fast, fair and steady it is.

    python -m bench.claims                                  # 200 workers, 10,000 voices, 1,000,000 chunks
    python -m bench.claims --policy last                    # as if a worker named only its last voice
    python -m bench.claims --chunks 2000 --voices 50 --workers 8 --seconds 5

Makes a database of its own on the server of this machine, and drops it. Workers claim, look ahead and finish
through the ledger, by the real clock; a device speaks `--pace` audio seconds a second and does nothing else.
200 of them at 70 make a million chapters of 20 minutes a day. Every process has one connection and a share of
the workers; beside the claims each times the floor: one row inserted and committed. The figures say how many
claims a second were asked for, and at the end what a claim takes the server alone (`bench.server_time`).
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from sqlalchemy import text

from bench.backlog import CHUNK_UTTERANCES, SERVER, Backlog, fill, own_database
from bench.fleet import CLAIM_CHUNKS, UTTERANCE_SECONDS, Device, Policy, SimulatedWorker, Tally
from bench.server_time import time_claims
from jobs.ledger import Ledger
from jobs.settings import Settings

CHAPTER_SECONDS: Final = 1200.0
FLOOR_EVERY: Final = 5
"""One floor for so many turns."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured."""

    backlog: Backlog
    device: Device
    policy: Policy
    n_workers: int = 200
    n_processes: int = 8
    seconds: float = 300.0


@dataclass(slots=True)
class Shift:
    """What one process saw."""

    tally: Tally
    floor_seconds: list[float]
    late_seconds: list[float]
    """How long after its time each turn began: its process was busy with others."""
    cpu_seconds: float


def main() -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    backlog, device = Backlog(), Device()
    parser.add_argument("--server", default=SERVER, help="on this machine; a database is made and dropped")
    parser.add_argument("--chunks", type=int, default=backlog.n_chunks, help="chunks that wait")
    parser.add_argument("--voices", type=int, default=backlog.n_voices, help="each with weights of its own")
    parser.add_argument("--history", type=int, default=backlog.n_history, help="chunks finished long ago")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--processes", type=int, default=8, help="processes that play the workers")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long they work")
    parser.add_argument(
        "--pace", type=float, default=device.audio_seconds_a_second, help="audio seconds a second"
    )
    parser.add_argument("--resident", type=int, default=device.n_resident, help="weights a device can hold")
    parser.add_argument("--load", type=float, default=device.load_seconds, help="seconds to load weights")
    parser.add_argument("--policy", choices=[*Policy], type=Policy, default=Policy.AHEAD)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    given = parser.parse_args()
    order = Order(
        Backlog(given.chunks, given.voices, n_history=given.history),
        Device(given.pace, given.resident, given.load),
        given.policy,
        given.workers,
        given.processes,
        given.seconds,
    )
    figures = measure(given.server, order)
    if given.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, figure in figures.items():
        shown = (
            f"{figure:,.3f}"
            if isinstance(figure, float)
            else f"{figure:,}"
            if isinstance(figure, int)
            else figure
        )
        sys.stdout.write(f"{name:30} {shown}\n")


def measure(server: str, order: Order) -> dict[str, Any]:
    """The figures of one run, by name.

    Raises:
        ValueError: the server is not on this machine.
    """
    with own_database(server) as url:
        fill(url, order.backlog)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE floor (at double precision)")
        load_before = os.getloadavg()[0]
        shifts, seconds = _run(url, order)
        tally = Tally()
        for shift in shifts:
            tally.add(shift.tally)
        on_server = time_claims(url)
        return {
            "workers": order.n_workers,
            "voices": order.backlog.n_voices,
            "chunks_queued": order.backlog.n_chunks,
            "policy": str(order.policy),
            "seconds": seconds,
            "cores": os.cpu_count() or 0,
            "load_before": load_before,
            "load_after": os.getloadavg()[0],
            "claims_asked_per_second": order.n_workers / _turn_seconds(order),
            "claims_per_second": len(tally.claim_seconds) / seconds,
            "chunks_per_second": tally.n_chunks / seconds,
            "chapters_a_day": tally.n_chunks / seconds * _chunk_seconds() / CHAPTER_SECONDS * 86_400,
            **_quantiles("claim", tally.claim_seconds),
            **_quantiles("claim_on_server", [each / 1000 for each in on_server]),
            **_quantiles("floor", [each for shift in shifts for each in shift.floor_seconds]),
            **_quantiles("look_ahead", tally.look_seconds),
            **_quantiles("finish", tally.finish_seconds),
            **_quantiles("late", [each for shift in shifts for each in shift.late_seconds]),
            "client_cpu_share": sum(shift.cpu_seconds for shift in shifts) / seconds,
            "swaps_per_hour": tally.n_swaps / seconds * 3600,
            "swaps_per_worker_hour": tally.n_swaps / seconds * 3600 / order.n_workers,
            "claims_that_waited": tally.n_waits / max(1, len(tally.claim_seconds)),
            "device_time_waited": tally.waited_seconds / (seconds * order.n_workers),
            **_line(url, tally.n_chunks),
        }


def _chunk_seconds() -> float:
    return CHUNK_UTTERANCES * UTTERANCE_SECONDS


def _turn_seconds(order: Order) -> float:
    """How long a device speaks what one claim gives it: nobody asks more often."""
    return CLAIM_CHUNKS * _chunk_seconds() / order.device.audio_seconds_a_second


def _run(url: str, order: Order) -> tuple[list[Shift], float]:
    """What all processes saw, and how long it took."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(order.n_processes + 1)
    answers = context.Queue()
    processes = [
        context.Process(
            target=_play, args=(url, order, range(n, order.n_workers, order.n_processes), start, answers)
        )
        for n in range(order.n_processes)
    ]
    for process in processes:
        process.start()
    try:
        start.wait(timeout=120)
        began = time.monotonic()
        shifts = [answers.get(timeout=order.seconds + 600) for _ in processes]
        seconds = max(order.seconds, min(time.monotonic() - began, 1.1 * order.seconds))
        return shifts, seconds
    finally:
        for process in processes:
            process.join(timeout=60)
            process.kill()


def _play(url: str, order: Order, numbers: Sequence[int], start: Any, answers: Any) -> None:
    """The life of some workers in one process, each turn at its time."""
    tally, floors, late = Tally(), [], []
    with Ledger(Settings(ledger=url), n_connections=1) as ledger:
        workers = [
            SimulatedWorker(ledger, f"bench-{number}", order.device, order.policy, tally, time.monotonic)
            for number in numbers
        ]
        _floor(ledger)
        start.wait()
        began, cpu = time.monotonic(), time.process_time()
        turn_seconds = _turn_seconds(order)
        due = [
            (began + turn_seconds * number / order.n_workers, place) for place, number in enumerate(numbers)
        ]
        heapq.heapify(due)
        n_turns = 0
        while due and due[0][0] < began + order.seconds:
            at, place = heapq.heappop(due)
            time.sleep(max(0.0, at - time.monotonic()))
            if time.monotonic() >= began + order.seconds:
                break
            late.append(time.monotonic() - at)
            busy = workers[place].turn()
            heapq.heappush(due, (time.monotonic() + (turn_seconds if busy is None else busy), place))
            n_turns += 1
            if n_turns % FLOOR_EVERY == 0:
                floors.append(_floor(ledger))
        cpu = time.process_time() - cpu
        for worker in workers:
            worker.give_back()
    answers.put(Shift(tally, floors, late, cpu))


def _floor(ledger: Ledger) -> float:
    began = time.perf_counter()
    with ledger.database.write() as tx:
        tx.execute(text("INSERT INTO floor VALUES (1)"))
    return time.perf_counter() - began


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    return {
        f"{name}_p50_ms": 1000 * ordered[len(ordered) // 2],
        f"{name}_p95_ms": 1000 * ordered[int(0.95 * (len(ordered) - 1))],
    }


def _line(url: str, n_done: int) -> dict[str, float | int]:
    """How long the oldest waits, and how many stand still among the first as many as were spoken."""
    with psycopg.connect(url) as connection:
        oldest = connection.execute(
            "SELECT extract(epoch FROM statement_timestamp())::float - min(ready_at) FROM steps"
            " WHERE kind = 'synthesize' AND state = 'ready'"
        ).fetchone()
        behind = connection.execute(
            "SELECT count(*) FROM (SELECT state FROM steps WHERE kind = 'synthesize' AND ready_at > 0"
            " ORDER BY id LIMIT %s) AS front WHERE state = 'ready'",
            (n_done,),
        ).fetchone()
    assert oldest is not None
    assert behind is not None
    return {"oldest_wait_seconds": oldest[0] or 0.0, "left_behind_chunks": behind[0]}


if __name__ == "__main__":
    main()
