"""Recordings side by side, as tensors: what one pass reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from speech.networks.masks import pad_lanes
from speech.networks.semantic import Prefix
from speech.networks.spectrogram import linear_spectrogram
from speech.noise import latent_noise, seed_of
from speech.units import FRAMES_PER_TOKEN, HOP

SAMPLES_PER_TOKEN: Final = HOP * FRAMES_PER_TOKEN  # 1280
_FULL_SCALE: Final = 32768  # of 16-bit sound


@dataclass(frozen=True, slots=True)
class Features:
    """What the networks read of one recording."""

    name: str
    """Which recording, for messages."""
    sound: Tensor
    """`float[N]`, or `int16[N]` where a whole corpus stays in memory; whole tokens, so 1280 divides N."""
    tokens: Tensor
    """`int64[S]`, S = N / 1280. The content backbone ends a frame early, so the last one is half a guess."""
    phonemes: Tensor
    """`int64[P]`"""
    linguistic: Tensor | None = None
    """`float[P, W]`; None where the language has no linguistic backbone."""
    speaker: Tensor | None = None
    """`float[E]`, the speaker embedding; None for v1 and v2."""

    @property
    def n_frames(self) -> int:
        """Frames of its spectrogram."""
        return self.sound.shape[0] // HOP


@dataclass(frozen=True, slots=True)
class TokenFeatures:
    """What the semantic model reads of a recording: all but its sound."""

    name: str
    """Which recording, for messages."""
    tokens: Tensor
    """`int64[S]`"""
    phonemes: Tensor
    """`int64[P]`"""
    linguistic: Tensor | None = None
    """`float[P, W]`; None where the language has no linguistic backbone."""

    @property
    def n_frames(self) -> int:
        """Frames of its spectrogram."""
        return self.tokens.shape[0] * FRAMES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class DecoderBatch:
    """B recordings for the decoder; zeros past each one's length."""

    sound: Tensor  # float[B, N]
    n_frames: Tensor  # int64[B]
    tokens: Tensor  # int64[B, S]
    phonemes: Tensor  # int64[B, P]
    n_phonemes: Tensor  # int64[B]
    speaker: Tensor | None  # float[B, E]
    seeds: Tensor  # int64[B, 3], of each lane's noise and crop in this update

    @classmethod
    def of(cls, lanes: Sequence[Features], keys: Sequence[str], *, jitter_samples: int = 0) -> DecoderBatch:
        """The recordings in one batch.

        Args:
            lanes: the recordings.
            keys: of each; another key draws other noise, another crop and another jitter.
            jitter_samples: the most that a recording may begin later than its tokens.
        """
        seeds = [seed_of(key) for key in keys]
        late = [seed[1] % (jitter_samples + 1) for seed in seeds]
        sounds = [F.pad(_as_float(lane.sound[n:]), (0, n)) for lane, n in zip(lanes, late, strict=True)]
        sound, n_samples = pad_lanes(sounds)
        phonemes, n_phonemes = pad_lanes([lane.phonemes for lane in lanes])
        speakers = [lane.speaker for lane in lanes if lane.speaker is not None]
        return cls(
            sound=sound,
            n_frames=n_samples // HOP,
            tokens=pad_lanes([lane.tokens for lane in lanes])[0],
            phonemes=phonemes,
            n_phonemes=n_phonemes,
            speaker=torch.stack(speakers) if speakers else None,
            seeds=torch.tensor(seeds),
        )

    def to(self, device: torch.device) -> DecoderBatch:
        """The batch with all its tensors there."""
        return replace(self, **_moved(self, device))

    def spectrogram(self) -> Tensor:
        """Linear, `[B, 1025, F]`: each lane's own, mirrored at its own end.

        Made here and not read from disk: jitter needs it anew, it is larger than the sound, and it takes 4 ms
        of one core for a second of sound, where an update takes seconds.
        """
        samples = (self.n_frames * HOP).tolist()
        lanes = [
            linear_spectrogram(lane[None, :n])[0] for lane, n in zip(self.sound, samples, strict=True)
        ]  # B of [1025, F]
        return pad_lanes(lanes, dim=1)[0]

    def noise(self, n_channels: int) -> Tensor:
        """Of the posterior's latents, `[B, C, F]`."""
        return latent_noise(self.seeds, n_channels, int(self.n_frames.max()))

    def crops(self, n: int) -> Tensor:
        """The first frame of each lane's crop of `n` frames, `int64[B]`; every frame as likely as another."""
        return self.seeds[:, 0] % (self.n_frames - n + 1)


@dataclass(frozen=True, slots=True)
class SemanticBatch:
    """B recordings for the semantic model."""

    prefix: Prefix
    """Their phonemes, and all their tokens."""
    seed: int
    """Of dropout in this pass."""

    @classmethod
    def of(cls, lanes: Sequence[Features | TokenFeatures], key: str, linguistic_width: int) -> SemanticBatch:
        """The recordings in one batch; `key` draws the dropout."""
        linguistic = [
            lane.linguistic
            if lane.linguistic is not None
            else torch.zeros(lane.phonemes.shape[0], linguistic_width)
            for lane in lanes
        ]
        tokens = [lane.tokens[:-1] for lane in lanes]
        prefix = Prefix.of([lane.phonemes for lane in lanes], linguistic, tokens)
        return cls(prefix, seed_of(key)[0])

    def to(self, device: torch.device) -> SemanticBatch:
        """The batch with all its tensors there."""
        return replace(self, prefix=replace(self.prefix, **_moved(self.prefix, device)))


def _as_float(sound: Tensor) -> Tensor:
    return sound if sound.is_floating_point() else sound.float() / _FULL_SCALE


def _moved(batch: DecoderBatch | Prefix, device: torch.device) -> dict[str, Tensor]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
