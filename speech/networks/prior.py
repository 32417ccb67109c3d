"""The prior: semantic tokens and phonemes become a distribution of latents, in the manner of a style."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.networks import encoder
from speech.networks.config import DecoderConfig
from speech.networks.encoder import Encoder, join_heads, split_heads
from speech.networks.masks import blank, pad_lanes, valid_of
from speech.networks.weights import Names

UPSTREAM_NAMES: Names = (
    ("enc_p.ssl_proj.", "prior.content_in."),
    ("enc_p.encoder_ssl.", "prior.content_encoder."),
    ("enc_p.encoder_text.", "prior.phoneme_encoder."),
    ("enc_p.text_embedding.", "prior.phoneme_embedding."),
    ("enc_p.mrte.cross_attention.", "prior.crossing."),
    ("enc_p.mrte.c_pre.", "prior.crossing.content_in."),
    ("enc_p.mrte.text_pre.", "prior.crossing.phonemes_in."),
    ("enc_p.mrte.c_post.", "prior.crossing.joint_out."),
    ("enc_p.encoder2.", "prior.joint_encoder."),
    ("enc_p.proj.", "prior.latents_out."),
    *encoder.UPSTREAM_NAMES,
)


@dataclass(frozen=True, slots=True)
class Latents:
    """A normal distribution for each latent of each frame, 50 frames a second."""

    mean: Tensor
    """`[B, C, F]`, zeros past each lane's length."""
    log_deviation: Tensor
    """`[B, C, F]`, likewise."""
    n_frames: Tensor
    """`int64[B]`"""

    @property
    def valid(self) -> Tensor:
        """True within each lane's length, `bool[B, 1, F]`."""
        return valid_of(self.n_frames, self.mean.shape[2])[:, None]

    def sample(self, noise: Tensor) -> Tensor:
        """`[B, C, F]` drawn with normal `noise` of that shape."""
        return blank(self.mean + noise * self.log_deviation.exp(), self.valid)


class Prior(nn.Module):
    """Upstream's text encoder: three encoders, and a crossing where tokens, phonemes and style meet."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()

        def make_encoder(n_layers: int) -> Encoder:
            return Encoder(config.width, config.filter_width, config.n_heads, n_layers, config.kernel)

        self.content_in = nn.Conv1d(config.content_width, config.width, 1)
        self.content_encoder = make_encoder(config.n_layers // 2)
        self.phoneme_embedding = nn.Embedding(config.n_phonemes, config.width)
        self.phoneme_encoder = make_encoder(config.n_layers)
        self.crossing = Crossing(config.width, config.crossing_width, config.crossing_heads)
        self.joint_encoder = make_encoder(config.n_layers // 2)
        self.latents_out = nn.Conv1d(config.width, 2 * config.latent_width, 1)

    def forward(
        self,
        content: Tensor,
        n_frames: Tensor,
        phonemes: Tensor,
        n_phonemes: Tensor,
        style: Tensor,
        speeds: tuple[float, ...] = (),
    ) -> Latents:
        """The distribution of the latents.

        Args:
            content: `[B, C, F]`, what the tokens stand for in the codebook, at 50 frames a second.
            n_frames: `int64[B]`.
            phonemes: `int64[B, P]`, the utterance's own, without the prompt's.
            n_phonemes: `int64[B]`.
            style: `[B, crossing width, 1]`.
            speeds: of each lane; empty where all speak at 1.
        """
        frame_valid = valid_of(n_frames, content.shape[2])[:, None]  # [B, 1, F]
        phoneme_valid = valid_of(n_phonemes, phonemes.shape[1])[:, None]  # [B, 1, P]
        x = self.content_encoder(blank(self.content_in(content), frame_valid), frame_valid)  # [B, C, F]
        text = self.phoneme_embedding(phonemes).transpose(1, 2)  # [B, C, P]
        text = self.phoneme_encoder(blank(text, phoneme_valid), phoneme_valid)
        x = self.crossing(x, text, phoneme_valid, style)
        x = self.joint_encoder(blank(x, frame_valid), frame_valid)
        if speeds:
            x, n_frames = stretch(x, n_frames, speeds)
            frame_valid = valid_of(n_frames, x.shape[2])[:, None]
        mean, log_deviation = blank(self.latents_out(x), frame_valid).chunk(2, dim=1)  # 2 of [B, C, F]
        return Latents(mean, log_deviation, n_frames)


class Crossing(nn.Module):
    """Tokens attend to phonemes, and the style is added (upstream's MRTE)."""

    def __init__(self, width: int, crossing_width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.content_in = nn.Conv1d(width, crossing_width, 1)
        self.phonemes_in = nn.Conv1d(width, crossing_width, 1)
        self.query = nn.Conv1d(crossing_width, crossing_width, 1)
        self.key = nn.Conv1d(crossing_width, crossing_width, 1)
        self.value = nn.Conv1d(crossing_width, crossing_width, 1)
        self.out = nn.Conv1d(crossing_width, crossing_width, 1)
        self.joint_out = nn.Conv1d(crossing_width, width, 1)

    def forward(self, content: Tensor, text: Tensor, phoneme_valid: Tensor, style: Tensor) -> Tensor:
        """`[B, C, F]` of content, which may look at all phonemes `[B, C, P]` of its lane."""
        content, text = self.content_in(content), self.phonemes_in(text)
        attended = F.scaled_dot_product_attention(
            split_heads(self.query(content), self.n_heads),  # [B, H, F, K]
            split_heads(self.key(text), self.n_heads),  # [B, H, P, K]
            split_heads(self.value(text), self.n_heads),
            attn_mask=phoneme_valid[:, None],  # [B, 1, 1, P]
        )
        joint: Tensor = self.joint_out(self.out(join_heads(attended)) + content + style)
        return joint


def stretch(x: Tensor, n_frames: Tensor, speeds: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Each lane at its own speed, by linear interpolation over its own frames alone.

    As upstream has it, a lane at speed 1 is left alone and any other gets one frame more than `F / speed`.
    """
    lanes = [row[:, :n] for row, n in zip(x, n_frames.tolist(), strict=True)]  # B of [C, F]
    stretched = [
        lane
        if speed == 1
        else F.interpolate(lane[None], size=int(lane.shape[1] / speed) + 1, mode="linear")[0]
        for lane, speed in zip(lanes, speeds, strict=True)
    ]
    padded, lengths = pad_lanes(stretched, dim=1)  # [B, C, F]
    return padded, lengths.to(torch.int64)
