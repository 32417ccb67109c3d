"""A whole Lectorium on this machine, made to be broken, and the invariants that must hold afterwards.

Workers are real processes in process groups of their own; the ledger, the broker and the object store are
real too. What holds is read from the ledger's rows and the stored objects alone, never from what a process
said of itself.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sqlalchemy import func, select

from jobs.ledger import Ledger
from jobs.ledger.values import JobView, Stored
from jobs.messages import Doorbell, make_app
from jobs.migrate import upgrade
from jobs.settings import Settings, environment_of
from jobs.specs import NarrationRequest, Source
from jobs.states import JOB_ENDED, JOB_MOVES, JobKind, JobState, StepKind, StepState
from jobs.stores import objects_of
from jobs.tables import Artefact, Chapter, Event, Job, Step
from models_store.manifest import VoiceManifest
from speech.stub import WEIGHTS_DIGEST

VOICE = "chaos"
FAR = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
QUICK = {"lease_seconds": 2.0, "renew_seconds": 0.5, "sweep_seconds": 0.5, "look_seconds": 0.2}
"""Leases short enough to watch; production's are asserted where recovery is measured."""


def write_book(n_chapters: int, n_sentences: int, *, poison: dict[int, str] | None = None) -> str:
    """A book of short, all different sentences; `poison` puts a word into the sentence of that number."""
    lines: list[str] = []
    each = n_sentences // n_chapters
    for chapter in range(1, n_chapters + 1):
        lines.append(f"Chapter {chapter}\n")
        for number in range((chapter - 1) * each, chapter * each):
            word = (poison or {}).get(number, "went out")
            lines.append(f"The lamp of house {number} {word}.\n")
    return "\n".join(lines)


