"""GET /v1/jobs/{id}/events: what happens to a job, as it happens (server-sent events).

Each event carries its number as `id`; a client that lost the line sends it back as `Last-Event-ID` and misses
nothing, for events are rows. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from apiflask import APIBlueprint
from flask import Response, request

from api.auth import needs, principal
from api.errors import Problem, invalid
from api.office import Office, the_office
from api.shapes import rfc3339
from jobs.errors import LedgerUnavailableError
from jobs.ledger.values import EventView
from jobs.states import JOB_ENDED

blueprint = APIBlueprint("events", __name__, tag="Jobs")

LOOK_SECONDS: Final = 1.0
PING_SECONDS: Final = 15.0
MOST_SECONDS: Final = 900.0
"""Then the stream ends and the client comes back by itself, with a key that is checked afresh."""
MOST_ROWS: Final = 500
HIDDEN: Final = {"owner", "in_hand"}
"""What an event says of our own machines."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one job after a number, as text, until the job has ended."""

    office: Office
    tenant_id: str
    job_id: str
    after: int = 0
    look_seconds: float = LOOK_SECONDS
    ping_seconds: float = PING_SECONDS
    most_seconds: float = MOST_SECONDS

    def __iter__(self) -> Iterator[str]:
        """Each event, and a comment where there was none for `ping_seconds`."""
        opened = spoken = time.monotonic()
        after = self.after
        while time.monotonic() - opened < self.most_seconds:
            try:
                # The state first: once a job has ended, the events read after that are its last.
                ended = self.office.ledger.jobs.get(self.tenant_id, self.job_id).state in JOB_ENDED
                found = self.office.ledger.jobs.events(
                    self.tenant_id, self.job_id, after=after, most=MOST_ROWS
                )
            except LedgerUnavailableError:
                return  # the client comes back and goes on after the last event it has
            for event in found:
                yield as_text(event)
                after, spoken = event.id, time.monotonic()
            if ended and len(found) < MOST_ROWS:
                return
            if time.monotonic() - spoken >= self.ping_seconds:
                yield ": still here\n\n"
                spoken = time.monotonic()
            if self.office.closing.wait(0 if len(found) == MOST_ROWS else self.look_seconds):
                return


def as_text(event: EventView) -> str:
    """The event as the stream carries it."""
    detail = {name: value for name, value in event.detail.items() if name not in HIDDEN}
    shown = {"kind": event.kind, "at": rfc3339(event.at), "detail": detail}
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(shown)}\n\n"


@blueprint.get("/v1/jobs/<job_id>/events")
@needs("read")
def stream_events(job_id: str) -> Response:
    """Follow a job.

    Ends after the job's last event; asked again from there it answers 204, so that an `EventSource` stops.
    """
    office, tenant_id, after = the_office(), principal().tenant_id, _last_event_id()
    job = office.ledger.jobs.get(tenant_id, job_id)
    if job.state in JOB_ENDED and not office.ledger.jobs.events(tenant_id, job_id, after=after, most=1):
        return Response(status=204)
    if request.method == "HEAD":
        return Response(content_type="text/event-stream")
    if not office.streams.take(tenant_id):
        detail = "Too many event streams are open; close one, or poll the job."
        raise Problem(429, detail, kind="too-many-streams", headers={"Retry-After": "15"})
    return _streamed(Stream(office, tenant_id, job_id, after))


def _streamed(stream: Stream) -> Response:
    answer = Response(iter(stream), content_type="text/event-stream; charset=utf-8")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the events to itself
    answer.call_on_close(lambda: stream.office.streams.give_back(stream.tenant_id))
    return answer


def _last_event_id() -> int:
    given = request.headers.get("Last-Event-ID", "").strip() or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise invalid([{"header": "Last-Event-ID", "detail": "not the id of an event"}])
    return int(given)
