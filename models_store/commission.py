"""What a training asks of the shelf, checked before a recording is stored: base, name, language."""

from __future__ import annotations

from jobs.training import Training
from models_store.adding import AddingError
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.gpt_sovits.files import FAMILY


def check_commission(shelf: Shelf, training: Training) -> VoiceManifest:
    """The version whose weights the training begins with.

    Args:
        shelf: as the training's owner sees it.
        training: what is asked.

    Raises:
        AddingError: something of it cannot be; `field` is a field of `Training`.
        ManifestError: the voice it begins with is broken.
    """
    try:
        base = shelf.resolve(training.base)
    except VoiceError as error:
        raise AddingError("base", str(error)) from error
    if base.family != FAMILY:
        raise AddingError("base", f"{training.base!r} is of the family {base.family}, which does not learn")
    if base.is_cloned:
        try:
            shelf.require_consent(base)  # what is learnt from a voice sounds of it
        except VoiceError as error:
            raise AddingError("base", str(error)) from error
    if not base.speaks(training.language):
        known = "any" if base.languages == "any" else ", ".join(base.languages)
        raise AddingError("language", f"{training.language!r} is none of {known}, which the base knows")
    names = {manifest.name for manifest in shelf.list()}
    if training.name in names and not shelf.owns(training.name):
        raise AddingError("name", f"the voice {training.name!r} is there for everybody; choose another name")
    return base
