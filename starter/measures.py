"""How right the content encoder is on sentences it never saw, narrator by narrator and phone by phone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from speech.networks.config import ContentConfig
from speech.networks.content import ContentEncoder
from speech.networks.weights import load
from speech.training.content import PhoneFeatures
from starter.corpus import Entry
from starter.phones import PHONES, SILENCE

_FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class PhoneAccuracy:
    """Shares of frames."""

    right: float
    """Of all frames, silence among them."""
    right_phones: float
    """Of the frames that are no silence."""
    by_narrator: dict[str, float]
    """Of all frames of each of flite's voices, changed or not."""
    confusions: list[tuple[str, str, int]]
    """The most frequent mistakes: the phone, what it was taken for, in how many frames."""


@torch.inference_mode()
def measure(encoder: ContentEncoder, entries: Iterable[Entry], *, n_confusions: int = 12) -> PhoneAccuracy:
    """How right the encoder is on these sentences; each is heard alone and whole.

    Raises:
        ValueError: there are none.
    """
    right, all_frames, told = Counter[str](), Counter[str](), Counter[tuple[int, int]]()
    for entry in entries:
        spoken = entry.spoken
        features = PhoneFeatures.of(entry.name, spoken.sound, spoken.phones, spoken.ends)
        guesses = encoder.classify(encoder(spoken.sound[None].float() / _FULL_SCALE))[0].argmax(dim=0)
        voice = entry.narrator.split()[0].split("@")[0]
        all_frames[voice] += len(guesses)
        right[voice] += int((guesses == features.classes).sum())
        told.update(zip(features.classes.tolist(), guesses.tolist(), strict=True))
    if not told:
        raise ValueError("there is no sentence to measure with")
    spoken_of = [(is_of, taken_for, n) for (is_of, taken_for), n in told.items() if is_of != SILENCE]
    wrong = Counter({pair: n for pair, n in told.items() if pair[0] != pair[1]})
    return PhoneAccuracy(
        right=right.total() / all_frames.total(),
        right_phones=sum(n for a, b, n in spoken_of if a == b) / max(sum(n for _, _, n in spoken_of), 1),
        by_narrator={voice: right[voice] / n for voice, n in sorted(all_frames.items())},
        confusions=[(PHONES[a], PHONES[b], n) for (a, b), n in wrong.most_common(n_confusions)],
    )


def measure_backbone(folder: Path, config: ContentConfig, entries: Iterable[Entry]) -> PhoneAccuracy:
    """How right the content encoder is that stage 2 left in `folder`.

    Raises:
        VoiceError: the weights there are not of this shape.
    """
    encoder = ContentEncoder(config).eval()
    load(encoder, load_file(folder / "content" / "model.safetensors"))
    return measure(encoder, entries)
