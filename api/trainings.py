"""POST /v1/trainings: recordings become a job that makes a voice of them."""

from __future__ import annotations

import logging

from apiflask import APIBlueprint
from flask import Response

from api.accepting import accepted, idempotency_key
from api.auth import needs, principal
from api.errors import invalid, pointer
from api.office import the_office
from api.shapes import JobShape
from api.sources import source_of, store_source
from api.training_parts import AskedTraining, training_asked_for
from jobs.states import JobKind
from jobs.training import TrainingRequest, WordsError
from models_store.adding import AddingError
from models_store.commission import check_commission
from models_store.manifest import ManifestError

log = logging.getLogger(__name__)
blueprint = APIBlueprint("trainings", __name__, tag="Trainings")


@blueprint.post("/v1/trainings")
@needs("train")
@blueprint.output(JobShape, 202, description="Accepted: the job, queued.")
def create_training() -> Response:
    """Have a voice learn from recordings.

    Send multipart/form-data: a `spec`, one part `recordings` for each sound file (a minute of speech or more,
    in all), and perhaps a `list` that says what is said in them, `path|speaker|language|text`, a line each.
    It is prepared at once and trains in its windows, unless `when` is `now`. No voice without consent.
    """
    key = idempotency_key()
    asked = training_asked_for()
    tenant_id, digest = principal().tenant_id, asked.digest()
    earlier = the_office().ledger.jobs.replay(tenant_id, key, digest) if key else None
    if earlier is not None:
        return _accepted(earlier, replayed=True)
    _check(asked.spec)
    return _submit(asked, key, digest)


def _submit(asked: AskedTraining, key: str | None, digest: str) -> Response:
    office, tenant_id = the_office(), principal().tenant_id
    sources = tuple(source_of(name, file) for name, file in asked.recordings)
    listed = None if asked.listed is None else source_of(*asked.listed)
    try:
        spec = asked.spec.train(sources, listed)
    except WordsError as error:
        raise invalid([{"pointer": pointer(*error.place), "detail": error.reason}]) from error
    recordings = [store_source("recording", name, file) for name, file in asked.recordings]
    submitted = office.ledger.jobs.submit(
        tenant_id,
        JobKind.TRAINING,
        spec.model_dump(mode="json"),
        title=spec.title or spec.name,
        priority=spec.priority,
        source=None if asked.listed is None else store_source("source", *asked.listed),
        recordings=recordings,
        idempotency_key=key,
        request_digest=digest,
    )
    office.doorbell.ring(submitted.knocks)
    return _accepted(submitted.job_id, replayed=submitted.replayed)


def _accepted(job_id: str, *, replayed: bool) -> Response:
    job = the_office().ledger.jobs.get(principal().tenant_id, job_id)
    title = str(job.spec.get("title") or job.spec["name"])
    return accepted(job, title=title, replayed=replayed)


def _check(spec: TrainingRequest) -> None:
    """Refuses at once what the first step would refuse."""
    if spec.deadline is not None and spec.deadline <= the_office().ledger.trainings.now():
        raise invalid([{"pointer": "/deadline", "detail": "has passed"}])
    try:
        check_commission(the_office().shelf.of(principal().tenant_id), spec)
    except AddingError as error:
        raise invalid([{"pointer": f"/{error.field}", "detail": error.reason}]) from error
    except ManifestError as error:
        log.error("%s", error)  # noqa: TRY400 - names a file of ours, which is no client's affair
        detail = f"voice {spec.base!r} is broken on this server"
        raise invalid([{"pointer": "/base", "detail": detail}]) from error
