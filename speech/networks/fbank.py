"""Sound becomes the mel energies that the speaker backbone reads, 100 frames a second.

As Kaldi's `compute-fbank-feats` makes them (its defaults, no dither), of sound within -1...1 instead of
16-bit integers. Povey's window is the Hann window to the power of 0.85; it spares the ends.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE: Final = 16_000
WINDOW: Final = 400  # samples, 25 ms
HOP: Final = 160  # samples, 10 ms
N_FFT: Final = 512  # the next power of two

_PREEMPHASIS = 0.97
_LOWEST_HERTZ, _HIGHEST_HERTZ = 20.0, SAMPLE_RATE / 2
_FLOOR = torch.finfo(torch.float32).eps  # of the energies, under the logarithm


def mel_energies(sound: Tensor, n_mels: int = 80) -> Tensor:
    """Log energies of sound `[B, N]` at 16 kHz, `[B, F, n_mels]` with `F = 1 + (N - 400) // 160`.

    Raises:
        ValueError: the sound is shorter than one window.
    """
    assert sound.dim() == 2, f"sound is {list(sound.shape)}, not [B, N]"
    if sound.shape[1] < WINDOW:
        raise ValueError(f"a sound of {sound.shape[1]} samples has no mel energies; it takes {WINDOW}")
    frames = sound.unfold(1, WINDOW, HOP)  # [B, F, 400]
    frames = frames - frames.mean(dim=2, keepdim=True)
    before = torch.cat([frames[:, :, :1], frames[:, :, :-1]], dim=2)
    frames = (frames - _PREEMPHASIS * before) * _povey_window().to(sound)
    power = torch.fft.rfft(F.pad(frames, (0, N_FFT - WINDOW))).abs().square()  # [B, F, 257]
    return torch.matmul(power, _mel_filters(n_mels).to(sound).T).clamp_min(_FLOOR).log()


@cache
def _povey_window() -> Tensor:
    return torch.hann_window(WINDOW, periodic=False).pow(0.85)


@cache
def _mel_filters(n_mels: int) -> Tensor:
    """Triangles evenly spaced and as high as 1 on the mel scale, `[n_mels, 257]`."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * (1.0 + hertz / 700.0).log()

    lowest, highest = mel(torch.tensor([_LOWEST_HERTZ, _HIGHEST_HERTZ], dtype=torch.float64)).tolist()
    step = (highest - lowest) / (n_mels + 1)
    left = lowest + torch.arange(n_mels)[:, None] * step  # [n_mels, 1]
    bins = mel(torch.arange(N_FFT // 2) * (SAMPLE_RATE / N_FFT))[None]  # [1, 256]
    rising, falling = (bins - left) / step, (left + 2 * step - bins) / step
    return F.pad(
        torch.minimum(rising, falling).clamp_min(0), (0, 1)
    )  # the last bin, at 8 kHz, counts for nothing
