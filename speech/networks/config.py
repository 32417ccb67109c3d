"""The shapes of the networks, as frozen dataclasses. Defaults are the published v2's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from speech.errors import VoiceError
from speech.units import HOP


@dataclass(frozen=True, slots=True)
class SemanticConfig:
    """The transformer that turns phonemes and a prompt into semantic tokens."""

    width: int = 512
    n_heads: int = 16
    n_layers: int = 24
    n_phonemes: int = 732
    """Rows of the phoneme embedding; v1 files have 512 and use the first 322."""
    n_tokens: int = 1025
    """The codebook and, last, the end token."""
    linguistic_width: int = 1024
    """Width of the linguistic backbone's features, one row per phoneme."""
    n_positions: int = 4000
    """Longest run of phonemes, and of tokens (prompt included), that has a position."""

    def __post_init__(self) -> None:
        """Refuses a width the heads cannot share."""
        _divides("width", self.width, "n_heads", self.n_heads)

    @property
    def end_token(self) -> int:
        """The token that ends an utterance."""
        return self.n_tokens - 1

    @classmethod
    def of_upstream(cls, hparams: Mapping[str, Any]) -> SemanticConfig:
        """The shape that `config["model"]` of an upstream `.ckpt` describes.

        Raises:
            VoiceError: a field is missing, or describes a network that upstream never published.
        """
        default = cls()
        try:
            width, n_tokens = int(hparams["hidden_dim"]), int(hparams["vocab_size"])
            if (int(hparams["embedding_dim"]), int(hparams["EOS"])) != (width, n_tokens - 1):
                raise VoiceError("the semantic model's config wants embedding_dim = hidden_dim and EOS last")
            return cls(
                width=width,
                n_heads=int(hparams["head"]),
                n_layers=int(hparams["n_layer"]),
                n_phonemes=int(hparams["phoneme_vocab_size"]),
                n_tokens=n_tokens,
                linguistic_width=int(hparams.get("linguistic_width", default.linguistic_width)),
            )
        except KeyError as missing:
            raise VoiceError(f"the semantic model's config lacks {missing}") from None

    def to_upstream(self) -> dict[str, Any]:
        """`config["model"]` of a file that holds this model; `of_upstream` gives the shape back.

        The last field is ours: upstream has linguistic features of one width, whatever the language.
        """
        return {
            "hidden_dim": self.width,
            "embedding_dim": self.width,
            "head": self.n_heads,
            "n_layer": self.n_layers,
            "phoneme_vocab_size": self.n_phonemes,
            "vocab_size": self.n_tokens,
            "EOS": self.end_token,
            "linguistic_width": self.linguistic_width,
        }


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """The HiFi-GAN generator (Kong et al. 2020) that turns latents into sound."""

    width: int = 512
    """Channels before the first upsampling; each upsampling halves them."""
    rates: tuple[int, ...] = (10, 8, 2, 2, 2)
    """Upsampling at each stage; the product is the samples of one frame."""
    kernels: tuple[int, ...] = (16, 16, 8, 2, 2)
    """Width of each upsampling's kernel."""
    block_kernels: tuple[int, ...] = (3, 7, 11)
    """One residual block each, side by side after every upsampling."""
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))

    def __post_init__(self) -> None:
        """Refuses tuples that do not belong together, and kernels that would shift the sound."""
        if len(self.rates) != len(self.kernels) or len(self.block_kernels) != len(self.block_dilations):
            raise VoiceError("the generator's config has rates and kernels of different number")
        if any(
            (kernel - rate) % 2 or kernel < rate
            for rate, kernel in zip(self.rates, self.kernels, strict=True)
        ):
            raise VoiceError(
                f"upsampling by {self.rates} with kernels {self.kernels} would not give whole frames"
            )


