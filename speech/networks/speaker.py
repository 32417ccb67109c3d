"""The speaker backbone: mel energies become a speaker embedding (ERes2NetV2, Chen et al. 2024).

Names of the weights are those of 3D-Speaker's published file, so there is nothing to rename.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks.config import SpeakerConfig
from speech.networks.layers import Layers
from speech.networks.masks import blank, valid_of

UPSTREAM_UNUSED = ("seg_1.*",)
"""The last layer of speaker verification; a voice takes what stands before it."""

_CEILING = 20.0  # of the activation inside blocks
_FUSION_NARROWING = 4


class SpeakerEncoder(nn.Module):
    """Four stages of residual blocks over a picture of mel bands by frames; the last two stages are fused."""

    def __init__(self, config: SpeakerConfig) -> None:
        super().__init__()
        widths = [config.width << stage for stage in range(4)]
        outs = [width * config.expansion for width in widths]
        self.conv1 = nn.Conv2d(1, config.width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        self.layer1 = stage_of(config, config.width, widths[0], config.depths[0], stride=1, is_fused=False)
        self.layer2 = stage_of(config, outs[0], widths[1], config.depths[1], stride=2, is_fused=False)
        self.layer3 = stage_of(config, outs[1], widths[2], config.depths[2], stride=2, is_fused=True)
        self.layer4 = stage_of(config, outs[2], widths[3], config.depths[3], stride=2, is_fused=True)
        self.layer3_ds = nn.Conv2d(outs[2], outs[3], 3, stride=2, padding=1, bias=False)
        self.fuse34 = Fusion(outs[3])

    def forward(self, energies: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """The speaker embedding of `[B, F, mels]`, `[B, embedding width]`.

        Args:
            energies: mel energies of recordings.
            n_frames: `int64[B]`; None where every lane is full.
        """
        x = energies.transpose(1, 2)[:, None]  # [B, 1, mels, F]
        valid = None if n_frames is None else valid_of(n_frames, x.shape[3])[:, None, None]
        x = F.relu(self.bn1(self.conv1(blank(x, valid))))
        for stage in (self.layer1, self.layer2, self.layer3):
            x, valid = run_stage(stage, x, valid)  # [B, C, mels / 4, F / 4]
        narrowed = self.layer3_ds(blank(x, valid))
        fourth, valid = run_stage(self.layer4, x, valid)
        fused: Tensor = self.fuse34(fourth, narrowed)  # [B, 2 C, mels / 8, F / 8]
        flat = fused.flatten(1, 2)
        if valid is None:
            return flat.mean(dim=2)
        return (flat * valid[:, 0]).sum(dim=2) / valid[:, 0].sum(dim=2)


class Block(nn.Module):
    """A residual block whose middle is split in branches; each branch hears the one before it (Res2Net)."""

    def __init__(
        self, config: SpeakerConfig, width_in: int, width: int, *, stride: int, is_fused: bool
    ) -> None:
        super().__init__()
        branch, n, out = width * config.base_width // 64, config.scale, width * config.expansion
        self.conv1 = nn.Conv2d(width_in, branch * n, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(branch * n)
        self.convs = Layers(nn.Conv2d(branch, branch, 3, padding=1, bias=False) for _ in range(n))
        self.bns = Layers(nn.BatchNorm2d(branch) for _ in range(n))
        if is_fused:
            self.fuse_models = Layers(Fusion(branch) for _ in range(n - 1))
        self.conv3 = nn.Conv2d(branch * n, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """`[B, C, mels, F]` becomes `[B, C', mels / stride, F / stride]`.

        `valid`, `bool[B, 1, 1, F / stride]`, is of what comes out; None where every lane is full.
        """
        split = F.hardtanh(self.bn1(self.conv1(x)), 0, _CEILING).chunk(len(self.convs), dim=1)
        heard: list[Tensor] = []
        for i, (conv, norm) in enumerate(zip(self.convs, self.bns, strict=True)):
            branch = split[i] if i == 0 else self._join(i - 1, heard[-1], split[i])
            heard.append(F.hardtanh(norm(conv(blank(branch, valid))), 0, _CEILING))
        y = self.bn3(self.conv3(torch.cat(heard, dim=1)))
        return F.hardtanh(y + self.shortcut(x), 0, _CEILING)

    def _join(self, index: int, before: Tensor, branch: Tensor) -> Tensor:
        if not hasattr(self, "fuse_models"):
            return before + branch
        fused: Tensor = self.fuse_models[index](before, branch)
        return fused


class Fusion(nn.Module):
    """Two pictures added, each place and channel weighted by what both show (attentional feature fusion)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = width // _FUSION_NARROWING
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * width, narrow, 1),
            nn.BatchNorm2d(narrow),
            nn.SiLU(),
            nn.Conv2d(narrow, width, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two of `[B, C, mels, F]` become one."""
        lean: Tensor = torch.tanh(self.local_att(torch.cat([x, y], dim=1)))
        return x * (1 + lean) + y * (1 - lean)


def run_stage(stage: nn.Sequential, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """A stage on lanes of different length; what is valid afterwards: every other place after a stride."""
    for block in stage:
        assert isinstance(block, Block), f"a stage is of blocks, not of {type(block).__name__}"
        if valid is not None and block.conv1.stride[0] > 1:
            valid = valid[..., :: block.conv1.stride[0]]
        x = block(x, valid)
    return x, valid


def stage_of(
    config: SpeakerConfig, width_in: int, width: int, depth: int, *, stride: int, is_fused: bool
) -> nn.Sequential:
    """`depth` blocks, the first of which has the stride."""
    first = Block(config, width_in, width, stride=stride, is_fused=is_fused)
    others = (
        Block(config, width * config.expansion, width, stride=1, is_fused=is_fused) for _ in range(depth - 1)
    )
    return nn.Sequential(first, *others)
