"""The posterior encoder: a recording's spectrogram becomes its latents. Training alone needs it."""

from __future__ import annotations

from torch import Tensor, nn

from speech.networks import wavenet
from speech.networks.config import DecoderConfig
from speech.networks.masks import blank, valid_of
from speech.networks.prior import Latents
from speech.networks.wavenet import WaveNet
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (("enc_q.", ""), *wavenet.UPSTREAM_NAMES)
"""Of the tensors under `enc_q.`, which fine-tuned voices leave out."""


class Posterior(nn.Module):
    """A deep stack of gated convolutions over the linear spectrogram."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.pre = nn.Conv1d(config.spectrogram_bins, config.width, 1)
        self.wavenet = WaveNet(config.width, config.posterior_layers, config.style_width)
        self.proj = nn.Conv1d(config.width, 2 * config.latent_width, 1)

    def forward(self, spectrogram: Tensor, n_frames: Tensor, style: Tensor) -> Latents:
        """The distribution of the latents of `[B, bins, F]`; `style` is `[B, G, 1]` and gets no gradient."""
        valid = valid_of(n_frames, spectrogram.shape[2])[:, None]  # [B, 1, F]
        x = self.wavenet(blank(self.pre(spectrogram), valid), valid, style.detach())
        mean, log_deviation = blank(self.proj(x), valid).chunk(2, dim=1)  # 2 of [B, C, F]
        return Latents(mean, log_deviation, n_frames)
