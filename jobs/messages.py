"""The knock on the door: "there may be work of this kind". Never the work itself.

One Celery app, shared by those who knock (api, command line, workers) and those who answer (workers). The
settings below are each asserted by a test; `docs/decisions/0002-steps-and-knocks.md` says why they stand.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import KombuError
from kombu.pools import producers

from jobs.states import StepKind

log = logging.getLogger(__name__)

KNOCK: Final = "lectorium.knock"
"""The name of the one Celery task."""

_REDIS: Final = ("redis://", "rediss://")

DELIVER: Final = "deliver"
"""The queue of webhook deliveries, which are rows of their own and no steps."""


class Knock(NamedTuple):
    """There may be work of this kind, perhaps for these weights."""

    kind: str
    """A `StepKind` value, or `DELIVER`."""
    weights_digest: str | None = None


RING_SECONDS: Final = 2.0
"""How long a knock may wait for the broker. What it tells stands in the ledger anyway."""

SILENT_SECONDS: Final = 5.0
"""After a knock that could not be sent: how long none is tried, so that a dead broker delays nobody else."""


def queue_name(kind: str) -> str:
    """The Celery queue that knocks of this kind go to."""
    return f"lectorium.{kind}"


def make_app(broker_url: str) -> Celery:
    """The Celery app with every setting that the ledger's guarantees lean on."""
    app = Celery("lectorium", broker=broker_url)
    over_redis = broker_url.startswith(_REDIS)
    transport_options: dict[str, Any] = {}
    if over_redis:
        transport_options = {
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "visibility_timeout": 3600,  # no message outlives it: a knock is acknowledged on arrival
            "global_keyprefix": "lectorium.",
            "max_retries": 1,  # a knock that cannot be sent now is repaired by the sweep
        }
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_publish_retry=False,
        task_create_missing_queues=False,
        task_queues=[
            Queue(queue_name(kind), Exchange("lectorium"), routing_key=queue_name(kind), durable=True)
            for kind in (*StepKind, DELIVER)
        ],
        task_default_queue=queue_name(StepKind.PLAN),
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=over_redis,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=8,
        worker_enable_soft_shutdown_on_idle=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=transport_options,
    )
    return app


class Doorbell:
    """Sends knocks, best effort: a knock that is lost is repaired by the sweep and by idle workers' looks."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.n_failed = 0
        """Knocks that could not be sent since the start, for `/metrics`."""
        self._silent_until = 0.0
        patience: dict[str, Any] = {"max_retries": 0, "interval_start": 0}
        if app.conf.broker_url.startswith(_REDIS):
            patience |= {"socket_timeout": RING_SECONDS, "socket_connect_timeout": RING_SECONDS}
        self._line = app.connection_for_write(
            connect_timeout=RING_SECONDS, transport_options=app.conf.broker_transport_options | patience
        )
        """Who knocks waits less long for the broker than who listens."""

    def ring(self, knocks: Iterable[Knock]) -> None:
        """Sends each distinct knock once. A broker that is down costs a log line, never the caller's time."""
        for knock in dict.fromkeys(knocks):
            if time.monotonic() < self._silent_until:
                self.n_failed += 1
                continue
            try:
                with producers[self._line].acquire(block=True, timeout=RING_SECONDS) as producer:
                    self._app.send_task(
                        KNOCK,
                        kwargs={"kind": knock.kind, "weights_digest": knock.weights_digest},
                        queue=queue_name(knock.kind),
                        producer=producer,
                        ignore_result=True,
                        retry=False,
                    )
            except (KombuError, OSError) as error:
                self.n_failed += 1
                self._silent_until = time.monotonic() + SILENT_SECONDS
                log.warning("knock for %s not sent: %s", knock.kind, error)
