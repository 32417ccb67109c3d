"""GET /metrics: what the operator watches, in Prometheus' text format.

Requests, knocks and what the object store was asked are counted in this process. All else is read from the
ledger's rows at most every ten seconds, and more seldom where that takes the database long, so that every
server shows the same; so a counter of these falls when rows go or a failed job is tried again; not of those
that workers count, which have rows for that. No label names a job or a tenant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final

from apiflask import APIBlueprint
from flask import Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from api.auth import needs
from api.office import Office
from jobs.errors import LedgerUnavailableError
from jobs.ledger.operations import Backlog
from jobs.states import JOB_ENDED, JobState

blueprint = APIBlueprint("metrics", __name__, tag="Operations")

CACHE_SECONDS: Final = 10.0
LONGEST_SHARE: Final = 0.02
"""Of the time, for reading the ledger: who has millions of rows gets older figures, and no slower claims."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one server."""

    def __init__(self, office: Office) -> None:
        self.registry = CollectorRegistry()
        labels = ["route", "method", "code"]
        self._requests = Counter("http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time until the answer began.",
            ["route", "method"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Ledger(office))

    def count(self, route: str, method: str, code: int, seconds: float) -> None:
        """One request was answered. `route` is the pattern, never the path."""
        self._requests.labels(route, method, str(code)).inc()
        self._seconds.labels(route, method).observe(seconds)


class _Ledger(Collector):
    """The backlog, read anew when the last reading is old."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._lock = threading.Lock()
        self._backlog: Backlog | None = None
        self._counts: Mapping[tuple[str, str], float] = {}
        self._read_again_at = float("-inf")

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering asks no ledger."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The families, or only `ledger_up 0` while the ledger does not answer."""
        backlog = self._current()
        yield GaugeMetricFamily("ledger_up", "Whether the ledger answers.", float(backlog is not None))
        yield CounterMetricFamily(
            "doorbell_publish_failures", "Knocks this server could not send.", self._office.doorbell.n_failed
        )
        storage = CounterMetricFamily(
            "storage_requests", "What this server asked of the object store.", labels=["op", "code"]
        )
        for labels, count in sorted(self._office.objects.requests().items()):
            storage.add_metric(labels, count)
        yield storage
        if backlog is not None:
            yield from _families(backlog)
            yield from _counted(self._counts)

    def _current(self) -> Backlog | None:
        with self._lock:
            began = time.monotonic()
            if began > self._read_again_at:
                try:
                    self._backlog = self._office.ledger.operations.backlog()
                    self._counts = self._office.ledger.counts.read()
                except LedgerUnavailableError:
                    self._backlog = None
                took_seconds = time.monotonic() - began
                self._read_again_at = began + max(CACHE_SECONDS, took_seconds / LONGEST_SHARE)
            return self._backlog


def _families(backlog: Backlog) -> Iterator[Metric]:
    queued = GaugeMetricFamily("jobs_queued", "Jobs that no worker has touched.", labels=["kind"])
    jobs = GaugeMetricFamily("jobs", "Jobs in the ledger.", labels=["kind", "state"])
    for (kind, state), count in sorted(backlog.jobs_by_state.items()):
        jobs.add_metric([kind, state], count)
        if state == "queued":
            queued.add_metric([kind], count)
    steps = GaugeMetricFamily("steps", "Steps that have not ended.", labels=["kind", "state"])
    for (kind, state), count in sorted(backlog.steps_by_state.items()):
        steps.add_metric([kind, state], count)
    ages = GaugeMetricFamily(
        "job_oldest_queued_age_seconds", "Age of the oldest step that is due, by its kind.", labels=["kind"]
    )
    for kind, age in sorted(backlog.oldest_ready_seconds.items()):
        ages.add_metric([kind], age)
    yield from (queued, jobs, _transitions(backlog), steps, ages)
    yield GaugeMetricFamily(
        "utterances_waiting", "Utterances of steps that are ready.", backlog.utterances_waiting
    )
    yield CounterMetricFamily(
        "units_rendered",
        "Utterances that have their sound, of all jobs; reused ones too.",
        backlog.utterances_done,
    )
    yield CounterMetricFamily("audio_seconds_rendered", "Sound made for all jobs.", backlog.audio_seconds)
    yield from _energy(backlog)
    yield GaugeMetricFamily("stored_bytes", "Bytes of all stored files.", backlog.stored_bytes)
    yield GaugeMetricFamily(
        "webhook_deliveries_waiting",
        "Webhooks not yet delivered.",
        backlog.deliveries_by_state.get("waiting", 0),
    )
    deliveries = CounterMetricFamily(
        "webhook_deliveries", "Webhooks that went through, and those given up.", labels=["result"]
    )
    for result in ("delivered", "abandoned"):
        deliveries.add_metric([result], backlog.deliveries_by_state.get(result, 0))
    yield deliveries
    if backlog.swept_seconds_ago is not None:
        yield GaugeMetricFamily(
            "reconciler_last_success_timestamp_seconds",
            "When a worker last swept.",
            time.time() - backlog.swept_seconds_ago,
        )


def _energy(backlog: Backlog) -> Iterator[Metric]:
    kwh = CounterMetricFamily(
        "energy_kilowatt_hours", "Used by trainings; source says how it is known.", labels=["source"]
    )
    grams = CounterMetricFamily(
        "carbon_grams", "CO2 equivalent of the energy, where it is known.", labels=["source"]
    )
    cost = CounterMetricFamily(
        "energy_cost",
        "What that cost, in the operator's currency, where it is known.",
        labels=["source"],
    )
    for source, energy in sorted(backlog.energy_by_source.items()):
        kwh.add_metric([source], energy.kwh)
        if energy.grams is not None:
            grams.add_metric([source], energy.grams)
        if energy.cost is not None:
            cost.add_metric([source], energy.cost)
    yield from (kwh, grams, cost)


COUNTED: Final = (
    ("leases_expired", "", "Leases that ran out: their worker was lost, or too slow."),
    ("units_retried", "reason", "Steps that went back into line."),
    ("fenced_writes", "", "Results refused because their lease had been lost."),
    ("claims", "kind", "Steps that workers took."),
    ("claim_wait_seconds", "kind", "How long those had been due."),
    ("synthesis_seconds", "", "Time in which workers had utterances in lanes."),
    ("synthesis_audio_seconds", "", "Sound they made in it."),
    ("voice_loads", "when", "Weights loaded: because a claim asked for them, or ahead of it."),
    ("voice_load_seconds", "", "Time that took."),
    ("voice_hits", "", "Times that weights were asked for and at hand."),
    ("voice_evictions", "why", "Weights that left memory."),
    ("voice_failures", "", "Voices that could not be loaded, or were refused as not well."),
)
"""What workers count: name, label, meaning."""


def _counted(counts: Mapping[tuple[str, str], float]) -> Iterator[Metric]:
    for name, label, meaning in COUNTED:
        family = CounterMetricFamily(name, meaning, labels=[label] if label else [])
        sorts = sorted(sort for counted, sort in counts if counted == name) or ([] if label else [""])
        for sort in sorts:
            family.add_metric([sort] if label else [], counts.get((name, sort), 0))
        yield family


def _transitions(backlog: Backlog) -> Metric:
    transitions = CounterMetricFamily(
        "job_state_transitions",
        "Jobs that came to this state, each once: queued is all jobs, running those ever started, the others"
        " those that ended so. Pauses are not counted; a failed job that is tried again leaves failed.",
        labels=["kind", "to"],
    )
    for kind in sorted({kind for kind, _ in backlog.jobs_by_state}):
        n_jobs = sum(count for (its_kind, _), count in backlog.jobs_by_state.items() if its_kind == kind)
        transitions.add_metric([kind, JobState.QUEUED], n_jobs)
        transitions.add_metric([kind, JobState.RUNNING], backlog.jobs_started.get(kind, 0))
        for state in sorted(JOB_ENDED):
            transitions.add_metric([kind, state], backlog.jobs_by_state.get((kind, state), 0))
    return transitions


def the_metrics() -> Metrics:
    """The figures of the app that answers the current request."""
    found: Metrics = current_app.extensions["lectorium.metrics"]
    return found


@blueprint.get("/metrics")
@needs("admin")
def show_metrics() -> Response:
    """Figures for Prometheus.

    Where keys are required, one with the scope `admin` is.
    """
    return Response(generate_latest(the_metrics().registry), content_type=CONTENT_TYPE_PLAIN_1_0_0)


def start_clock() -> None:
    """Before each request."""
    g.began = time.monotonic()


def count_request(answer: Response) -> Response:
    """After each request."""
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
    the_metrics().count(route, method, answer.status_code, time.monotonic() - g.began)
    return answer
