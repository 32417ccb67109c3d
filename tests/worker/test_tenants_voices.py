"""A tenant's job is spoken by the tenant's own voice, and by a cloned one only with consent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jobs.ledger.values import JobView, Stored
from jobs.specs import NarrationRequest, Source
from jobs.states import JobKind, JobState, StepKind
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest
from speech.stub import WEIGHTS_DIGEST
from worker.drain import Drain
from worker.workshop import Workshop

ALL = (StepKind.PLAN, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND)
TEXT = "The lamp of the first house went out."


@pytest.fixture
def tenants(workshop: Workshop) -> tuple[str, str]:
    return workshop.ledger.keys.create_tenant("alice"), workshop.ledger.keys.create_tenant("bob")


def place(workshop: Workshop, tenant_id: str, prompt: Path, recording: bytes) -> VoiceManifest:
    """An "anna" of this tenant, cloned from this recording, in the noise of the stub."""
    prompt.write_bytes(recording)
    manifest = VoiceManifest(
        name="anna",
        family="stub",
        weights_digest=WEIGHTS_DIGEST,
        languages="any",
        licence="MIT",
        files={"p.wav": ManifestFile.of(prompt)},
        prompts=(ManifestPrompt(file="p.wav", transcript="Hello.", language="en"),),
    )
    return workshop.shelf.of(tenant_id).install(manifest, {"p.wav": prompt})


def read(workshop: Workshop, tenant_id: str, voice: str) -> JobView:
    """The job after all its steps were done."""
    content = TEXT.encode()
    digest = hashlib.sha256(content).hexdigest()
    key = f"t/{tenant_id}/sources/{digest}"
    workshop.objects.put(key, content, media_type="text/plain")
    source = Source(key=key, sha256=digest, n_bytes=len(content), name="book.txt")
    spec = NarrationRequest(voice=voice, profile="none", formats=("wav",)).narrate(source)
    job_id = workshop.ledger.jobs.submit(
        tenant_id,
        JobKind.NARRATION,
        spec.model_dump(mode="json"),
        source=Stored("source", key, digest, len(content), "text/plain"),
    ).job_id
    drain = Drain(workshop, ALL)
    drain.run()
    drain.close()
    return workshop.ledger.jobs.get(tenant_id, job_id)


def error_of(job: JobView) -> tuple[str, str]:
    assert job.state == JobState.FAILED
    assert job.error is not None
    return job.error["code"], job.error["message"]


def test_each_tenant_is_read_to_by_its_own_voice(
    workshop: Workshop, tenants: tuple[str, str], tmp_path: Path
) -> None:
    manifests = []
    for tenant_id, recording in zip(tenants, (b"alice's Anna", b"bob's Anna"), strict=True):
        manifests.append(place(workshop, tenant_id, tmp_path / "p.wav", recording))
        workshop.shelf.of(tenant_id).record_consent("anna", "Anna agreed")
    for tenant_id, manifest in zip(tenants, manifests, strict=True):
        job = read(workshop, tenant_id, "anna")
        assert job.state == JobState.SUCCEEDED, job.error
        (file,) = workshop.ledger.jobs.artefacts(tenant_id, job.id, name="manifest.json")
        told = workshop.objects.get(file.key, sha256=file.sha256).decode()
        assert manifest.version in told
        assert all(other.version not in told for other in manifests if other != manifest)


def test_a_strangers_voice_is_not_there_even_by_its_version(
    workshop: Workshop, tenants: tuple[str, str], tmp_path: Path
) -> None:
    alice, bob = tenants
    hers = place(workshop, alice, tmp_path / "p.wav", b"alice's Anna")
    workshop.shelf.of(alice).record_consent("anna", "Anna agreed")
    code, message = error_of(read(workshop, bob, f"anna@{hers.version}"))
    assert code == "voice"
    assert message.startswith("voice 'anna' is not on the shelf; ")


def test_a_cloned_voice_without_consent_fails_the_plan_with_what_to_run(
    workshop: Workshop, tenants: tuple[str, str], tmp_path: Path
) -> None:
    alice, _ = tenants
    place(workshop, alice, tmp_path / "p.wav", b"alice's Anna")
    code, message = error_of(read(workshop, alice, "anna"))
    assert code == "voice"
    assert "no consent is on record" in message
    assert "lectorium voice consent anna" in message
    workshop.shelf.of(alice).record_consent("anna", "Anna agreed")
    assert read(workshop, alice, "anna").state == JobState.SUCCEEDED
