"""The Flask app: who is asked for what, in which order."""

from __future__ import annotations

import logging
import time
from importlib.metadata import version
from typing import Final

from apiflask import APIFlask
from flask import Response, g, request

from api import (
    artefacts,
    document,
    errors,
    events,
    health,
    jobs,
    metrics,
    narrations,
    preview,
    reading,
    speech,
    trainings,
    voice_jobs,
    voices,
)
from api.auth import identify
from api.errors import no_such_job
from api.metrics import Metrics, count_request, start_clock
from api.office import Office, open_office, set_office
from api.uploads import MOST_SPEC_BYTES, HashingRequest
from jobs.ids import ID_PATTERN
from jobs.settings import Settings

log = logging.getLogger(__name__)

MOST_PARTS: Final = 1_000
"""Of any sort. Fields are bounded by their bytes too, and files by a number of their own, told as 422."""
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
QUIET: Final = {"/livez", "/readyz", "/metrics"}


def create_app(settings: Settings) -> APIFlask:
    """The WSGI app. It talks to no server before the first request; make it after any fork."""
    app = APIFlask(
        __name__, title="Lectorium", version=version("lectorium"), json_errors=False, docs_path=None
    )
    app.request_class = HashingRequest
    app.description = "Reads whole books aloud with cloned voices, and loses nothing on the way."
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        MAX_FORM_MEMORY_SIZE=MOST_SPEC_BYTES,
        MAX_FORM_PARTS=MOST_PARTS,
        AUTO_SERVERS=False,
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=True,
    )
    _furnish(app, open_office(settings))
    rooms = (
        *(narrations, speech, trainings, jobs, events, artefacts, voices, preview, voice_jobs),
        *(health, metrics, reading),
    )
    for room in rooms:
        app.register_blueprint(room.blueprint)
    for before in (start_clock, identify, _know_ids):
        app.before_request(before)
    for after in (_log, count_request, _guard):
        app.after_request(after)
    errors.register(app)
    document.describe(app)
    return app


def _furnish(app: APIFlask, office: Office) -> None:
    set_office(app, office)
    app.extensions["lectorium.metrics"] = Metrics(office)
    app.extensions["lectorium.checks"] = health.Checks(office)


def _know_ids() -> None:
    """What does not look like an id is answered as one that nobody has, before anything is looked up."""
    job_id = (request.view_args or {}).get("job_id")
    if job_id is not None and not ID_PATTERN.fullmatch(job_id):
        raise no_such_job()


def _guard(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _log(answer: Response) -> Response:
    level = logging.DEBUG if request.path in QUIET else logging.INFO
    fields = {
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else None,
        "code": answer.status_code,
        "seconds": round(time.monotonic() - g.began, 4),
        "job_id": (request.view_args or {}).get("job_id"),
    }
    log.log(level, "request answered", extra=fields)
    return answer
