from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from jobs.settings import Settings
from jobs.states import StepKind
from tests.worker.conftest import Submit
from worker.errors import StoppingError
from worker.lease import Watch
from worker.workshop import Workshop


def test_a_claim_under_watch_outlives_its_lease(workshop: Workshop, submit: Submit) -> None:
    submit("The lamp of the first house went out.")
    quick = workshop.settings.model_copy(update={"lease_seconds": 0.6, "renew_seconds": 0.1})
    watch = Watch(workshop.ledger, quick)
    (claim,) = workshop.ledger.steps.claim([StepKind.PLAN], owner="me", lease_seconds=0.6)
    watch.add([claim])
    time.sleep(1.5)
    workshop.ledger.steps.lapse()
    assert not watch.is_lost(claim)
    watch.drop(claim)
    watch.stop()


def test_a_cancelled_claim_is_known_to_be_lost(workshop: Workshop, submit: Submit) -> None:
    job_id = submit("The lamp of the first house went out.")
    quick = workshop.settings.model_copy(update={"renew_seconds": 0.1})
    watch = Watch(workshop.ledger, quick)
    (claim,) = workshop.ledger.steps.claim([StepKind.PLAN], owner="me", lease_seconds=60)
    watch.add([claim])
    workshop.ledger.jobs.cancel(claim.tenant_id, job_id)
    give_up = time.monotonic() + 60
    while not watch.is_lost(claim) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert watch.is_lost(claim)
    watch.drop(claim)
    watch.stop()


def test_a_stop_that_the_work_ignores_returns_the_claims_and_gives_up(
    workshop: Workshop, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.lease.STOP_SECONDS", 0.3)  # a time, not code of ours
    submit("The lamp of the first house went out.")
    gave_up = threading.Event()
    watch = Watch(workshop.ledger, workshop.settings, give_up=gave_up.set)
    (claim,) = workshop.ledger.steps.claim([StepKind.PLAN], owner="me", lease_seconds=3600)
    watch.add([claim])
    watch.stop()
    assert gave_up.wait(5)
    (again,) = workshop.ledger.steps.claim([StepKind.PLAN], owner="you", lease_seconds=60)
    assert again.step_id == claim.step_id
    assert again.attempt == 1


def test_waiting_ends_with_an_error_when_asked_to_stop(workshop: Workshop) -> None:
    watch = Watch(workshop.ledger, workshop.settings)
    threading.Timer(0.2, watch.stop).start()
    with pytest.raises(StoppingError):
        watch.wait(30)


@pytest.mark.parametrize("library", ["CDLL", "PyDLL"])
def test_work_that_hangs_ends_its_process_even_with_the_interpreters_lock_held(
    settings: Settings, library: str
) -> None:
    program = textwrap.dedent(
        f"""
        import ctypes
        from pathlib import Path
        from jobs.ledger import Ledger
        from jobs.migrate import upgrade
        from jobs.settings import Settings
        from worker.lease import Watch
        settings = Settings(home=Path({str(settings.home)!r}), hang_seconds=1)
        upgrade(settings.ledger_url)
        with Watch(Ledger(settings), settings).progress():
            ctypes.{library}(None).sleep(600)
        """
    )
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert b"Timeout" in ended.stderr
    assert time.monotonic() - started < 30
