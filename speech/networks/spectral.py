"""The iSTFT head, in the generator's place: latents become spectra, these sound (Vocos, Siuzdak 2023).

Nothing is upsampled sample by sample: the network runs at a hundred places a second, and the inverse Fourier
transform does the rest. On a CPU that is about ten times cheaper than HiFi-GAN. Magnitude and phase of each
bin are said outright; where windows overlap, the sound is their sum over what the windows themselves sum to.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.config import SpectralConfig
from speech.networks.conv import Conv, Upsampler
from speech.networks.convnext import ConvNeXt
from speech.networks.layers import Layers
from speech.networks.masks import blank, valid_of
from speech.networks.tiles import in_tiles
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = tuple(
    (f"dec.{part}.", f"generator.{part}.")
    for part in ("upsampler", "norm_in", "blocks", "norm_out", "spectrum_out")
)
"""Upstream has no such head; ours goes by the name of the generator's, and its first layers by theirs too."""

_KERNEL = 7  # of the first convolution
_MOST_MAGNITUDE = 100.0  # as Vocos: an exponential that runs away early in training stays finite


class SpectralGenerator(nn.Module):
    """ConvNeXt blocks, then one linear layer that says log magnitude and phase of every bin."""

    def __init__(self, config: SpectralConfig, latent_width: int, style_width: int) -> None:
        super().__init__()
        self.config = config
        self.latents_in = Conv(latent_width, config.width, _KERNEL)
        self.style_in = nn.Conv1d(style_width, config.width, 1)
        self.upsampler = Upsampler(config.width, config.width, 3 * config.rate, config.rate)
        self.norm_in = nn.LayerNorm(config.width)
        self.blocks = Layers(
            ConvNeXt(config.width, config.expansion, config.kernel) for _ in range(config.n_blocks)
        )
        self.norm_out = nn.LayerNorm(config.width)
        self.spectrum_out = nn.Linear(config.width, config.window + 2)  # two of each of window / 2 + 1 bins

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return self.config.rate * self.config.hop

    @property
    def reach(self) -> int:
        """Frames to either side that a sample hears; what lies farther cannot change it."""
        spectra = sum(block.reach for block in self.blocks) + math.ceil(
            self.config.window / self.config.hop / 2
        )
        return _KERNEL // 2 + self.upsampler.reach + math.ceil(spectra / self.config.rate)

    def in_tiles(self, latents: Tensor, style: Tensor, n_frames: int) -> Tensor:
        """The sound of one full lane `[1, C, F]`, made `n_frames` at a time; the joints are exact."""
        return in_tiles(self, latents, style, n_frames)

    def forward(self, latents: Tensor, style: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Sound within -1...1, `float32[B, N]` with `hop` samples a frame, zeros past each lane's length.

        Args:
            latents: `[B, C, F]`.
            style: `[B, G, 1]`.
            n_frames: `int64[B]`; None where every lane is full.
        """
        dtype, rate = self.style_in.weight.dtype, self.config.rate
        n = latents.shape[2]
        valid = None if n_frames is None else valid_of(n_frames, n)[:, None]
        valid_spectra = None if n_frames is None else valid_of(n_frames * rate, n * rate)[:, None]
        x = self.latents_in(blank(latents.to(dtype), valid)) + self.style_in(style.to(dtype))  # [B, C, F]
        x = self.upsampler(blank(x, valid))  # [B, C, rate F]
        x = self.norm_in(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x, valid_spectra)
        spectrum = self.spectrum_out(self.norm_out(x.transpose(1, 2))).float()  # [B, rate F, 2 bins]
        log_magnitude, phase = spectrum.transpose(1, 2).chunk(2, dim=1)  # 2 of [B, bins, rate F]
        magnitude = blank(log_magnitude.exp().clamp_max(_MOST_MAGNITUDE), valid_spectra)
        sound = self.sound_of(torch.polar(magnitude, phase), valid_spectra)
        return blank(sound, None if n_frames is None else valid_of(n_frames * self.hop, sound.shape[1]))

    def sound_of(self, spectra: Tensor, valid: Tensor | None) -> Tensor:
        """Spectra `complex[B, bins, T]`, zeros past each lane's length, as sound `[B, hop T]`.

        Each stands for the middle of its hop, so half of what a window stands out is cut off at either end.
        """
        hop, size = self.config.hop, self.config.window
        n = spectra.shape[2]
        window = torch.hann_window(size, device=spectra.device)[
            :, None
        ]  # [window, 1], of single precision always
        waves = torch.fft.irfft(spectra, size, dim=1) * window  # [B, window, T]
        squares = window.square()[None].expand(1, size, n)
        if valid is not None:
            squares = squares * valid  # a lone lane has no windows past its end either
        shape = (1, hop * (n - 1) + size)
        folded, envelope = (
            F.fold(x, shape, kernel_size=(1, size), stride=(1, hop))[:, 0, 0] for x in (waves, squares)
        )  # 2 of [B, hop (T - 1) + window]
        side = (size - hop) // 2
        inside = slice(side, side + hop * n)
        quotient = folded[:, inside] / envelope[:, inside].clamp_min(torch.finfo(torch.float32).tiny)
        # In training nothing is clipped: what is too loud must hear of it.
        return quotient if self.training else quotient.clamp(-1.0, 1.0)
