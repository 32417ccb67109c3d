"""The decoder: semantic tokens, phonemes and a style become sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speech.networks import flow, generator, prior, quantiser, spectral, style
from speech.networks.config import DecoderConfig, SpectralConfig
from speech.networks.flow import Flow
from speech.networks.generator import Generator
from speech.networks.masks import pad_lanes
from speech.networks.prior import Latents, Prior
from speech.networks.quantiser import Quantiser
from speech.networks.spectral import SpectralGenerator
from speech.networks.style import StyleEncoder
from speech.networks.weights import load
from speech.noise import latent_noise, seed_of
from speech.units import FRAME_RATE

UPSTREAM_NAMES = (
    *prior.UPSTREAM_NAMES,
    *flow.UPSTREAM_NAMES,
    *style.UPSTREAM_NAMES,
    *generator.UPSTREAM_NAMES,
    *spectral.UPSTREAM_NAMES,
    *quantiser.UPSTREAM_NAMES,
)
_TILE = 5 * FRAME_RATE
"""Frames the generator makes at once on a CPU, at most. It is for memory alone, of which a frame takes 2 MB
in float32; a tile hears 12 frames to either side again, so shorter ones cost time (docs/log.md)."""

UPSTREAM_UNUSED = ("enc_q.*", *quantiser.UPSTREAM_UNUSED)


@dataclass(frozen=True, slots=True)
class SoundRequest:
    """The tokens of one utterance, to be made sound."""

    key: str
    """The digest of the take: the seed of its noise."""
    tokens: Tensor
    """`int64[S]`, the utterance's own, without the prompt's."""
    phonemes: Tensor
    """`int64[P]`, likewise."""
    style: Tensor
    """`[G]`"""
    speed: float = 1.0
    noise_scale: float = 0.5
    """Of the latents' deviation; 0 speaks the mean."""
    take: int = 0


class Decoder(nn.Module):
    """Upstream's SynthesizerTrn, without its posterior."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.quantiser = Quantiser(config)
        self.prior = Prior(config)
        self.style = StyleEncoder(config)
        self.flow = Flow(config)
        self.generator = _vocoder_of(config)

    @classmethod
    def of_upstream(cls, hparams: Mapping[str, object], tensors: Mapping[str, Tensor]) -> Decoder:
        """The decoder that an upstream `.pth` holds (`config.model` and `weight`), ready to speak.

        Raises:
            VoiceError: it does not hold one.
        """
        decoder = cls(DecoderConfig.of_upstream(hparams, tensors))
        load(decoder, tensors, UPSTREAM_NAMES, unused=UPSTREAM_UNUSED)
        return decoder.eval()

    @torch.inference_mode()
    def speak(self, requests: Sequence[SoundRequest]) -> Iterator[Tensor]:
        """The sound of each request, in their order, `[N]` each, within -1...1.

        The prior and the flow run over all requests together. So does the generator on a GPU; on a CPU it
        runs lane by lane, because one lane is all its cache holds (batches of 4 took twice as long), and a
        long lane in tiles, so that memory does not grow with it.
        """
        latents, n_frames, styles = self.latents(requests)
        if latents.device.type == "cpu":
            for lane, n in enumerate(n_frames.tolist()):
                alone = slice(lane, lane + 1)
                tile = -(-n // -(-n // _TILE))  # as few as need be, all of about one size
                yield self.generator.in_tiles(latents[alone, :, :n], styles[alone], tile)[0]
        else:
            sounds = self.generator(latents, styles, n_frames)  # [B, N]
            for sound, n in zip(sounds, (n_frames * self.generator.hop).tolist(), strict=True):
                yield sound[:n]

    def latents(self, requests: Sequence[SoundRequest]) -> tuple[Tensor, Tensor, Tensor]:
        """What the generator makes sound of: latents `[B, C, F]`, frames `int64[B]`, styles `[B, G, 1]`."""
        device = self.quantiser.codebook.device
        styles = torch.stack([request.style for request in requests]).to(device)[:, :, None]  # [B, G, 1]
        expected = self.expected_latents(requests, styles)
        seeds = torch.tensor([seed_of(request.key, request.take) for request in requests], device=device)
        scales = torch.tensor([request.noise_scale for request in requests], device=device)[:, None, None]
        noise = latent_noise(seeds, *expected.mean.shape[1:]).to(expected.mean.dtype)  # [B, C, F]
        z = self.flow.reverse(expected.sample(noise * scales), expected.valid, styles)
        return z, expected.n_frames, styles

    def expected_latents(self, requests: Sequence[SoundRequest], styles: Tensor) -> Latents:
        """The prior's distribution for each request."""
        device, stride = styles.device, self.config.content_stride
        tokens, n_tokens = pad_lanes([request.tokens.to(device) for request in requests])  # [B, S]
        phonemes, n_phonemes = pad_lanes([request.phonemes.to(device) for request in requests])  # [B, P]
        content = self.quantiser.stand_for(tokens).repeat_interleave(stride, dim=2)  # [B, C, F]
        speeds = tuple(request.speed for request in requests)
        latents: Latents = self.prior(
            content,
            n_tokens * stride,
            phonemes,
            n_phonemes,
            self.style.for_crossing(styles[:, :, 0])[:, :, None],
            speeds if any(speed != 1 for speed in speeds) else (),
        )
        return latents


def _vocoder_of(config: DecoderConfig) -> Generator | SpectralGenerator:
    shape = config.generator
    if isinstance(shape, SpectralConfig):
        return SpectralGenerator(shape, config.latent_width, config.style_width)
    return Generator(shape, config.latent_width, config.style_width)
