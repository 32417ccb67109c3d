"""How a job is accepted, whatever it is: the Idempotency-Key, and the first answer, the same each time."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from flask import Response, jsonify, request

from api.errors import invalid
from api.shapes import JobShape
from jobs.ledger.values import JobView
from jobs.states import JobState

IDEMPOTENCY_KEY: Final = "[!-~]{1,255}"
POLL_SECONDS: Final = 2


def idempotency_key() -> str | None:
    """The key of the current request, if it has one. Raises Problem: 422 for what is none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise invalid([{"header": "Idempotency-Key", "detail": "1 to 255 ASCII characters, no blanks"}])
    return key


def accepted(job: JobView, *, title: str, replayed: bool) -> Response:
    """202: the job as it was when it was accepted, under the title it had then."""
    answer = jsonify(JobShape.of(_as_accepted(job, title)).model_dump(mode="json"))
    answer.status_code = 202
    answer.headers["Location"] = f"/v1/jobs/{job.id}"
    answer.headers["Retry-After"] = str(POLL_SECONDS)
    if replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _as_accepted(job: JobView, title: str) -> JobView:
    return replace(
        job,
        state=JobState.QUEUED,
        title=title,
        n_utterances=0,
        n_utterances_done=0,
        audio_seconds=0.0,
        error=None,
        started_at=None,
        ended_at=None,
        eta_seconds=None,
        goes_on_at=None,
        training=None,
        energy=None,
        hours=None,
        pull=None,
    )
