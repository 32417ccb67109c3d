"""A content encoder for HuBERT's place: sound becomes features that tell phones apart, 50 a second.

It is trained to say which phone each frame belongs to (cross-entropy with known times, no alignment to be
found); what stands before its last layer are the content features. Sound is first brought to one loudness, so
that neither a quiet prompt nor upstream's factor of 1145 changes anything.
"""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks import fbank
from speech.networks.config import ContentConfig
from speech.networks.convnext import ConvNeXt
from speech.networks.layers import Layers
from speech.networks.masks import blank, valid_of

HOP: Final = 320
"""Samples of a frame, at 16 kHz: 50 frames a second."""

_SIDE: Final = (fbank.WINDOW - fbank.HOP) // 2
"""Samples that a window stands out on either side of its hop."""
_LOUDNESS: Final = 0.1  # root mean square that all sound is brought to
_LEAST_LOUDNESS: Final = 1e-7  # below, sound is silence and stays what it is
_SILENCE: Final = -8.0  # log energy of levelled sound, below which nothing is told apart
_MEL_SCALE: Final = 0.25  # brings most of what is left near 1


class ContentEncoder(nn.Module):
    """Log mel energies, halved in number, through ConvNeXt blocks."""

    def __init__(self, config: ContentConfig) -> None:
        super().__init__()
        self.config = config
        self.mels_in = nn.Conv1d(config.n_mels, config.width, 6, stride=2, padding=2)
        self.norm_in = nn.LayerNorm(config.width)
        self.blocks = Layers(
            ConvNeXt(config.width, config.expansion, config.kernel, dilation=dilation)
            for dilation in config.dilations
        )
        self.norm_out = nn.LayerNorm(config.width)
        self.classes_out = nn.Conv1d(config.width, config.n_classes, 1)

    @property
    def reach(self) -> int:
        """Frames to either side that a frame hears, loudness left out."""
        return 2 + sum(block.reach for block in self.blocks)

    def forward(self, sound: Tensor, n_samples: Tensor | None = None) -> Tensor:
        """Content features of sound `[B, N]` at 16 kHz, `[B, C, F]`: F = N // 320, zeros past each end.

        Args:
            sound: of any loudness.
            n_samples: `int64[B]`; None where every lane is full.
        """
        assert sound.dim() == 2, f"sound is {list(sound.shape)}, not [B, N]"
        n = sound.shape[1] // HOP
        n_frames = None if n_samples is None else n_samples // HOP

        def valid_at(places_per_frame: int) -> Tensor | None:
            if n_frames is None:
                return None
            return valid_of(n_frames * places_per_frame, n * places_per_frame)[:, None]

        whole = blank(sound[:, None, : n * HOP], valid_at(HOP))[
            :, 0
        ]  # what is less than a frame is not heard
        mels = blank(mels_of(levelled(whole, n_frames), self.config.n_mels), valid_at(2))
        x = self.mels_in(mels)  # [B, C, F]
        x = self.norm_in(x.transpose(1, 2)).transpose(1, 2)
        valid = valid_at(1)
        for block in self.blocks:
            x = block(x, valid)
        x = self.norm_out(x.transpose(1, 2)).transpose(1, 2)
        return blank(x, valid)

    def classify(self, features: Tensor) -> Tensor:
        """What each frame of `[B, C, F]` may be: logits `[B, V, F]`."""
        logits: Tensor = self.classes_out(features)
        return logits


def levelled(sound: Tensor, n_frames: Tensor | None) -> Tensor:
    """Sound `[B, N]` of whole frames, zeros past each lane's length, all lanes of one loudness."""
    n_samples = sound.shape[1] if n_frames is None else (n_frames * HOP).clamp_min(1)
    loudness = (sound.square().sum(dim=1) / n_samples).sqrt()  # [B]
    return sound * (_LOUDNESS / loudness.clamp_min(_LEAST_LOUDNESS))[:, None]


def mels_of(sound: Tensor, n_mels: int) -> Tensor:
    """Log mel energies above silence of levelled sound `[B, N]` of whole frames: `[B, n_mels, 2 F]`.

    Each stands for the middle of its hop, so that two make a frame and nothing is lost at the ends.
    """
    energies = fbank.mel_energies(F.pad(sound, (_SIDE, _SIDE)), n_mels)  # [B, 2 F, n_mels]
    return ((energies.clamp_min(_SILENCE) - _SILENCE) * _MEL_SCALE).transpose(1, 2)
