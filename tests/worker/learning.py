"""A toy base voice on a shelf, recordings to train with, and trainings in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.ledger.values import Stored
from jobs.states import JobKind, StepKind
from jobs.training import Recording, Source, TrainingSpec
from models_store.manifest import ManifestFile, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from tests.models_store.speaking import write_wav
from tests.speech.gpt_sovits.toys import write_backbones, write_weights
from tests.speech.training.bases import write_base
from tests.speech.training.spoken import Sound, speech
from worker.drain import Drain
from worker.workshop import Workshop

TEXTS = (
    "The old house was quiet, and nobody came to the door.",
    "He opened it and looked out into the rain.",
    "Three men sat by the fire and said nothing.",
    "The letter came on a Tuesday, and she read it twice.",
    "It was late, and the road was empty again.",
)
FAST: Mapping[str, Any] = {
    "least_per_epoch": 1,
    "decoder_epochs": 2,
    "decoder_lanes": 2,
    "semantic_epochs": 2,
    "semantic_lanes": 2,
    "semantic_passes": 1,
    "look_every": 2,
}
"""Four updates of each network where four recordings are learnt from."""


def put_base(workshop: Workshop, name: str = "base", **other: Any) -> VoiceManifest:
    """A base voice that can be trained, or could but for its posterior, and its backbones."""
    return put_on(workshop.shelf, name, **other)


def put_on(
    shelf: Shelf,
    name: str = "base",
    *,
    with_posterior: bool = True,
    languages: tuple[str, ...] = ("en", "zh"),
) -> VoiceManifest:
    """Likewise, on any shelf."""
    root = shelf.root
    folder = root.parent / name
    if with_posterior:
        write_base(folder)
    else:
        write_weights(folder, "v2")
    if not (root / "_backbones").is_dir():
        write_backbones(root / "_backbones")
    files = {path.name: path for path in folder.iterdir()}
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    manifest = VoiceManifest(
        name=name,
        family="gpt-sovits",
        weights_digest=weights_digest(described),
        languages=languages,
        licence="MIT",
        files=described,
        parameters={"device": "cpu", "n_lanes": 2, "threads": 1},
    )
    return shelf.install(manifest, files)


def sent(workshop: Workshop, folder: Path, sounds: Mapping[str, Sound | bytes]) -> tuple[Source, ...]:
    """Recordings in the object store, as a client sent them."""
    tenant = workshop.ledger.keys.local().tenant_id
    sources = []
    for name, sound in sounds.items():
        content = sound if isinstance(sound, bytes) else write_wav(folder / "wav", sound).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        key = f"t/{tenant}/recordings/{digest}"
        workshop.objects.put(key, content, media_type="application/octet-stream")
        sources.append(Source(key=key, sha256=digest, n_bytes=len(content), name=name))
    return tuple(sources)


def submit(
    workshop: Workshop,
    sources: tuple[Source, ...],
    texts: Mapping[str, str],
    *,
    languages: Mapping[str, str] | None = None,
    **asked: Any,
) -> str:
    """A training; its job's id."""
    plain = {
        "name": "anna", "base": "base", "language": "en", "consent": "Anna agreed, 2 May 2026", "when": "now",
        "options": dict(FAST),
    }  # fmt: skip
    languages = languages or {}
    recordings = tuple(
        Recording(source=source, text=texts.get(source.name), language=languages.get(source.name))
        for source in sources
    )
    spec = TrainingSpec(recordings=recordings, **{**plain, **asked})
    stored = [
        Stored("recording", source.key, source.sha256, source.n_bytes, "audio/wav", source.name)
        for source in sources
    ]
    return workshop.ledger.jobs.submit(
        workshop.ledger.keys.local().tenant_id,
        JobKind.TRAINING,
        spec.model_dump(mode="json"),
        recordings=stored,
    ).job_id


def recordings(n: int = 5) -> tuple[dict[str, Sound], dict[str, str]]:
    """So many recordings of some three seconds, and what is said in each."""
    sounds = {f"{i}.wav": speech(3.2 + 0.1 * i, seed=i) for i in range(n)}
    return sounds, {f"{i}.wav": TEXTS[i % len(TEXTS)] for i in range(n)}


def drain(workshop: Workshop, *kinds: StepKind) -> None:
    drained = Drain(workshop, kinds or (StepKind.PREPARE, StepKind.TRAIN, StepKind.PUBLISH))
    drained.run()
    drained.close()
