"""The voices that need no files: the drafts, and the stub for tests."""

from __future__ import annotations

from collections.abc import Iterator

from models_store.manifest import VoiceManifest
from speech import draft, stub


def draft_manifests() -> Iterator[VoiceManifest]:
    """One for each of espeak-ng's narrators."""
    for name, narrator in draft.NARRATORS.items():
        yield VoiceManifest(
            name=name,
            family="draft",
            weights_digest=draft.WEIGHTS_DIGEST,
            languages=tuple(sorted(draft.LANGUAGES)),
            licence="GPL-3.0-or-later",
            description="espeak-ng: every language, at once, unmistakably a machine",
            parameters={"narrator": narrator},
        )


def stub_manifest() -> VoiceManifest:
    """Of the voice that makes noise."""
    return VoiceManifest(
        name="stub",
        family="stub",
        weights_digest=stub.WEIGHTS_DIGEST,
        languages="any",
        licence="MIT",
        description="no speech: noise in the rhythm of syllables, for tests and benchmarks",
    )
