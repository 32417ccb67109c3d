"""Whether a voice may be written out as upstream's files, and what of. Needs no torch: the API asks too."""

from __future__ import annotations

from models_store.manifest import VoiceManifest
from models_store.shelf import NotYoursError, Shelf
from speech.errors import VoiceError
from speech.gpt_sovits.files import FAMILY
from speech.voice import VoiceSource


class NotExportableError(VoiceError):
    """The voice has no weights that upstream's files could hold."""


def exportable(shelf: Shelf, manifest: VoiceManifest) -> VoiceSource:
    """Where the weights lie that this version speaks with: its own, or its base's, perhaps with adapters.

    Raises:
        NotExportableError: it is of another family.
        VoiceError: its base is not on the shelf.
    """
    source = shelf.source(manifest)
    if manifest.family != FAMILY or source.weights is None:
        raise NotExportableError(
            f"voice {manifest.name!r} is of the family {manifest.family!r}, not {FAMILY!r}"
        )
    return source


def require_own(shelf: Shelf, manifest: VoiceManifest) -> None:
    """Lets a voice pass that this tenant may take with it: its own, and the speaker has agreed to it.

    A base that is nobody's voice (it has no prompt: published weights) belongs to everybody. The weights of
    somebody's voice are its owner's to give away, whoever speaks with them.

    Raises:
        NotYoursError: the voice, or the one whose weights it speaks with, is another's.
        ConsentError: no consent is on record.
        VoiceError: its base is not on the shelf.
    """
    if not shelf.owns(manifest.name):
        raise NotYoursError(f"voice {manifest.name!r} is there for everybody; only its owner can export it")
    if manifest.base:
        base = shelf.resolve(manifest.base)
        if base.is_cloned and not shelf.owns(base.name):
            raise NotYoursError(
                f"voice {manifest.name!r} speaks with the weights of {base.name!r}, "
                "which only their owner can export"
            )
    shelf.require_consent(manifest)
