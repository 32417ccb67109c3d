"""Sound becomes the linear spectrogram that the style and posterior encoders read, 50 frames a second."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from speech.units import HOP

WINDOW: Final = 2048  # samples under the Hann window, and of the Fourier transform
N_BINS: Final = WINDOW // 2 + 1  # 1025

_PADDING = (WINDOW - HOP) // 2  # 704 samples, mirrored at each end: HOP samples to a frame, exactly
_FLOOR = 1e-8  # of the power, under the root


def linear_spectrogram(sound: Tensor) -> Tensor:
    """Magnitudes of sound `[B, N]` at 32 kHz, `[B, 1025, F]` with `F = N // 640`; all lanes of one length.

    Raises:
        ValueError: the sound is too short to be mirrored at its ends.
    """
    assert sound.dim() == 2, f"sound is {list(sound.shape)}, not [B, N]"
    if sound.shape[1] <= _PADDING:
        raise ValueError(
            f"a sound of {sound.shape[1]} samples has no spectrogram; it takes more than {_PADDING}"
        )
    padded = F.pad(sound[:, None], (_PADDING, _PADDING), mode="reflect")[:, 0]  # [B, N + 1408]
    window = torch.hann_window(WINDOW, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(
        padded, WINDOW, hop_length=HOP, window=window, center=False, return_complex=True
    )  # complex[B, 1025, F]
    return (spectrum.real.square() + spectrum.imag.square() + _FLOOR).sqrt()
