"""/v1/voices: who can read; a tenant's own voices are made, agreed to and removed here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from apiflask import APIBlueprint
from flask import Response, jsonify

from api.auth import needs, principal
from api.errors import RETRY_SECONDS, Problem, invalid
from api.office import the_office
from api.shapes import ConsentShape, VoiceList, VoiceShape
from api.voice_parts import consent_asked_for, voice_asked_for
from models_store.adding import AddingError, add_voice
from models_store.consent import Consent, ConsentError
from models_store.manifest import NAME, ManifestError, VoiceManifest
from models_store.shelf import (
    InUseError,
    NameTakenError,
    NotYoursError,
    Shelf,
    UnknownVoiceError,
    UnwritableError,
)

log = logging.getLogger(__name__)
blueprint = APIBlueprint("voices", __name__, tag="Voices")


@blueprint.get("/v1/voices")
@needs("read")
@blueprint.output(VoiceList, description="Every voice that you can ask for, by name.")
def list_voices() -> VoiceList:
    """List voices: your own, and those for everybody."""
    shelf = _shelf()
    by_name = groupby(shelf.list(), key=lambda manifest: manifest.name)
    return VoiceList(voices=tuple(_shape(shelf, list(versions)) for _, versions in by_name))


@blueprint.post("/v1/voices")
@needs("train")
@blueprint.output(VoiceShape, 201, description="Made: the voice with its new version first.")
def create_voice() -> Response:
    """Make a voice of recordings.

    Send multipart/form-data: a `spec`, one `prompt` of 3 to 10 seconds or more of them (the first says how to
    speak, all of them with which timbre), and for a voice with weights of its own `semantic` and `decoder` as
    safetensors. Without consent there is no voice.
    """
    shelf = _shelf()
    with voice_asked_for() as asked, _faults_told():
        manifest = add_voice(shelf, asked.wanted, asked.prompts, asked.weights)
    shape = _shape(shelf, _versions(shelf, manifest.name))
    answer = jsonify(shape.model_dump(mode="json"))
    answer.status_code = 201
    answer.headers["Location"] = shape.href
    return answer


@blueprint.get("/v1/voices/<voice>")
@needs("read")
@blueprint.output(VoiceShape, description="The voice and its versions, the newest first.")
def show_voice(voice: str) -> VoiceShape:
    """Show a voice."""
    shelf = _shelf()
    return _shape(shelf, _versions(shelf, voice))


@blueprint.delete("/v1/voices/<voice>")
@needs("train")
@blueprint.output({}, 204, description="Removed.")
def remove_voice(voice: str) -> tuple[str, int]:
    """Remove a voice, all its versions and its consent."""
    _plain(voice)
    with _faults_told():
        _shelf().remove(voice)
    return "", 204


@blueprint.delete("/v1/voices/<voice>/versions/<version>")
@needs("train")
@blueprint.output({}, 204, description="Removed.")
def remove_voice_version(voice: str, version: str) -> tuple[str, int]:
    """Remove one version of a voice."""
    _plain(voice)
    with _faults_told():
        _shelf().remove(f"{voice}@{version}")
    return "", 204


@blueprint.get("/v1/voices/<voice>/consent")
@needs("read")
@blueprint.output(ConsentShape, description="What stands on record.")
def show_consent(voice: str) -> ConsentShape:
    """Show the consent to a voice of yours."""
    shelf = _shelf()
    _versions(shelf, voice)
    if not shelf.owns(voice):
        raise Problem(403, f"The voice {voice!r} is not yours; its consent is its owner's.", kind="not-yours")
    consent = _consent(shelf, voice)
    if consent is None:
        raise Problem(404, "No consent to this voice is on record.", kind="no-consent")
    return ConsentShape.of(consent)


@blueprint.put("/v1/voices/<voice>/consent")
@needs("train")
@blueprint.output(ConsentShape, description="It stands on record, for all recordings of the voice.")
def record_consent(voice: str) -> ConsentShape:
    """Put the consent to a voice of yours on record, in place of an older one."""
    _plain(voice)
    with _faults_told():
        return ConsentShape.of(_shelf().record_consent(voice, consent_asked_for()))


def _shelf() -> Shelf:
    """The shelf as the tenant who asks sees it."""
    return the_office().shelf.of(principal().tenant_id)


def _versions(shelf: Shelf, name: str) -> list[VoiceManifest]:
    versions = [manifest for manifest in shelf.list() if manifest.name == name]
    if not versions:
        raise _no_such_voice()
    return versions


def _shape(shelf: Shelf, versions: list[VoiceManifest]) -> VoiceShape:
    name = versions[0].name
    consents = {manifest.version: _consent(shelf, f"{name}@{manifest.version}") for manifest in versions}
    return VoiceShape.of(versions, consents, is_own=shelf.owns(name))


def _consent(shelf: Shelf, name: str) -> Consent | None:
    """What is on record; a broken record is none, and the operator hears of it."""
    try:
        return shelf.consent_of(name)
    except ManifestError as error:
        log.error("%s", error)  # noqa: TRY400 - the file is at fault, not the code
        return None


def _plain(name: str) -> None:
    """What is no name is a voice that nobody has."""
    if NAME.fullmatch(name) is None:
        raise _no_such_voice()


def _no_such_voice() -> Problem:
    return Problem(404, "There is no such voice.", kind="no-such-voice")


@contextmanager
def _faults_told() -> Iterator[None]:
    """What the shelf refuses, as problems."""
    try:
        yield
    except AddingError as error:
        raise invalid([{"pointer": f"/{error.field}", "detail": error.reason}]) from error
    except UnknownVoiceError as error:
        raise _no_such_voice() from error
    except NotYoursError as error:
        raise Problem(403, f"{error}.", kind="not-yours") from error
    except ConsentError as error:
        raise invalid([{"pointer": "/statement", "detail": str(error)}]) from error
    except NameTakenError as error:
        raise Problem(409, f"{error}.", kind="name-taken") from error
    except InUseError as error:
        raise Problem(409, f"{error}.", kind="in-use") from error
    except UnwritableError as error:
        log.error("%s", error)  # noqa: TRY400 - the volume is at fault, not the code
        headers = {"Retry-After": str(RETRY_SECONDS)}
        raise Problem(503, "The shelf takes no voices just now.", kind="shelf", headers=headers) from error