@dataclass(frozen=True, slots=True)
class SpectralConfig:
    """The iSTFT head (Vocos, Siuzdak 2023) that turns latents into sound in place of HiFi-GAN's generator."""

    width: int = 256
    n_blocks: int = 6
    expansion: int = 3
    """Of a block's inner width."""
    kernel: int = 7
    rate: int = 2
    """Spectra for each frame of the latents."""
    hop: int = 320
    """Samples between two spectra; `rate` hops are the samples of one frame."""
    window: int = 1280
    """Samples of a spectrum's Hann window, and of its Fourier transform."""

    def __post_init__(self) -> None:
        """Refuses windows that leave gaps or do not stand in the middle of their hop, and even kernels."""
        if self.window < 2 * self.hop or (self.window - self.hop) % 2 or self.window % 2:
            raise VoiceError(f"spectra of {self.window} samples, {self.hop} apart, would leave gaps")
        if self.kernel % 2 == 0:
            raise VoiceError(f"a kernel of {self.kernel} has no middle")


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """A content encoder that learns the classes of phones; it may stand in HuBERT's place."""

    n_classes: int
    """Phones told apart, silence among them."""
    n_mels: int = 80
    width: int = 160
    """Of the features."""
    expansion: int = 3
    """Of a block's inner width."""
    kernel: int = 7
    dilations: tuple[int, ...] = (1, 1, 1, 2, 2, 2)
    """One block each."""

    def __post_init__(self) -> None:
        """Refuses even kernels."""
        if self.kernel % 2 == 0:
            raise VoiceError(f"a kernel of {self.kernel} has no middle")


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The VITS-like decoder that turns semantic tokens, phonemes and a style into sound."""

    n_phonemes: int = 732
    codebook_size: int = 1024
    content_width: int = 768
    """Width of the content backbone's features and of the codebook."""
    content_stride: int = 2
    """Content features (50 per second) that one semantic token (25 per second) stands for."""
    width: int = 192
    latent_width: int = 192
    filter_width: int = 768
    n_heads: int = 2
    n_layers: int = 6
    """Layers of the phoneme encoder; the content and the joint encoder have half as many."""
    kernel: int = 3
    crossing_width: int = 512
    crossing_heads: int = 4
    style_bins: int = 704
    """Bins of the linear spectrogram that the style encoder reads, from the lowest; v1: all 1025."""
    style_hidden: int = 128
    style_heads: int = 2
    style_width: int = 512
    speaker_width: int = 0
    """Width of the speaker embedding; 0: the style is made without one (v1, v2)."""
    flow_layers: int = 4
    """Layers of each of the flow's four couplings."""
    posterior_layers: int = 16
    spectrogram_bins: int = 1025
    generator: GeneratorConfig | SpectralConfig = field(default_factory=GeneratorConfig)
    """Which vocoder, and its shape; upstream's voices have the former."""

    def __post_init__(self) -> None:
        """Refuses widths the heads cannot share."""
        _divides("width", self.width, "n_heads", self.n_heads)
        _divides("crossing_width", self.crossing_width, "crossing_heads", self.crossing_heads)
        _divides("style_hidden", self.style_hidden, "style_heads", self.style_heads)
        _divides("latent_width", self.latent_width, "the flow's halves", 2)

    @classmethod
    def of_upstream(cls, hparams: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> DecoderConfig:
        """The shape of an upstream decoder, from `config.model` of its `.pth` and from its tensors.

        What upstream hard-codes by version (symbols, style bins, the speaker embedding) is read off the
        tensors, so that a wrong version in the file cannot mislead. So is what it hard-codes for all (layers
        of the flow and of the posterior), and the iSTFT head, which it has not.

        Raises:
            VoiceError: a field or a tensor that tells a shape is missing.
        """
        default = cls()
        try:
            if str(hparams["resblock"]) != "1" or hparams["semantic_frame_rate"] != "25hz":
                raise VoiceError("the decoder's config is not of v1, v2, v2Pro or v2ProPlus")
            return cls(
                n_phonemes=tensors["enc_p.text_embedding.weight"].shape[0],
                codebook_size=tensors["quantizer.vq.layers.0._codebook.embed"].shape[0],
                content_width=tensors["ssl_proj.weight"].shape[1],
                content_stride=tensors["ssl_proj.weight"].shape[2],
                width=int(hparams["hidden_channels"]),
                latent_width=int(hparams["inter_channels"]),
                filter_width=int(hparams["filter_channels"]),
                n_heads=int(hparams["n_heads"]),
                n_layers=int(hparams["n_layers"]),
                kernel=int(hparams["kernel_size"]),
                crossing_width=tensors["enc_p.mrte.c_pre.weight"].shape[0],
                style_bins=tensors["ref_enc.spectral.0.fc.weight"].shape[1],
                style_hidden=tensors["ref_enc.spectral.0.fc.weight"].shape[0],
                style_width=int(hparams["gin_channels"]),
                speaker_width=tensors["sv_emb.weight"].shape[1] if "sv_emb.weight" in tensors else 0,
                flow_layers=_count("flow.flows.0.enc.in_layers.", tensors) or default.flow_layers,
                posterior_layers=_count("enc_q.enc.in_layers.", tensors) or default.posterior_layers,
                generator=_spectral_of(tensors)
                if "dec.spectrum_out.weight" in tensors
                else _generator_of(hparams),
            )
        except KeyError as missing:
            raise VoiceError(f"the decoder's file lacks {missing}") from None

    def to_upstream(self) -> dict[str, Any]:
        """`config.model` of a file that holds this decoder: with its tensors, `of_upstream` gives it back."""
        shape = {
            "inter_channels": self.latent_width,
            "hidden_channels": self.width,
            "filter_channels": self.filter_width,
            "n_heads": self.n_heads,
            "n_layers": self.n_layers,
            "kernel_size": self.kernel,
            "gin_channels": self.style_width,
            "semantic_frame_rate": "25hz",
            "resblock": "1",
        }
        if isinstance(self.generator, GeneratorConfig):
            shape |= {
                "upsample_initial_channel": self.generator.width,
                "upsample_rates": list(self.generator.rates),
                "upsample_kernel_sizes": list(self.generator.kernels),
                "resblock_kernel_sizes": list(self.generator.block_kernels),
                "resblock_dilation_sizes": [list(row) for row in self.generator.block_dilations],
            }
        return shape


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """ERes2NetV2 (Chen et al. 2024), the speaker backbone of v2Pro and v2ProPlus: "w24s4ep4"."""

    n_mels: int = 80
    width: int = 64
    base_width: int = 24
    """Channels of a branch, for every 64 of the stage."""
    scale: int = 4
    """Branches of a block."""
    expansion: int = 4
    depths: tuple[int, int, int, int] = (3, 4, 6, 3)

    @property
    def embedding_width(self) -> int:
        """Width of the speaker embedding: channels times what eightfold halving leaves of the mel bands."""
        return self.width * 8 * self.expansion * -(-self.n_mels // 8)


def _generator_of(hparams: Mapping[str, Any]) -> GeneratorConfig:
    return GeneratorConfig(
        width=int(hparams["upsample_initial_channel"]),
        rates=_integers(hparams["upsample_rates"]),
        kernels=_integers(hparams["upsample_kernel_sizes"]),
        block_kernels=_integers(hparams["resblock_kernel_sizes"]),
        block_dilations=tuple(_integers(row) for row in hparams["resblock_dilation_sizes"]),
    )


def _spectral_of(tensors: Mapping[str, torch.Tensor]) -> SpectralConfig:
    """The iSTFT head that these tensors are of; an upsampler's kernel is three times its rate."""
    n_inner, width = tensors["dec.blocks.0.expand.weight"].shape
    rate = max(tensors["dec.upsampler.weight"].shape[2] // 3, 1)
    return SpectralConfig(
        width=width,
        n_blocks=_count("dec.blocks.", tensors),
        expansion=n_inner // width,
        kernel=tensors["dec.blocks.0.look.weight"].shape[2],
        rate=rate,
        hop=HOP // rate,
        window=tensors["dec.spectrum_out.weight"].shape[0] - 2,
    )


def _count(start: str, tensors: Mapping[str, torch.Tensor]) -> int:
    """How many numbers stand after `start` in the names."""
    return len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)})


def _integers(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _divides(name: str, value: int, by_name: str, by: int) -> None:
    if by < 1 or value % by:
        raise VoiceError(f"{name} {value} cannot be shared by {by_name} {by}")
