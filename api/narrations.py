"""POST /v1/narrations: a text or a book file becomes a job."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import PurePath
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.accepting import accepted, idempotency_key
from api.auth import needs, principal
from api.errors import invalid, pointer
from api.office import the_office
from api.shapes import JobShape
from api.sources import source_of, store_source
from api.uploads import Asked, read_narration
from jobs.specs import Narration, NarrationSpec
from jobs.states import JobKind
from models_store.consent import ConsentError
from models_store.manifest import ManifestError
from models_store.options import OptionError, lexicon_for, sampling_for
from models_store.shelf import UnknownVoiceError

log = logging.getLogger(__name__)
blueprint = APIBlueprint("narrations", __name__, tag="Narrations")


@blueprint.post("/v1/narrations")
@needs("narrate")
@blueprint.output(JobShape, 202, description="Accepted: the job, queued.")
def create_narration() -> Response:
    """Have a text or a book read aloud.

    Send JSON with `text`, or multipart/form-data with a `file` (EPUB, HTML, Markdown, plain text, DOCX, PDF)
    and a `spec` part. With an `Idempotency-Key` the same request may be sent again and makes no second job.
    """
    key = idempotency_key()
    asked = read_narration()
    tenant_id, digest = principal().tenant_id, _digest(asked)
    earlier = the_office().ledger.jobs.replay(tenant_id, key, digest) if key else None
    if earlier is not None:
        return _accepted(earlier, replayed=True)
    _check_voice(asked.spec)
    return _submit(asked, key, digest)


def _submit(asked: Asked, key: str | None, digest: str) -> Response:
    office, tenant_id = the_office(), principal().tenant_id
    source = store_source("source", asked.name, asked.file)
    spec = asked.spec.narrate(source_of(asked.name, asked.file))
    submitted = office.ledger.jobs.submit(
        tenant_id,
        JobKind.NARRATION,
        _plain(spec),
        title=_title(spec),
        priority=spec.priority,
        n_characters=len(asked.spec.text or ""),
        source=source,
        idempotency_key=key,
        request_digest=digest,
    )
    office.doorbell.ring(submitted.knocks)
    return _accepted(submitted.job_id, replayed=submitted.replayed)


def _accepted(job_id: str, *, replayed: bool) -> Response:
    job = the_office().ledger.jobs.get(principal().tenant_id, job_id)
    return accepted(job, title=_title(NarrationSpec.model_validate(job.spec)), replayed=replayed)


def _title(spec: NarrationSpec) -> str:
    """What the job is called until the book says its title."""
    return spec.title or (PurePath(spec.source.name).stem if spec.source.name != "text.txt" else "")


def _check_voice(narration: Narration) -> None:
    """Refuses at once what the plan would refuse: no such voice, or it may not speak, or not so."""
    try:
        shelf = the_office().shelf.of(principal().tenant_id)
        manifest = shelf.resolve(narration.voice)
        shelf.require_consent(manifest)
        sampling_for(manifest, narration)
        lexicon_for(manifest, narration)
    except (UnknownVoiceError, ConsentError) as error:
        raise invalid([{"pointer": "/voice", "detail": str(error)}]) from error
    except ManifestError as error:
        log.error("%s", error)  # noqa: TRY400 - names a file of ours, which is no client's affair
        detail = f"voice {narration.voice!r} is broken on this server"
        raise invalid([{"pointer": "/voice", "detail": detail}]) from error
    except OptionError as error:
        raise invalid([{"pointer": pointer(*error.place), "detail": error.reason}]) from error


def _digest(asked: Asked) -> str:
    """Names the request: two that ask for the same have the same."""
    canonical = {**_plain(asked.spec), "text": None, "file": asked.file.sha256, "name": asked.name}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def _plain(spec: Any) -> dict[str, Any]:
    """The spec as JSON in one form only: what has no order is sorted."""
    shown: dict[str, Any] = spec.model_dump(mode="json")
    return {**shown, "matter": sorted(shown["matter"])}
