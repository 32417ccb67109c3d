"""/v1/jobs: look at them, and steer them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from api.auth import needs, principal, require
from api.office import the_office
from api.shapes import JobPage, JobShape, JobSummary
from jobs.ids import ID_PATTERN
from jobs.ledger.values import JobView
from jobs.messages import DELIVER, Knock
from jobs.states import JobKind, JobState

blueprint = APIBlueprint("jobs", __name__, tag="Jobs")

STEERED_WITH: Final[Mapping[JobKind, str]] = MappingProxyType(
    {
        JobKind.NARRATION: "narrate",
        JobKind.TRAINING: "train",
        JobKind.EXPORT: "train",
        JobKind.PULL: "admin",
    }
)
"""The scope that cancels, pauses, resumes and retries a job: the one that asks for it."""
SCOPES_THAT_STEER: Final = tuple(dict.fromkeys(STEERED_WITH.values()))


class JobsQuery(BaseModel):
    """Which jobs, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: JobState | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, Field(pattern=f"^{ID_PATTERN.pattern}$")] | None = None
    """`next` of the page before."""


@blueprint.get("/v1/jobs")
@needs("read")
@blueprint.input(JobsQuery, location="query", arg_name="query")
@blueprint.output(JobPage, description="Some jobs, newest first.")
def list_jobs(query: JobsQuery) -> Response:
    """List jobs, newest first."""
    states = () if query.state is None else (query.state,)
    found = the_office().ledger.jobs.page(
        principal().tenant_id, states=states, before=query.cursor, most=query.limit + 1
    )
    shown = found[: query.limit]
    following = shown[-1].id if len(found) > query.limit else None
    page = JobPage(jobs=tuple(map(JobSummary.of, shown)), next=following)
    answer = jsonify(page.model_dump(mode="json"))
    if following is not None:
        rest = urlencode({**request.args.to_dict(), "cursor": following})
        answer.headers["Link"] = f'</v1/jobs?{rest}>; rel="next"'
    return answer


@blueprint.get("/v1/jobs/<job_id>")
@needs("read")
@blueprint.output(JobShape, description="The job as it stands.")
def show_job(job_id: str) -> Response:
    """Show a job.

    The `ETag` changes with everything that a reader could see but the times foretold; ask with
    `If-None-Match` to poll.
    """
    job = the_office().ledger.jobs.get(principal().tenant_id, job_id)
    version = str(job.version)
    fresh = request.if_none_match.contains_weak(version)
    answer = Response(status=304) if fresh else _shown(job, 200)
    answer.set_etag(version, weak=True)
    return answer


@blueprint.post("/v1/jobs/<job_id>/cancel")
@needs(*SCOPES_THAT_STEER)
@blueprint.output(JobShape, 202, description="The job, cancelled.")
def cancel_job(job_id: str) -> Response:
    """Cancel a job that has not ended."""
    _require_scope_of(job_id)
    job = the_office().ledger.jobs.cancel(principal().tenant_id, job_id)
    the_office().doorbell.ring([Knock(DELIVER)] if job.spec.get("webhook") else [])
    return _shown(job, 202)


@blueprint.post("/v1/jobs/<job_id>/pause")
@needs(*SCOPES_THAT_STEER)
@blueprint.output(JobShape, 202, description="The job, paused.")
def pause_job(job_id: str) -> Response:
    """Pause a running job: what is in hand is finished, nothing new is begun."""
    _require_scope_of(job_id)
    return _shown(the_office().ledger.jobs.pause(principal().tenant_id, job_id), 202)


@blueprint.post("/v1/jobs/<job_id>/resume")
@needs(*SCOPES_THAT_STEER)
@blueprint.output(JobShape, 202, description="The job, running.")
def resume_job(job_id: str) -> Response:
    """Let a paused job go on."""
    _require_scope_of(job_id)
    job, knocks = the_office().ledger.jobs.resume(principal().tenant_id, job_id)
    the_office().doorbell.ring(knocks)
    return _shown(job, 202)


@blueprint.post("/v1/jobs/<job_id>/retry")
@needs(*SCOPES_THAT_STEER)
@blueprint.output(JobShape, 202, description="The job, running.")
def retry_job(job_id: str) -> Response:
    """Try a failed job's failed steps again; all that is done stays done."""
    _require_scope_of(job_id)
    job, knocks = the_office().ledger.jobs.retry(principal().tenant_id, job_id)
    the_office().doorbell.ring(knocks)
    return _shown(job, 202)


def _require_scope_of(job_id: str) -> None:
    """Lets a key steer the jobs that it could have asked for.

    Raises:
        JobMissingError: the tenant has no such job.
        Problem: 403.
    """
    require(STEERED_WITH[the_office().ledger.jobs.get(principal().tenant_id, job_id).kind])


def _shown(job: JobView, status: int) -> Response:
    jobs = the_office().ledger.jobs
    chapters, artefacts = jobs.chapters(job.tenant_id, job.id), jobs.artefacts(job.tenant_id, job.id)
    shape = JobShape.of(job, chapters, artefacts, jobs.count_doubtful(job.tenant_id, job.id))
    answer = jsonify(shape.model_dump(mode="json"))
    answer.status_code = status
    return answer
