"""Two real workers against one, on this machine: the part of `bench.pair` that needs nothing simulated."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from jobs.ledger import Ledger
from jobs.ledger.values import Stored
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.specs import NarrationRequest, Source
from jobs.states import JobKind, StepKind, StepState
from jobs.stores import objects_of
from jobs.tables import Event, Step
from speech.bench.corpus import sentences

ROOT: Final = Path(__file__).resolve().parents[1]
DEADLINE_SECONDS: Final = 3600.0


def measure(n_sentences: int) -> dict[str, Any]:
    """Utterances a second of one worker and of two, with the draft voice."""
    load_before = os.getloadavg()[0]
    alone, together = (_speak(n_sentences, n_workers) for n_workers in (1, 2))
    return {
        "sentences": n_sentences,
        "cores": os.cpu_count() or 0,
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "sentences_per_second_one": n_sentences / alone[0],
        "sentences_per_second_two": n_sentences / together[0],
        "share_of_double": alone[0] / (2 * together[0]),
        "cpu_seconds_one": alone[1],
        "cpu_seconds_two": together[1],
    }


def _speak(n_sentences: int, n_workers: int) -> tuple[float, float]:
    """Seconds from the first claim to the last chunk finished, and the workers' processor seconds in all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder, _house(Path(folder), n_workers) as ledger:
        _submit(ledger, Settings(home=Path(folder)), n_sentences)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (seconds := _spoken_in(ledger)) is None:
            assert time.monotonic() < deadline, "the workers get nowhere"
            time.sleep(0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def _house(home: Path, n_workers: int) -> Iterator[Ledger]:
    """A ledger in a fresh folder, and so many workers at it; they are stopped and waited for."""
    settings = Settings(home=home)
    upgrade(settings.ledger_url)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LECTORIUM_")},  # noqa: TID251 - the children's
        "LECTORIUM_HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    with ExitStack() as stack:
        log = stack.enter_context((home / "workers.log").open("ab"))
        ledger = stack.enter_context(Ledger(settings))
        for _ in range(n_workers):
            worker = subprocess.Popen(
                [sys.executable, "-m", "worker", "--kinds", "plan,synthesize"],
                cwd=home,
                env=environment,
                stderr=log,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
        yield ledger


def _submit(ledger: Ledger, settings: Settings, n_sentences: int) -> None:
    content = "\n\n".join(sentence.text for sentence in sentences(n_sentences)).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"sources/{sha256}"
    objects_of(settings).put(key, content, media_type="text/plain")
    source = Source(key=key, sha256=sha256, n_bytes=len(content), name="corpus.txt")
    spec = NarrationRequest(voice="draft", language="en").narrate(source)
    ledger.jobs.submit(
        ledger.keys.local().tenant_id,
        JobKind.NARRATION,
        spec.model_dump(mode="json"),
        source=Stored("source", key, sha256, len(content), "text/plain"),
    )


def _spoken_in(ledger: Ledger) -> float | None:
    """Seconds from the first claim of a chunk to the end of the last; None while there are some to speak."""
    chunks = Step.kind == StepKind.SYNTHESIZE
    with ledger.database.read() as tx:
        states = set(tx.execute(select(Step.state).where(chunks).distinct()).scalars())
        if not states or states - {StepState.SUCCEEDED, StepState.FAILED}:
            return None
        assert StepState.FAILED not in states, "a chunk could not be spoken"
        claimed = select(func.min(Event.at)).where(
            Event.kind == "step.leased", Event.step_id.in_(select(Step.id).where(chunks))
        )
        ended = select(func.max(Step.ended_at)).where(chunks)
        return float(tx.execute(ended).scalar_one()) - float(tx.execute(claimed).scalar_one())
