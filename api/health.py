"""/livez and /readyz: is the process alive, and can it do its work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify
from kombu.exceptions import KombuError

from api.errors import RETRY_SECONDS, Problem
from api.office import Office
from api.shapes import Shape
from jobs.errors import LedgerUnavailableError
from jobs.migrate import is_current
from jobs.objects import ObjectsError

blueprint = APIBlueprint("health", __name__, tag="Operations")
log = logging.getLogger(__name__)

Finding = Literal["ok", "down", "behind"]


class Life(Shape):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Shape):
    """What works. Without the broker everything does, only later: knocks are lost and the sweep repairs them.
    Without the object store jobs can be looked at and steered, but not made."""

    status: Literal["ready", "degraded"]
    ledger: Finding
    objects: Finding
    broker: Finding


class Remembered:
    """A finding that stays good for some seconds, so that probes cost next to nothing."""

    def __init__(self, look: Callable[[], Finding], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._lock = threading.Lock()
        self._finding: Finding = "down"
        self._found_at = float("-inf")

    def __call__(self) -> Finding:
        """The finding, looked for again if it is old."""
        with self._lock:
            if time.monotonic() - self._found_at > self._seconds:
                self._finding = self._look()
                self._found_at = time.monotonic()
            return self._finding


class Checks:
    """What `/readyz` looks at."""

    OBJECTS_SECONDS: Final = 30.0
    BROKER_SECONDS: Final = 5.0

    def __init__(self, office: Office) -> None:
        self._office = office
        self.objects = Remembered(self._look_at_objects, self.OBJECTS_SECONDS)
        self.broker = Remembered(self._look_at_broker, self.BROKER_SECONDS)

    def ledger(self) -> Finding:
        """Whether the ledger answers, at the migration this code was written for."""
        try:
            return "ok" if is_current(self._office.ledger.database) else "behind"
        except LedgerUnavailableError as error:
            log.warning("not ready: %s", error)
            return "down"

    def _look_at_objects(self) -> Finding:
        try:
            self._office.objects.check()
        except (ObjectsError, OSError) as error:
            log.warning("the object store fails its check: %s", error)
            return "down"
        return "ok"

    def _look_at_broker(self) -> Finding:
        try:
            with self._office.celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=2, interval_start=0.1)
        except (KombuError, OSError) as error:
            log.warning("the broker does not answer: %s", error)
            return "down"
        return "ok"


def the_checks() -> Checks:
    """The checks of the app that answers the current request."""
    found: Checks = current_app.extensions["lectorium.checks"]
    return found


@blueprint.get("/livez")
@blueprint.output(Life, description="The process answers.")
def show_life() -> Life:
    """Is the process alive."""
    return Life()


@blueprint.get("/readyz")
@blueprint.output(Readiness, description="Requests can be taken; perhaps without the broker.")
def show_readiness() -> Response:
    """Can requests be taken.

    503 while the ledger does not answer or its migrations are behind. Without the broker or the object store
    the server still does part of its work, and taking it out of service would help nobody: `degraded`.
    """
    checks = the_checks()
    ledger, objects, broker = checks.ledger(), checks.objects(), checks.broker()
    if ledger != "ok":
        why = "The ledger does not answer." if ledger == "down" else "The ledger's migrations are behind."
        headers = {"Retry-After": str(RETRY_SECONDS)}
        found = {"ledger": ledger, "objects": objects, "broker": broker}
        raise Problem(503, why, kind="not-ready", headers=headers, **found)
    status: Literal["ready", "degraded"] = "ready" if broker == objects == "ok" else "degraded"
    shape = Readiness(status=status, ledger=ledger, objects=objects, broker=broker)
    return jsonify(shape.model_dump())
