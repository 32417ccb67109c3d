from __future__ import annotations

import os
import subprocess
import sys

from jobs.settings import Settings
from tests.worker.conftest import Submit
from worker.owner import is_alive, machine, owner_name
from worker.sweep import sweep
from worker.workshop import Workshop


def test_an_owner_lives_as_long_as_its_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = owner_name(process.pid)
    assert is_alive(owner)
    process.kill()
    process.communicate()
    assert not is_alive(owner)


def test_a_reused_process_number_is_another_owner() -> None:
    name, _, _started = owner_name(os.getpid()).rpartition("-")
    assert not is_alive(f"{name}-12345.00")


def test_an_owner_name_begins_with_its_machine() -> None:
    assert owner_name(os.getpid()).startswith(machine())


def test_the_sweep_frees_at_once_what_a_dead_process_of_this_machine_held(
    workshop: Workshop, submit: Submit, settings: Settings
) -> None:
    submit("The lamp of the first house went out.")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = owner_name(process.pid)
    (claim,) = workshop.ledger.steps.claim(["plan"], owner=owner, lease_seconds=3600)  # type: ignore[list-item]  # a StrEnum's value
    sweep(workshop.ledger, workshop.objects, lambda _: None)
    assert workshop.ledger.steps.renew([claim], lease_seconds=3600) == {claim.step_id}
    process.kill()
    process.communicate()
    sweep(workshop.ledger, workshop.objects, lambda _: None)
    assert workshop.ledger.steps.renew([claim], lease_seconds=3600) == frozenset()
