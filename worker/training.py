"""The three steps of a training. The libraries of the extra `neural` are loaded when one is claimed."""

from __future__ import annotations

from importlib.util import find_spec

from jobs.ledger.values import Claim
from jobs.messages import Knock
from speech.errors import TrainingError
from worker.workshop import Workshop


def prepare(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Recordings become features, a report and a prompt; `worker.prepare`."""
    _require_libraries()
    from worker.prepare import prepare

    return prepare(workshop, claim)


def train(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Updates, while there is time; `worker.train`."""
    _require_libraries()
    from worker.train import train

    return train(workshop, claim)


def publish(workshop: Workshop, claim: Claim) -> list[Knock]:
    """What was learnt is judged and stands on the shelf; `worker.publish`."""
    _require_libraries()
    from worker.publish import publish

    return publish(workshop, claim)


def _require_libraries() -> None:
    """The first step finds out what only the last one needs, not a night later."""
    for name in ("torch", "matplotlib"):
        if find_spec(name) is None:
            raise TrainingError(f"a training needs {name} on its worker: pip install 'lectorium[neural]'")
