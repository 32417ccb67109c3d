"""What is minimised: the losses of upstream's `s2_train.py` and `t2s_model.py` (commit 48b1a016).

The decoder's: LSGAN (Mao et al. 2017), feature matching (Larsen et al. 2016), the mel distance of HiFi-GAN
(Kong et al. 2020) and the KL term of VITS (Kim et al. 2021). The semantic model's: cross-entropy, summed.
Our own besides: spectral losses at several resolutions, for a training without discriminators.
Every loss is float32 and unweighted; the weights stand in `options.LossWeights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from speech.networks.discriminators import Judgement
from speech.networks.masks import valid_of
from speech.networks.prior import Latents
from speech.networks.spectrogram import N_BINS
from speech.units import SAMPLE_RATE

N_MELS: Final = 128
_MEL_FLOOR: Final = 1e-5
_SPECTRAL_FLOOR: Final = 1e-4  # of magnitudes; a full-scale sine has 0.5
_BANDS_PER_WINDOW: Final = 1 / 16
_NO_TARGET: Final = -100  # what cross-entropy passes over


def judging_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """The discriminators': recordings are scored 1 and what the generator made 0."""
    losses = [
        (1 - r.scores.float()).square().mean() + m.scores.float().square().mean()
        for r, m in zip(real, made, strict=True)
    ]
    return torch.stack(losses).sum()


def adversarial_loss(made: Sequence[Judgement]) -> Tensor:
    """The generator's: what it made is scored 1."""
    return torch.stack([(1 - m.scores.float()).square().mean() for m in made]).sum()


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """How far what the discriminators see in the two lies apart, layer by layer."""
    distances = [
        (r.detach().float() - m.float()).abs().mean()
        for of_real, of_made in zip(real, made, strict=True)
        for r, m in zip(of_real.features, of_made.features, strict=True)
    ]
    return torch.stack(distances).sum()


def mel_loss(real: Tensor, made: Tensor) -> Tensor:
    """The mean distance of two log mel spectrograms `[B, mels, F]`."""
    return F.l1_loss(made.float(), real.float())


def spectral_loss(real: Tensor, made: Tensor, windows: Sequence[int]) -> Tensor:
    """How far the spectra of two sounds `[B, N]` lie apart, averaged over windows of several lengths.

    For each length: spectral convergence (Arık et al. 2018), the mean distance of log magnitudes (with it,
    Yamamoto et al. 2020), and that of log mel bands, which weigh the spectrum as ears do.
    """
    distances = []
    for window in windows:
        with torch.no_grad():
            of_real = _magnitudes(real, window)
        of_made = _magnitudes(made, window)
        convergence = (of_real - of_made).norm(dim=(1, 2)) / of_real.norm(dim=(1, 2))
        filters = _bands(window).to(real)  # [bands, bins]
        distances.append(
            convergence.mean()
            + F.l1_loss(of_made.log(), of_real.log())
            + F.l1_loss((filters @ of_made).log(), (filters @ of_real).log())
        )
    return torch.stack(distances).mean()


def _magnitudes(sound: Tensor, window: int) -> Tensor:
    """Of sound `[B, N]`: `[B, window / 2 + 1, T]`, above the floor; a sine of amplitude 1 has 0.5."""
    shape = torch.hann_window(window, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(sound, window, window // 4, window=shape, return_complex=True)
    power = (spectrum.real.square() + spectrum.imag.square()) / shape.sum().square()
    return (power + _SPECTRAL_FLOOR**2).sqrt()


@lru_cache(maxsize=16)
def _bands(window: int) -> Tensor:
    """Mel filters `[bands, window / 2 + 1]` of unit sums; the longer the window, the more."""
    n_bins = window // 2 + 1
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_bins,
        0.0,
        SAMPLE_RATE / 2,
        min(N_MELS, int(window * _BANDS_PER_WINDOW)),
        SAMPLE_RATE,
        mel_scale="slaney",
    ).T
    return (filters / filters.sum(dim=1, keepdim=True).clamp_min(1e-3)).contiguous()


def divergence(z: Tensor, posterior: Latents, prior: Latents) -> Tensor:
    """KL(posterior || prior) per frame, estimated at `z` `[B, C, F]`: the posterior's latents after the flow.

    As upstream: summed over the channels, averaged over the valid frames of the whole batch.
    """
    spread = prior.log_deviation.float()
    kl = spread - posterior.log_deviation.float() - 0.5
    kl = kl + 0.5 * (z.float() - prior.mean.float()).square() * torch.exp(-2 * spread)
    valid = prior.valid
    return (kl * valid).sum() / valid.sum()


def log_mels(spectrogram: Tensor) -> Tensor:
    """The log mel spectrogram `[B, 128, F]` of a linear one `[B, 1025, F]`, Slaney's scale and norm."""
    filters = _mel_filters().to(spectrogram)
    return (filters @ spectrogram).clamp_min(_MEL_FLOOR).log()


@lru_cache(maxsize=1)
def _mel_filters() -> Tensor:
    """`[128, 1025]`, from 0 Hz to the Nyquist frequency; as librosa's defaults, which upstream takes."""
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        N_BINS, 0.0, SAMPLE_RATE / 2, N_MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return filters.T.contiguous()


def targets_of(tokens: Tensor, n_tokens: Tensor, end_token: int) -> Tensor:
    """What the model should say at each place: a lane's tokens, its end, nothing past it; `int64[B, S + 1]`.

    Upstream takes every place past a lane's end for an end token too. Here they count for nothing, so that
    the loss of a batch is the sum of the losses of its lanes.
    """
    targets = F.pad(tokens, (0, 1)).masked_fill(~valid_of(n_tokens, tokens.shape[1] + 1), _NO_TARGET)
    return targets.scatter(1, n_tokens[:, None], end_token)


def token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of logits `[B, S + 1, V]`, summed over all targets `[B, S + 1]`."""
    return F.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=_NO_TARGET
    )


def count_targets(targets: Tensor) -> Tensor:
    """How many places of `targets` count."""
    return (targets != _NO_TARGET).sum()
