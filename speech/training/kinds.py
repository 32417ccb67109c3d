"""The two kinds of training: what each asks of its recordings, and how it puts them side by side."""

from __future__ import annotations

from collections.abc import Sequence

from speech.errors import TrainingError
from speech.training.batches import SAMPLES_PER_TOKEN, DecoderBatch, Features, SemanticBatch, TokenFeatures
from speech.training.decoder import DecoderStep
from speech.training.semantic import SemanticStep
from speech.training.trainer import Trainer


def train_decoder(
    step: DecoderStep, recordings: Sequence[Features], held_out: Sequence[Features] = (), *, base: str = ""
) -> Trainer[DecoderBatch]:
    """A training of the decoder.

    Raises:
        TrainingError: a recording is no longer than a crop, or lacks what the decoder reads; it is named.
    """
    config, least = step.networks.decoder.config, step.options.crop_frames
    width = config.speaker_width
    for features in (*recordings, *held_out):
        _check(features, config.n_phonemes, config.codebook_size)
        if features.n_frames <= least:
            raise TrainingError(f"{features.name}: {features.n_frames} frames are not more than {least}")
        n_speaker = 0 if features.speaker is None else features.speaker.shape[0]
        if n_speaker != width:
            raise TrainingError(f"{features.name}: a speaker embedding of {n_speaker} numbers, not {width}")
    jitter = step.options.jitter_samples

    def collate(lanes: Sequence[Features], keys: Sequence[str]) -> DecoderBatch:
        return DecoderBatch.of(lanes, keys, jitter_samples=jitter)

    return Trainer(step, collate, recordings, held_out, base=base)


def train_semantic(
    step: SemanticStep,
    recordings: Sequence[Features | TokenFeatures],
    held_out: Sequence[Features | TokenFeatures] = (),
    *,
    base: str = "",
) -> Trainer[SemanticBatch]:
    """A training of the semantic model.

    Raises:
        TrainingError: a recording has no place in the model; it is named.
    """
    config = step.model.config
    width = config.linguistic_width
    for features in (*recordings, *held_out):
        _check(features, config.n_phonemes, config.end_token)
        n = max(len(features.phonemes), len(features.tokens))
        if n > config.n_positions:
            raise TrainingError(f"{features.name}: {n} phonemes or tokens are more than {config.n_positions}")
        if features.linguistic is not None and features.linguistic.shape != (len(features.phonemes), width):
            shape = list(features.linguistic.shape)
            raise TrainingError(
                f"{features.name}: linguistic features are {shape}, not [{len(features.phonemes)}, {width}]"
            )

    def collate(lanes: Sequence[Features | TokenFeatures], keys: Sequence[str]) -> SemanticBatch:
        return SemanticBatch.of(lanes, keys[0], width)

    return Trainer(step, collate, recordings, held_out, base=base)


def _check(features: Features | TokenFeatures, n_phonemes: int, n_tokens: int) -> None:
    """Refuses ids that the network has no row for, and sound and tokens of different length."""
    for what, ids, n in (("phoneme", features.phonemes, n_phonemes), ("token", features.tokens, n_tokens)):
        if not ids.numel():
            raise TrainingError(f"{features.name}: there is no {what}")
        if not 0 <= int(ids.min()) <= int(ids.max()) < n:
            raise TrainingError(f"{features.name}: {what} {int(ids.max())} is not below {n}")
    if isinstance(features, Features) and len(features.sound) != len(features.tokens) * SAMPLES_PER_TOKEN:
        raise TrainingError(
            f"{features.name}: {len(features.sound)} samples for {len(features.tokens)} tokens"
        )
