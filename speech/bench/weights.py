"""Random weights of the published shapes, made in memory: as fast and as slow as trained ones."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import torch

from speech.bench.corpus import Sentence
from speech.decode import SemanticRequest
from speech.errors import SpeechError
from speech.networks.config import DecoderConfig, GeneratorConfig, SemanticConfig
from speech.networks.decoder import Decoder, SoundRequest
from speech.networks.semantic import SemanticModel
from speech.sampling import TokenSampling

_V2 = DecoderConfig()
_V2PRO = DecoderConfig(style_width=1024, speaker_width=20480)
_TOY_GENERATOR = GeneratorConfig(
    width=8, rates=(20, 32), kernels=(20, 32), block_kernels=(3,), block_dilations=((1,),)
)

SHAPES: Final[dict[str, tuple[SemanticConfig, DecoderConfig]]] = {
    "random:v2": (SemanticConfig(), _V2),
    "random:v2Pro": (SemanticConfig(), _V2PRO),
    "random:v2ProPlus": (
        SemanticConfig(),
        dataclasses.replace(_V2PRO, generator=GeneratorConfig(width=768, kernels=(20, 16, 8, 2, 2))),
    ),
    "random:toy": (
        SemanticConfig(width=32, n_heads=4, n_layers=2, linguistic_width=8),
        DecoderConfig(
            content_width=16, width=16, latent_width=16, filter_width=16, n_layers=2, crossing_width=16,
            crossing_heads=2, style_bins=9, style_hidden=8, style_width=16, flow_layers=1,
            posterior_layers=1, spectrogram_bins=11, generator=_TOY_GENERATOR,
        ),
    ),
}  # fmt: skip

N_PROMPT_PHONEMES: Final = 60
N_PROMPT_TOKENS: Final = 125  # five seconds
_SEED: Final = 1616
_N_SPOKEN: Final = 600  # phonemes and tokens below this exist in every shape


@dataclass(frozen=True, slots=True)
class Prompt:
    """What tells one voice of the bench from another; they share their weights."""

    phonemes: torch.Tensor
    tokens: torch.Tensor
    style: torch.Tensor


@dataclass(frozen=True, slots=True)
class Networks:
    """A semantic model and a decoder, with the prompts of the voices that speak through them."""

    semantic: SemanticModel
    decoder: Decoder
    prompts: tuple[Prompt, ...]

    @classmethod
    def random(cls, weights: str, device: torch.device, n_voices: int = 1) -> Networks:
        """Networks of one of `SHAPES`, the same on every machine.

        Raises:
            SpeechError: there are no such weights.
        """
        if weights not in SHAPES:
            raise SpeechError(f"weights {weights!r}: choose from {', '.join(SHAPES)}")
        semantic_config, decoder_config = SHAPES[weights]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            semantic, decoder = SemanticModel(semantic_config), Decoder(decoder_config)
            prompts = tuple(
                Prompt(
                    torch.randint(_N_SPOKEN, (N_PROMPT_PHONEMES,)),
                    torch.randint(_N_SPOKEN, (N_PROMPT_TOKENS,)),
                    torch.randn(decoder_config.style_width),
                )
                for _ in range(n_voices)
            )
        return cls(semantic.eval().to(device), decoder.eval().to(device), prompts)

    def semantic_request(self, index: int, sentence: Sentence) -> SemanticRequest:
        """Sentence `index` of the corpus, which ends exactly where its length says."""
        prompt = self.prompts[index % len(self.prompts)]
        phonemes = torch.cat([prompt.phonemes, phonemes_of(sentence)])
        n = sentence.n_tokens
        return SemanticRequest(
            key=str(index),
            phonemes=phonemes,
            linguistic=torch.zeros(phonemes.shape[0], self.semantic.config.linguistic_width),
            prompt=prompt.tokens,
            sampling=TokenSampling(min_tokens=n, max_tokens=n),
        )

    def sound_request(self, index: int, sentence: Sentence, tokens: torch.Tensor) -> SoundRequest:
        """The tokens of sentence `index`, to be made sound."""
        prompt = self.prompts[index % len(self.prompts)]
        return SoundRequest(str(index), tokens, phonemes_of(sentence), prompt.style)


def phonemes_of(sentence: Sentence) -> torch.Tensor:
    """As many ids as it has phonemes, made of its letters: no front end has to be installed."""
    letters = sentence.text.encode()
    return torch.tensor([letters[i % len(letters)] for i in range(sentence.n_phonemes)])
