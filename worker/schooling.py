"""What the three steps of a training share: the base, the energy, and files on their way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from jobs.ledger.training_values import Energy
from jobs.ledger.values import ArtefactKind, Claim, Stored
from jobs.settings import Settings
from jobs.training import TrainingSpec
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf
from speech.energy import Meter
from speech.errors import VoiceError
from speech.gpt_sovits.files import ADAPTERS, FAMILY
from speech.gpt_sovits.voice import read_device
from speech.training.expect import Pace, device_name
from speech.voice import VoiceSource
from worker.files import store
from worker.workshop import Workshop

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True)
class Base:
    """The voice a training starts from."""

    manifest: VoiceManifest
    """Of the version that owns the weights."""
    source: VoiceSource
    weights: Path
    device: torch.device


def find_base(shelf: Shelf, name: str) -> Base:
    """The voice whose weights a training starts from: the one named, or the one it shares them with.

    Raises:
        VoiceError: there is none, or it is of a family that learns nothing.
    """
    found = shelf.resolve(name)
    if ADAPTERS in found.files:
        raise VoiceError(f"base: {name!r} is adapters on {found.base}; train from that")
    manifest = shelf.resolve(found.base) if found.base else found
    source = shelf.source(manifest)
    if manifest.family != FAMILY or source.weights is None:
        raise VoiceError(f"base: {name!r} is of the family {manifest.family!r}, which learns nothing")
    return Base(manifest, source, source.weights, read_device(manifest.parameters))


def pace_of(workshop: Workshop, base: Base) -> Pace:
    """How fast it will go: as the last training from this base did; what that does not tell is assumed."""
    is_gpu = base.device.type == "cuda"
    assumed = Pace.assumed(workshop.settings.gpu_speedup if is_gpu else 1.0)
    trainings, digest = workshop.ledger.trainings, base.manifest.weights_digest
    last = workshop.insist(lambda: trainings.last_pace(device_name(base.device), digest))
    return assumed if last is None else assumed.but(last.decoder_seconds, last.semantic_seconds)


def features_folder(workshop: Workshop, tenant_id: str) -> Path:
    """Where this machine keeps what it made of a tenant's recordings, until it is old."""
    return workshop.settings.home / "features" / tenant_id


def meter_of(settings: Settings, device: torch.device) -> Meter:
    """A meter that counts from now on, of whatever does the work."""
    gpu = (device.index or 0) if device.type == "cuda" else None
    return Meter(gpu=gpu, core_watts=settings.core_watts)


def note_energy(workshop: Workshop, claim: Claim, meter: Meter) -> Energy:
    """Adds what the meter has counted to the job, and begins anew; the job's sum."""
    taken = meter.take()
    return workshop.insist(lambda: workshop.ledger.trainings.note_energy(claim, taken.kwh, taken.source))


def spec_of(claim: Claim) -> TrainingSpec:
    """What was asked for."""
    return TrainingSpec.model_validate(claim.spec)


def keep(
    workshop: Workshop,
    claim: Claim,
    source: Path | bytes,
    kind: ArtefactKind,
    media_type: str,
    *,
    name: str = "",
    suffix: str | None = None,
) -> Stored:
    """A file of this job, stored."""
    return store(
        workshop.objects,
        source,
        folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
        kind=kind,
        media_type=media_type,
        name=name,
        suffix=Path(name).suffix if suffix is None and name else suffix,
    )


def told(stored: Stored) -> dict[str, str]:
    """A stored file as a step's result names it."""
    return {"key": stored.key, "sha256": stored.sha256}


def bring(workshop: Workshop, where: dict[str, str], path: Path) -> Path:
    """A file that another step told of, at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    workshop.objects.fetch(where["key"], path, sha256=where["sha256"])
    return path
