"""GET /v1/jobs/{id}/artefacts/{name}: a finished file, by redirect to the store or streamed with Range."""

from __future__ import annotations

from typing import Final

from apiflask import APIBlueprint
from flask import Response, redirect, request

from api.auth import needs, principal
from api.errors import Problem
from api.office import the_office
from jobs.ledger.values import ArtefactView
from jobs.objects import attachment

blueprint = APIBlueprint("artefacts", __name__, tag="Jobs")

ONE_YEAR: Final = 365 * 86_400


@blueprint.get("/v1/jobs/<job_id>/artefacts/<name>")
@needs("read")
def download_artefact(job_id: str, name: str) -> Response:
    """Download a finished file.

    Redirects to the object store where it can; else streams the file. `Range` works either way.
    """
    artefact = _find(job_id, name)
    if request.if_none_match.contains(artefact.sha256):
        return _described(Response(status=304), artefact)
    address = _signed_address(artefact)
    return _streamed(artefact) if address is None else _redirected(address)


def _find(job_id: str, name: str) -> ArtefactView:
    jobs, tenant_id = the_office().ledger.jobs, principal().tenant_id
    jobs.get(tenant_id, job_id)
    found = jobs.artefacts(tenant_id, job_id, name=name) if "\0" not in name else []
    if not found:
        raise Problem(404, "The job has no such file.", kind="no-such-artefact")
    return found[-1]


def _signed_address(artefact: ArtefactView) -> str | None:
    settings = the_office().settings
    if not settings.presign or request.method == "HEAD":  # the signature would be for GET
        return None
    return the_office().objects.sign(
        artefact.key,
        seconds=int(settings.presign_seconds),
        filename=artefact.name,
        media_type=artefact.media_type,
    )


def _redirected(address: str) -> Response:
    answer = redirect(address, 302, Response)
    answer.headers["Cache-Control"] = "no-store"
    return answer  # type: ignore[return-value]  # Flask's, as asked


def _streamed(artefact: ArtefactView) -> Response:
    part = _asked_part(artefact)
    start, stop = part or (0, artefact.n_bytes)
    answer = Response(status=206 if part else 200, content_type=artefact.media_type)
    answer.headers["Content-Disposition"] = attachment(artefact.name)
    answer.headers["Content-Length"] = str(stop - start)
    if part:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{artefact.n_bytes}"
    if request.method != "HEAD":
        answer.response = the_office().objects.open_range(artefact.key, start, stop)
    return _described(answer, artefact)


def _described(answer: Response, artefact: ArtefactView) -> Response:
    answer.set_etag(artefact.sha256)
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Cache-Control"] = f"private, max-age={ONE_YEAR}, immutable"
    return answer


def _asked_part(artefact: ArtefactView) -> tuple[int, int] | None:
    """First byte and the one after the last (RFC 9110, 14.1.2); None for the whole file.

    The whole is also the answer to several parts at once, and where If-Range names another file.
    """
    asked = request.range
    if request.method != "GET" or asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    if request.headers.get("If-Range", f'"{artefact.sha256}"').strip() != f'"{artefact.sha256}"':
        return None
    start, stop = asked.ranges[0]
    if start < 0:  # the last so many bytes
        start = max(0, artefact.n_bytes + start)
    stop = min(stop or artefact.n_bytes, artefact.n_bytes)
    if start >= stop:
        headers = {"Content-Range": f"bytes */{artefact.n_bytes}"}
        raise Problem(416, f"The file has {artefact.n_bytes} bytes.", headers=headers)
    return start, stop
