"""What of a voice takes a worker: its files for GPT-SoVITS, and published weights for the shelf.

Both need PyTorch and time, and this server has neither: each is a job like a narration.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Final, TypeVar

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ValidationError

from api.accepting import accepted, idempotency_key
from api.auth import needs, principal
from api.errors import Problem, invalid, invalid_body
from api.office import the_office
from api.shapes import JobShape
from jobs.specs import Spec
from jobs.states import JobKind
from jobs.voice_specs import ExportRequest, ExportSpec, Offer, PullRequest, PullSpec
from models_store.consent import ConsentError
from models_store.exporting import NotExportableError, exportable, require_own
from models_store.hub.choice import choose
from models_store.hub.errors import HubInputError
from models_store.hub.recognisers import find_catalogue
from models_store.manifest import NAME, ManifestError, VoiceManifest
from models_store.shelf import NotYoursError, UnknownVoiceError
from speech.errors import VoiceError

log = logging.getLogger(__name__)
blueprint = APIBlueprint("voice-jobs", __name__, tag="Voices")

Asked = TypeVar("Asked", bound=Spec)

MOST_BYTES: Final = 64_000
FIRST: Final = 9
"""Priority of both: somebody waits for it, and a pull makes room for speeches anyway."""


@blueprint.post("/v1/voices/<voice>/export")
@needs("train")
@blueprint.output(JobShape, 202, description="Accepted: the job, queued.")
def export_voice(voice: str) -> Response:
    """Have a voice of yours written out for GPT-SoVITS.

    The job's artefacts are the pair of files, `.ckpt` and `.pth`, that GPT-SoVITS itself loads. It can be
    done with your own voices whose speakers have agreed.
    """
    key = idempotency_key()
    asked = _read(ExportRequest)
    digest = _digest(asked, voice)
    earlier = _earlier(key, digest)
    if earlier is not None:
        return earlier
    manifest = _exportable(voice, asked.version)
    spec = ExportSpec(voice=f"{manifest.name}@{manifest.version}", webhook=asked.webhook)
    return _submit(JobKind.EXPORT, spec, manifest.name, key, digest)


@blueprint.post("/v1/voices/pull")
@needs("admin")
@blueprint.output(JobShape, 202, description="Accepted: the job, queued; `spec.offers` names the licences.")
def pull_voices() -> Response:
    """Have published weights brought onto the shelf, for everybody.

    They come from the hub that the server's settings name, and are checked against the digests of the
    revision. What was cut off, cancelled or failed goes on where it was when the same is asked for again.
    """
    key = idempotency_key()
    asked = _read(PullRequest)
    digest = _digest(asked, "")
    earlier = _earlier(key, digest)
    if earlier is not None:
        return earlier
    return _submit(JobKind.PULL, _chosen(asked), " ".join(asked.names), key, digest)


def _read(kind: type[Asked]) -> Asked:
    """The body, which may be left out where nothing has to be said."""
    request.max_content_length = MOST_BYTES
    content = request.get_data(cache=False)
    if content and request.mimetype != "application/json":
        raise Problem(415, "Send application/json.", headers={"Accept": "application/json"})
    try:
        return kind.model_validate_json(content or b"{}", strict=True)
    except ValidationError as error:
        raise invalid_body(error, kind) from error


def _digest(asked: Spec, voice: str) -> str:
    """Names the request: two that ask for the same have the same."""
    canonical = [type(asked).__name__, voice, asked.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def _earlier(key: str | None, digest: str) -> Response | None:
    """The answer that this Idempotency-Key got before."""
    earlier = the_office().ledger.jobs.replay(principal().tenant_id, key, digest) if key else None
    return None if earlier is None else _accepted(earlier, replayed=True)


def _submit(kind: JobKind, spec: Spec, title: str, key: str | None, digest: str) -> Response:
    office = the_office()
    submitted = office.ledger.jobs.submit(
        principal().tenant_id,
        kind,
        spec.model_dump(mode="json"),
        title=title,
        priority=FIRST,
        idempotency_key=key,
        request_digest=digest,
    )
    office.doorbell.ring(submitted.knocks)
    return _accepted(submitted.job_id, replayed=submitted.replayed)


def _accepted(job_id: str, *, replayed: bool) -> Response:
    job = the_office().ledger.jobs.get(principal().tenant_id, job_id)
    return accepted(job, title=job.title, replayed=replayed)


def _exportable(voice: str, version: str | None) -> VoiceManifest:
    """The version, which this tenant may take with it; refuses at once what the worker would refuse."""
    shelf = the_office().shelf.of(principal().tenant_id)
    if NAME.fullmatch(voice) is None:
        raise _no_such_voice()
    try:
        manifest = shelf.resolve(voice if version is None else f"{voice}@{version}")
        require_own(shelf, manifest)
        exportable(shelf, manifest)
    except UnknownVoiceError as error:
        raise _no_such_voice() from error
    except NotYoursError as error:
        raise Problem(403, f"{error}.", kind="not-yours") from error
    except ConsentError as error:
        raise Problem(409, f"{error}.", kind="no-consent") from error
    except NotExportableError as error:
        raise Problem(409, f"{error}.", kind="not-exportable") from error
    except (ManifestError, VoiceError) as error:
        log.error("%s", error)  # noqa: TRY400 - the shelf's files are at fault, not the code
        raise Problem(409, f"Voice {voice!r} is broken on this server.", kind="broken-voice") from error
    return manifest


def _no_such_voice() -> Problem:
    return Problem(404, "There is no such voice or version.", kind="no-such-voice")


def _chosen(asked: PullRequest) -> PullSpec:
    """The pull as it is stored: what it will bring, and under which licences."""
    try:
        catalogue, names = find_catalogue(asked.names)
        choice = choose(catalogue, names, asked.only)
    except HubInputError as error:
        detail = str(error).removeprefix("--only: ")  # as the command line calls it
        raise invalid([{"pointer": f"/{error.field}", "detail": detail}]) from error
    offers = (
        *(Offer(name=base.name, title=base.title, licence=base.licence) for base in choice.bases),
        *(Offer(name=each.kind, title=each.title, licence=each.licence) for each in choice.backbones),
    )
    fields = {name: getattr(asked, name) for name in PullRequest.model_fields}
    return PullSpec(repository=catalogue.repository, offers=offers, **fields)
