"""A voice that was trained here comes onto the shelf: what it learnt, its prompt, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models_store.lineage import Lineage
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.gpt_sovits.files import ADAPTERS, DECODER, FAMILY, OWN_CONTENT, SEMANTIC


@dataclass(frozen=True, slots=True)
class Trained:
    """A voice version that shall stand on the shelf."""

    name: str
    base: VoiceManifest
    """The version whose weights it started from."""
    weights: Mapping[str, Path]
    """What was learnt: `DECODER`, `SEMANTIC` or both, whole; or `ADAPTERS` alone."""
    prompt: ManifestPrompt
    recording: Path
    """Of the prompt."""
    lineage: Lineage
    consent: str
    licence: str = ""
    description: str = ""


def publish(shelf: Shelf, trained: Trained, base_weights: Path) -> VoiceManifest:
    """The version, on the shelf and allowed to speak; idempotent, as its name is its content's digest.

    A network that did not learn is copied from the base, because a voice has both or neither.

    Args:
        shelf: as the voice's owner sees it.
        trained: what it is.
        base_weights: the folder of the base's weights.

    Raises:
        VoiceError: the shelf does not take it.
    """
    files: dict[str, Path] = {trained.prompt.file: trained.recording, **trained.weights}
    shares = ADAPTERS in files
    if shares and set(trained.weights) != {ADAPTERS}:
        raise VoiceError(f"voice {trained.name!r}: adapters stand alone, beside no weights")
    if not shares:
        own = [f"{OWN_CONTENT}/{path.name}" for path in sorted((base_weights / OWN_CONTENT).glob("*"))]
        for name in (DECODER, SEMANTIC, *own):
            files.setdefault(name, base_weights / name)
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    base = trained.base
    manifest = VoiceManifest(
        name=trained.name,
        family=FAMILY,
        weights_digest=base.weights_digest if shares else weights_digest(described),
        languages=base.languages,
        licence=trained.licence or base.licence,
        description=trained.description,
        files=described,
        base=f"{base.name}@{base.version}" if shares else "",
        prompts=(trained.prompt,),
        parameters={name: value for name, value in base.parameters.items() if name != "revision"},
        training=trained.lineage,
    )
    shelf.install(manifest, files)
    shelf.record_consent(manifest.name, trained.consent)
    return manifest
