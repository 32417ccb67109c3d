"""The discriminators: they judge whether sound is a recording. Training alone needs them.

One looks at the sound itself, the others at it folded by a period (HiFi-GAN, Kong et al. 2020). Names of the
weights are upstream's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.layers import Layers

PERIODS_V2 = (2, 3, 5, 7, 11)
PERIODS_V2PRO = (2, 3, 5, 7, 11, 17, 23)

_SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one discriminator makes of a batch of sounds."""

    scores: Tensor
    """`[B, ...]` flattened to `[B, n]`; 1 for a recording, 0 for the generator's, in the mean."""
    features: tuple[Tensor, ...]
    """The outputs of every layer, for feature matching."""


class Discriminators(nn.Module):
    """All of them; `widths` scales them down for tests."""

    def __init__(self, periods: Sequence[int] = PERIODS_V2, widest: int = 1024) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            [WholeDiscriminator(widest), *(FoldedDiscriminator(period, widest) for period in periods)]
        )

    def forward(self, sound: Tensor) -> list[Judgement]:
        """A judgement of sound `[B, 1, N]` by each discriminator."""
        assert sound.dim() == 3, f"sound is {list(sound.shape)}, not [B, 1, N]"
        return [discriminator(sound) for discriminator in self.discriminators]


class WholeDiscriminator(nn.Module):
    """Looks at the sound itself, through ever coarser grouped convolutions."""

    def __init__(self, widest: int) -> None:
        super().__init__()
        widths = [widest // 64, widest // 16, widest // 4, widest, widest]
        self.convs = Layers(
            [
                nn.Conv1d(1, widths[0], 15, padding=7),
                *(
                    nn.Conv1d(wide_in, wide_out, 41, stride=4, groups=max(wide_in // 4, 1), padding=20)
                    for wide_in, wide_out in pairwise(widths)
                ),
                nn.Conv1d(widest, widest, 5, padding=2),
            ]
        )
        self.conv_post = nn.Conv1d(widest, 1, 3, padding=1)

    def forward(self, sound: Tensor) -> Judgement:
        """Of sound `[B, 1, N]`."""
        return judge(sound, self.convs, self.conv_post)


class FoldedDiscriminator(nn.Module):
    """Looks at every `period`-th sample together."""

    def __init__(self, period: int, widest: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, widest // 32, widest // 8, widest // 2, widest, widest]
        strides = [3, 3, 3, 3, 1]
        self.convs = Layers(
            nn.Conv2d(wide_in, wide_out, (5, 1), stride=(stride, 1), padding=(2, 0))
            for (wide_in, wide_out), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.conv_post = nn.Conv2d(widest, 1, (3, 1), padding=(1, 0))

    def forward(self, sound: Tensor) -> Judgement:
        """Of sound `[B, 1, N]`, mirrored at its end to whole periods."""
        sound = F.pad(sound, (0, -sound.shape[2] % self.period), mode="reflect")
        return judge(
            torch.unflatten(sound, 2, (-1, self.period)), self.convs, self.conv_post
        )  # [B, 1, N / period, period]


def judge(x: Tensor, convs: Layers[nn.Conv1d] | Layers[nn.Conv2d], last: nn.Module) -> Judgement:
    """The judgement of a stack of convolutions."""
    features: list[Tensor] = []
    for conv in convs:
        x = F.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    scores: Tensor = last(x)
    return Judgement(scores.flatten(1), (*features, scores))
