"""Every error body, in one place: RFC 9457 problem details, `application/problem+json`.

What is the client's fault names the field with a JSON pointer (RFC 6901); what is ours gets a reference that
the log knows too, and says no more.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from apiflask import APIFlask, HTTPError
from flask import Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from jobs.errors import (
    IdempotencyMismatchError,
    JobMissingError,
    LedgerUnavailableError,
    LimitReachedError,
    MoveRefusedError,
)
from jobs.objects import ObjectsUnavailableError
from jobs.specs import Spec, faults_of

PROBLEM: Final = "application/problem+json"
URN: Final = "urn:lectorium:problem:"
OPENAI_PATHS: Final = "/v1/audio/"
"""Where calls of OpenAI's are answered."""
RETRY_SECONDS: Final = 5
"""When a client may ask again while a part of the house is down."""

log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """The request ends here, with this answer."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        """Short and stable, the end of the `type`; None where the status says it all."""
        self.headers = dict(headers or {})
        self.members = members

    def answer(self) -> Response:
        """The problem as it is sent."""
        body = {
            "type": "about:blank" if self.kind is None else URN + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if request.path.startswith(OPENAI_PATHS):
            body["error"] = self._as_openai_says_it()
        content = json.dumps({name: value for name, value in body.items() if value not in (None, "")})
        return Response(content, self.status, self.headers, content_type=PROBLEM)

    def _as_openai_says_it(self) -> dict[str, str | None]:
        """The same once more, where clients of OpenAI's calls look for it."""
        faults = self.members.get("errors") or [{}]
        return {
            "message": self.detail or HTTPStatus(self.status).phrase,
            "type": "invalid_request_error" if self.status < 500 else "server_error",
            "param": faults[0].get("pointer", "").removeprefix("/") or None,
            "code": self.kind,
        }


def no_such_job() -> Problem:
    """404, the same for a job that never was, that belongs to another tenant, or whose id is none."""
    return Problem(404, "There is no such job.", kind="no-such-job")


def invalid(faults: Sequence[Mapping[str, str]]) -> Problem:
    """422 with what is wrong and where."""
    first = faults[0]
    place = first.get("pointer") or first.get("parameter") or first.get("header") or ""
    detail = f"{place}: {first['detail']}" if place else first["detail"]
    return Problem(422, detail, kind="invalid", errors=list(faults))


def invalid_body(error: ValidationError, spec: type[Spec]) -> Problem:
    """422, or 400 where the body is not even JSON."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Problem(400, first["msg"], kind="malformed")
    return invalid(
        [{"pointer": pointer(*place), "detail": why} for place, why in faults_of(error, spec)[:20]]
    )


def pointer(*path: str) -> str:
    """The JSON pointer to that place in the body."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


def register(app: APIFlask) -> None:
    """Makes the app answer every error, its own and ours, with a problem."""
    app.register_error_handler(Problem, Problem.answer)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(JobMissingError, lambda _: no_such_job().answer())
    app.register_error_handler(MoveRefusedError, _of_refusal)
    app.register_error_handler(IdempotencyMismatchError, _of_mismatch)
    app.register_error_handler(LimitReachedError, _of_limit)
    app.register_error_handler(LedgerUnavailableError, _of_outage)
    app.register_error_handler(ObjectsUnavailableError, _of_outage)
    app.register_error_handler(Exception, _of_ours)
    app.register_error_handler(HTTPError, _of_apiflask)


def _of_http(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]  # ours are Flask's
    answer = Problem(error.code or 500, (error.description or "").partition("\n")[0]).answer()
    for name, value in error.get_headers(request.environ):
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers[name] = value
    return answer


def _of_apiflask(error: HTTPError) -> Response:
    """APIFlask's own error: of the query it validated for us."""
    if isinstance(error.__cause__, ValidationError):
        faults = error.__cause__.errors(include_url=False, include_input=False)
        shown = [{"parameter": ".".join(map(str, each["loc"])), "detail": each["msg"]} for each in faults]
        return invalid(shown).answer()
    return Problem(error.status_code, error.message or "").answer()


def _of_refusal(error: MoveRefusedError) -> Response:
    return Problem(409, f"The job is {error.state}.", kind="move-refused", state=error.state).answer()


def _of_mismatch(_error: IdempotencyMismatchError) -> Response:
    detail = "This Idempotency-Key was used before with another request."
    fault = {"header": "Idempotency-Key", "detail": detail}
    return Problem(422, detail, kind="idempotency-mismatch", errors=[fault]).answer()


def _of_limit(error: LimitReachedError) -> Response:
    wait = error.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": f"{wait:.0f}"}
    return Problem(429, str(error), kind="limit-reached", headers=headers, limit=error.limit).answer()


def _of_outage(error: Exception) -> Response:
    log.warning("not available: %s", error)
    part = "ledger" if isinstance(error, LedgerUnavailableError) else "object store"
    detail = f"The {part} does not answer just now. Nothing is lost; ask again in a moment."
    return Problem(503, detail, kind="unavailable", headers={"Retry-After": str(RETRY_SECONDS)}).answer()


def _of_ours(error: Exception) -> Response:
    reference = secrets.token_hex(6)
    log.error("request failed", exc_info=error, extra={"reference": reference})
    detail = f"Something went wrong on our side. The operator finds it in the log under {reference}."
    return Problem(500, detail, kind="internal", reference=reference).answer()