@dataclass
class Worker:
    """A worker process and its pool's child, in one process group."""

    process: subprocess.Popen[bytes]
    kinds: str

    def signal(self, number: int) -> None:
        """To the whole group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


@dataclass
class Rig:
    """One ledger, one object store, some workers. Use it as a context manager: nothing outlives it."""

    home: Path
    ledger_url: str = ""
    broker: str = "memory://"
    settings_more: dict[str, Any] = field(default_factory=dict)
    seconds_per_utterance: float = 0.02
    poison: bool = False
    workers: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        given = {
            "home": self.home,
            "broker": self.broker,
            "ledger": self.ledger_url,
            **QUICK,
            **self.settings_more,
        }
        self.settings = Settings(**{name: value for name, value in given.items() if value not in (None, "")})
        upgrade(self.settings.ledger_url)
        self.ledger = Ledger(self.settings)
        self.objects = objects_of(self.settings)
        self.tenant = self.ledger.keys.local().tenant_id
        self.doorbell = Doorbell(make_app(self.broker))
        self._place_voice()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
            worker.process.wait()
        self.ledger.close()

    def _place_voice(self) -> None:
        manifest = VoiceManifest(
            name=VOICE,
            family="stub",
            weights_digest=WEIGHTS_DIGEST,
            languages="any",
            licence="MIT",
            parameters={
                "seconds_per_utterance": self.seconds_per_utterance,
                "poison": self.poison,
                "appetite_bytes": 8 << 30,
            },
        )
        folder = self.settings.shelf_path / VOICE / manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(manifest.to_json())

    def submit(self, text: str, **spec: Any) -> str:
        """The id of a narration of this text."""
        content = text.encode()
        digest = hashlib.sha256(content).hexdigest()
        key = f"t/{self.tenant}/sources/{digest}"
        self.objects.put(key, content, media_type="text/plain")
        asked = {
            "voice": VOICE,
            "title": "Chaos",
            "formats": ("flac",),
            "profile": "none",
            "speed": 2.0,
            **spec,
        }
        narration = NarrationRequest(**asked).narrate(
            Source(key=key, sha256=digest, n_bytes=len(content), name="chaos.txt")
        )
        submitted = self.ledger.jobs.submit(
            self.tenant,
            JobKind.NARRATION,
            narration.model_dump(mode="json"),
            source=Stored("source", key, digest, len(content), "text/plain"),
        )
        self.doorbell.ring(submitted.knocks)
        return submitted.job_id

    def start(
        self, kinds: str = "plan,synthesize,master,bind", *, far: bool = False, **settings: Any
    ) -> Worker:
        """A new worker; `far` puts it into a process namespace of its own, as on another machine."""
        own = self.settings.model_copy(update={"kinds": tuple(kinds.split(",")), **settings})
        own.model_fields_set.update({"kinds", *settings})
        worker = Worker(self._spawn("worker", own, far=far), kinds)
        self.workers.append(worker)
        return worker

    def start_api(self, port: int) -> Worker:
        """The HTTP server on this port of loopback; it answers when this returns."""
        own = self.settings.model_copy(update={"port": port})
        own.model_fields_set.add("port")
        server = Worker(self._spawn("api", own), "api")
        self.workers.append(server)
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up and server.process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
                    return server
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"the API does not answer on port {port}")

    def _spawn(self, module: str, settings: Settings, *, far: bool = False) -> subprocess.Popen[bytes]:
        outside = os.environ.items()  # noqa: TID251 - a child's environment, less what a developer has set
        environment = {name: value for name, value in outside if not name.startswith("LECTORIUM_")}
        with (self.home / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [*(FAR if far else ()), sys.executable, "-m", module],
                env=environment | environment_of(settings),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, worker: Worker) -> None:
        """`kill -9` of the whole worker; it is gone when this returns."""
        worker.signal(signal.SIGKILL)
        worker.process.wait()
        self.workers.remove(worker)

    def job(self, job_id: str) -> JobView:
        """The job as it stands."""
        return self.ledger.jobs.get(self.tenant, job_id)

    def post(self, port: int, text: str, key: str = "") -> tuple[int, dict[str, Any], str | None]:
        """Status, body and Retry-After of a submission over HTTP.

        Raises:
            OSError: the server cannot be reached, or its answer broke off.
        """
        asked = {"text": text, "voice": VOICE, "title": "Chaos", "formats": ["flac"], "profile": "none"}
        request = Request(
            f"http://127.0.0.1:{port}/v1/narrations",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})},
        )
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
                return answer.status, json.load(answer), None
        except HTTPError as error:
            with error:
                return error.code, json.load(error), error.headers.get("Retry-After")
        except HTTPException as error:  # killed in the middle of an answer
            raise ConnectionError("the answer broke off") from error

    def now(self) -> float:
        """The ledger's clock."""
        with self.ledger.database.read() as tx:
            return self.ledger.database.clock.read(tx)

    def wait(self, job_id: str, *, seconds: float = 600.0, until_done: int | None = None) -> JobView:
        """The job once it has ended, or once so many utterances are done.

        Raises:
            TimeoutError: it did not in time; the message holds the tail of the workers' log.
        """
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            job = self.job(job_id)
            if job.state in JOB_ENDED or (until_done is not None and job.n_utterances_done >= until_done):
                return job
            time.sleep(0.1)
        log = (self.home / "workers.log").read_text(errors="replace")[-4000:]
        raise TimeoutError(f"{self.job(job_id)}\n{log}")

    def monkey(self, job_id: str, *, kills: int, every_seconds: float, seed: int) -> int:
        """How many `kill -9` of random workers were done before the job ended; each is replaced at once."""
        chance = random.Random(seed)
        n_kills = 0
        while n_kills < kills and self.job(job_id).state not in JOB_ENDED:
            time.sleep(chance.uniform(0.5, 1.5) * every_seconds)
            victim = chance.choice(self.workers)
            kinds = victim.kinds
            self.kill(victim)
            n_kills += 1
            self.start(kinds)
        return n_kills

    # --- what must hold ---

    def audio(self, job_id: str) -> dict[str, str]:
        """Name -> SHA-256 of every delivered chapter, computed from the stored bytes."""
        digests = {}
        for artefact in self.ledger.jobs.artefacts(self.tenant, job_id, kinds=("chapter",)):
            content = self.objects.get(artefact.key)
            digests[artefact.name] = hashlib.sha256(content).hexdigest()
        return digests

    def broken(self, job_ids: Sequence[str]) -> list[str]:
        """Every invariant that does not hold; empty when nothing was lost and nothing done twice."""
        return [fault for job_id in job_ids for fault in self._faults(job_id)] + list(self._file_faults())

    def _faults(self, job_id: str) -> Iterator[str]:
        with self.ledger.database.read() as tx:
            job = tx.execute(
                select(Job.state, Job.n_utterances, Job.n_utterances_done).where(Job.id == job_id)
            ).one()
            kinds = (
                tx.execute(select(Event.kind).where(Event.job_id == job_id).order_by(Event.id))
                .scalars()
                .all()
            )
            steps = tx.execute(
                select(Step.id, Step.state, Step.owner, Step.lease_until).where(Step.job_id == job_id)
            ).all()
            chapters = tx.execute(
                select(func.sum(Chapter.n_utterances), func.sum(Chapter.n_utterances_done)).where(
                    Chapter.job_id == job_id
                )
            ).one()
        moves = [kind.removeprefix("job.") for kind in kinds if kind.startswith("job.")]
        ends = [move for move in moves if JobState(move) in JOB_ENDED]
        if job.state in JOB_ENDED and ends != [job.state]:
            yield f"{job_id}: ended as {job.state}, its events say {ends}"
        for before, after in itertools.pairwise(moves):
            if (JobState(before), JobState(after)) not in JOB_MOVES:
                yield f"{job_id}: moved from {before} to {after}"
        if job.state in JOB_ENDED:
            left = [
                step.id
                for step in steps
                if step.state in {StepState.LEASED, StepState.READY, StepState.BLOCKED}
            ]
            if left:
                yield f"{job_id}: ended with steps {left} still open"
        if job.state == JobState.SUCCEEDED:
            if any(step.state != StepState.SUCCEEDED for step in steps):
                yield f"{job_id}: succeeded, its steps did not"
            if not job.n_utterances == job.n_utterances_done == chapters[0] == chapters[1]:
                yield f"{job_id}: {job.n_utterances_done}/{job.n_utterances} counted, chapters: {chapters}"
            yield from self._missing_takes(job_id)

    def _missing_takes(self, job_id: str) -> Iterator[str]:
        for chapter in self.ledger.jobs.chapters(self.tenant, job_id):
            script = json.loads(self.objects.get(chapter.script_key, sha256=chapter.script_sha256))
            keys = {utterance["key"] for utterance in script["utterances"]}
            lost = keys - self.ledger.takes.find(self.tenant, keys).keys()
            if lost:
                yield f"{job_id}: chapter {chapter.index} has lost {len(lost)} takes"

    def _file_faults(self) -> Iterator[str]:
        with self.ledger.database.read() as tx:
            files = tx.execute(select(Artefact.key, Artefact.sha256, Artefact.n_bytes)).all()
        for file in files:
            head = self.objects.head(file.key)
            if head is None:
                yield f"{file.key}: has a row and no object"
            elif hashlib.sha256(self.objects.get(file.key)).hexdigest() != file.sha256:
                yield f"{file.key}: is not what its row says"

    def n_takes(self, job_id: str) -> int:
        """Utterances of the job whose takes are stored."""
        n_takes = 0
        for chapter in self.ledger.jobs.chapters(self.tenant, job_id):
            script = json.loads(self.objects.get(chapter.script_key, sha256=chapter.script_sha256))
            keys = [utterance["key"] for utterance in script["utterances"]]
            found = self.ledger.takes.find(self.tenant, set(keys))
            n_takes += sum(key in found for key in keys)
        return n_takes

    def claims_of_failed_chunks(self, job_id: str) -> list[int]:
        """How often each failed chunk was claimed."""
        with self.ledger.database.read() as tx:
            return list(
                tx.execute(
                    select(Step.epoch)
                    .where(Step.job_id == job_id, Step.state == StepState.FAILED)
                    .order_by(Step.id)
                ).scalars()
            )

    def n_claimed_utterances(self) -> int:
        """Utterances in all claims of chunks ever made: done once each, this is the number of utterances."""
        with self.ledger.database.read() as tx:
            rows = tx.execute(select(Step.epoch, Step.n_utterances).where(Step.kind == StepKind.SYNTHESIZE))
            return sum(row.epoch * (row.n_utterances or 0) for row in rows)

    def events(self) -> Counter[str]:
        """How often each kind of event happened."""
        with self.ledger.database.read() as tx:
            return Counter(tx.execute(select(Event.kind)).scalars())


def report(figures: dict[str, Any]) -> None:
    """The figures as one line of JSON."""
    print(json.dumps(figures, default=str))
