from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.messages import Doorbell, Knock, make_app
from jobs.migrate import head
from jobs.settings import Settings, environment_of
from jobs.states import JOB_ENDED, JobState, StepKind
from models_store.manifest import VoiceManifest
from speech.stub import WEIGHTS_DIGEST
from tests.worker.conftest import Submit
from worker.__main__ import check_revision
from worker.app import worker_app
from worker.workshop import Workshop

BOOK = "\n\n".join(f"The lamp of house {number} went out." for number in range(200))


@contextmanager
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    outside = os.environ.items()  # noqa: TID251 - a child's environment
    process = subprocess.Popen(
        [sys.executable, "-m", "worker"],
        env={**dict(outside), **environment_of(settings)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def place_slow_voice(workshop: Workshop) -> None:
    manifest = VoiceManifest(
        name="slow",
        family="stub",
        weights_digest=WEIGHTS_DIGEST,
        languages="any",
        licence="MIT",
        parameters={"seconds_per_utterance": 0.2},
    )
    folder = workshop.shelf.root / "slow" / manifest.version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.to_json())


def wait_for(workshop: Workshop, job_id: str, *, n_done: int | None = None, seconds: float = 240) -> JobState:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
        if job.state in JOB_ENDED or (n_done is not None and job.n_utterances_done >= n_done):
            return job.state
        time.sleep(0.05)
    raise TimeoutError(str(workshop.ledger.jobs.get(LOCAL_TENANT, job_id)))


def test_the_pool_spawns_its_child_and_leaves_standard_error_alone(settings: Settings) -> None:
    conf = worker_app(settings).conf
    assert conf.worker_pool_start_method == "spawn"  # CUDA cannot be used in a forked process
    assert conf.worker_redirect_stdouts is False  # faulthandler needs a real file
    assert "worker.knock" in conf.imports


def test_a_worker_refuses_a_ledger_that_was_never_migrated(settings: Settings) -> None:
    with running(settings) as worker:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 2
    assert said.decode() == f"the ledger is older than revision {head()}: run `lectorium migrate`\n"


def test_a_worker_waits_for_a_ledger_that_does_not_answer(settings: Settings) -> None:
    with socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        address = f"postgresql://127.0.0.1:{nobody_listens.getsockname()[1]}/lectorium"
        check_revision(settings.model_copy(update={"ledger": address}))


def test_a_worker_accepts_a_ledger_that_is_current(workshop: Workshop) -> None:
    check_revision(workshop.settings)


@pytest.mark.slow
def test_sigterm_ends_a_busy_worker_in_ten_seconds_and_loses_nothing(
    workshop: Workshop, submit: Submit
) -> None:
    place_slow_voice(workshop)
    job_id = submit(BOOK, voice="slow", speed=2.0)
    with running(workshop.settings) as worker:
        wait_for(workshop, job_id, n_done=4)
        worker.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert worker.wait(timeout=60) == 0
        assert time.monotonic() - started < 10
    assert workshop.ledger.steps.owners("") == []  # every lease was given back, none has to lapse
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert job.state == JobState.RUNNING


@pytest.mark.slow
def test_a_killed_child_is_replaced_and_the_book_goes_on(workshop: Workshop, submit: Submit) -> None:
    import psutil

    job_id = submit(BOOK, speed=2.0)
    with running(workshop.settings) as worker:
        wait_for(workshop, job_id, n_done=4)
        (owner,) = workshop.ledger.steps.owners("")
        psutil.Process(int(owner.rsplit("/", 1)[1].partition("-")[0])).kill()
        assert wait_for(workshop, job_id) == JobState.SUCCEEDED
        assert worker.poll() is None


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_a_knock_over_a_real_broker_wakes_an_idle_worker(
    workshop: Workshop, submit: Submit, request: pytest.FixtureRequest, broker: str
) -> None:
    url = request.getfixturevalue(broker)
    settings = workshop.settings.model_copy(update={"broker": url, "look_seconds": 3600.0})
    settings.model_fields_set.update({"broker", "look_seconds"})
    doorbell = Doorbell(make_app(url))
    with running(settings):
        first = submit("The lamp of the first house went out.")
        doorbell.ring([Knock(StepKind.PLAN)])
        assert wait_for(workshop, first) == JobState.SUCCEEDED
        time.sleep(1)  # idle now: nothing but a knock can wake it within the hour, the sweep's own included
        second = submit("The lamp of the second house went out.")
        doorbell.ring([Knock(StepKind.PLAN)])
        assert wait_for(workshop, second, seconds=8) == JobState.SUCCEEDED
