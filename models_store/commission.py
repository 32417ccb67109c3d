"""What a training asks of the shelf and of the networks, checked before a recording is stored."""

from __future__ import annotations

from typing import Any

from jobs.training import Training, TrainingOptions
from models_store.adding import AddingError
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.gpt_sovits.files import FAMILY
from speech.training.options import DecoderOptions, SemanticOptions


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


def options_of(asked: TrainingOptions) -> tuple[DecoderOptions | None, SemanticOptions]:
    """How both networks learn.

    Adapters are small because they leave everything else alone: with a rank, and no word about the decoder,
    the decoder does not learn.
    """
    shared = {
        "seed": asked.seed,
        "bf16": None if asked.precision is None else asked.precision == "bf16",
        "recompute": asked.recompute,
        "fused": asked.fused,
        "ceiling": asked.ceiling,
        "look_every": asked.look_every,
        "patience": asked.patience,
        "least_per_epoch": asked.least_per_epoch,
    }
    for_decoder = {
        "epochs": asked.decoder_epochs,
        "n_lanes": asked.decoder_lanes,
        "n_passes": asked.decoder_passes,
        "rate": asked.decoder_rate,
        "divergence_warm_up": asked.divergence_warm_up,
        "jitter_samples": asked.jitter_samples,
    }
    for_semantic = {
        "epochs": asked.semantic_epochs,
        "n_lanes": asked.semantic_lanes,
        "n_passes": asked.semantic_passes,
        "rate": asked.semantic_rate,
        "adapter_rank": asked.adapter_rank,
    }
    asks_decoder = any(value is not None for value in for_decoder.values())
    decoder = DecoderOptions(**_given(shared | for_decoder))
    semantic = SemanticOptions(**_given(shared | for_semantic))
    return (None if asked.adapter_rank and not asks_decoder else decoder), semantic


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
