"""The style encoder: recordings of a voice become the vector that says how it sounds."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.config import DecoderConfig
from speech.networks.layers import Layers
from speech.networks.masks import blank, valid_of
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("ref_enc.spectral.0.fc.", "style.spectral_1."),
    ("ref_enc.spectral.3.fc.", "style.spectral_2."),
    ("ref_enc.temporal.#.conv1.conv.", "style.temporal.#."),
    ("ref_enc.slf_attn.w_qs.", "style.query."),
    ("ref_enc.slf_attn.w_ks.", "style.key."),
    ("ref_enc.slf_attn.w_vs.", "style.value."),
    ("ref_enc.slf_attn.fc.", "style.attention_out."),
    ("ref_enc.fc.fc.", "style.style_out."),
    ("sv_emb.", "style.speaker_in."),
    ("prelu.", "style.bend."),
    ("ge_to512.", "style.crossing_out."),
)

_KERNEL = 5
_N_TEMPORAL = 2


class StyleEncoder(nn.Module):
    """Reads a linear spectrogram and, in v2Pro and v2ProPlus, a speaker embedding."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        hidden = config.style_hidden
        self.n_heads = config.style_heads
        self.n_bins = config.style_bins
        self.spectral_1 = nn.Linear(config.style_bins, hidden)
        self.spectral_2 = nn.Linear(hidden, hidden)
        self.temporal = Layers(
            nn.Conv1d(hidden, 2 * hidden, _KERNEL, padding="same") for _ in range(_N_TEMPORAL)
        )
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.attention_out = nn.Linear(hidden, hidden)
        self.style_out = nn.Linear(hidden, config.style_width)
        if config.speaker_width:
            self.speaker_in = nn.Linear(config.speaker_width, config.style_width)
            self.bend = nn.PReLU(config.style_width)
            self.crossing_out = nn.Linear(config.style_width, config.crossing_width)

    def forward(self, spectrogram: Tensor, n_frames: Tensor, speaker: Tensor | None = None) -> Tensor:
        """The style of each recording, `[B, G]`. Several recordings of a voice: the mean of their styles.

        Args:
            spectrogram: linear, `[B, bins, F]`, all 1025 bins; the style encoder takes those it knows.
            n_frames: `int64[B]`.
            speaker: `[B, speaker width]`, the speaker embedding; wanted just where the config has its width.
        """
        wants_speaker = hasattr(self, "speaker_in")
        assert (speaker is not None) == wants_speaker, (
            f"a speaker embedding is {'' if wants_speaker else 'not '}wanted"
        )
        valid = valid_of(n_frames, spectrogram.shape[2])  # [B, F]
        x = spectrogram[:, : self.n_bins].transpose(1, 2)  # [B, F, bins]
        x = F.mish(self.spectral_2(F.mish(self.spectral_1(x))))  # [B, F, D]
        x = x.transpose(1, 2)  # [B, D, F]
        for conv in self.temporal:
            x = x + F.glu(conv(blank(x, valid[:, None])), dim=1)
        x = x.transpose(1, 2)  # [B, F, D]
        x = self.style_out(x + self.attention_out(self._attend(x, valid)))  # [B, F, G]
        style: Tensor = blank(x, valid[:, :, None]).sum(dim=1) / n_frames[:, None]  # [B, G]
        if speaker is not None:
            style = self.bend(style + self.speaker_in(speaker))
        return style

    def for_crossing(self, style: Tensor) -> Tensor:
        """The style as the prior's crossing takes it, `[B, crossing width]`."""
        crossing: Tensor = self.crossing_out(style) if hasattr(self, "crossing_out") else style
        return crossing

    def _attend(self, x: Tensor, valid: Tensor) -> Tensor:
        def heads(projection: nn.Module) -> Tensor:
            return torch.unflatten(projection(x), 2, (self.n_heads, -1)).transpose(1, 2)  # [B, H, F, K]

        attended = F.scaled_dot_product_attention(
            heads(self.query),
            heads(self.key),
            heads(self.value),
            attn_mask=valid[:, None, None],  # [B, 1, 1, F]
            scale=1 / math.sqrt(x.shape[2]),  # footgun: the whole width, not the head's
        )
        return attended.transpose(1, 2).flatten(2)  # [B, F, D]
