"""The voices a worker holds: its cache, what is loaded before the first claim, and whether each is well."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

import psutil

from jobs.settings import Settings
from jobs.states import StepKind
from models_store.cache import VoiceCache
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.gpt_sovits.files import FAMILY
from speech.gpt_sovits.health import check_health
from speech.voice import Voice

if TYPE_CHECKING:
    from worker.workshop import Workshop

log = logging.getLogger(__name__)


def make_cache(settings: Settings) -> VoiceCache:
    """An empty cache as the settings want it."""
    gigabytes = settings.voice_cache_gigabytes
    budget = gigabytes * 1e9 if gigabytes is not None else psutil.virtual_memory().total / 4
    return VoiceCache(
        budget_bytes=int(budget),
        idle_seconds=settings.voice_idle_seconds,
        check=_check if settings.check_voices else None,
    )


def warm(voices: VoiceCache, shelf: Shelf, names: tuple[str, ...]) -> None:
    """Loads the voices of these names; one that cannot be loaded is logged, and loaded when it is needed."""
    for name in names:
        try:
            manifest = shelf.resolve(name)
        except VoiceError as error:
            log.warning("LECTORIUM_WARM_VOICES: %s", error)
            continue
        voices.prefetch(shelf, manifest)


def next_voice(
    workshop: Workshop, kinds: Collection[StepKind], weights: str | None
) -> tuple[Shelf, VoiceManifest] | None:
    """The voice that this worker will probably be given next, and its shelf; None for one it holds, or none.

    Raises:
        LedgerUnavailableError, ObjectsUnavailableError: nobody can say now.
        VoiceError: it is not on the shelf, or may not speak.
    """
    resident = workshop.voices.resident()
    ahead = workshop.ledger.steps.look_ahead(kinds, owner=workshop.owner, weights=weights, resident=resident)
    if ahead is None or ahead.weights_digest in resident:
        return None
    shelf = workshop.shelf.of(ahead.tenant_id)
    manifest = shelf.resolve(workshop.script_of(ahead).voice)
    shelf.require_consent(manifest)
    return shelf, manifest


def _check(manifest: VoiceManifest, voice: Voice) -> None:
    """Only networks can be loaded and yet be mute; the other families are programs."""
    if manifest.family == FAMILY:
        check_health(voice)
