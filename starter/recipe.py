"""How much of what: the numbers of every stage, as frozen dataclasses. Their digest names what they make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from speech.networks.config import ContentConfig, DecoderConfig, SemanticConfig, SpectralConfig
from speech.training.options import ContentOptions, DecoderOptions, SemanticOptions
from starter.phones import PHONES

_FORMAT = 1  # of the shards; another number makes the corpus anew


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecipe:
    """Stage 1."""

    n_own: int = 350
    """Sentences of our own."""
    n_read: int = 4650
    """Sentences of the books that are given, evenly from all of them; fewer where they have fewer."""
    plain_share: float = 0.6
    """Sentences that flite's narrators read as they are; the others are read by changed narrators."""
    n_held_out: int = 100
    """Sentences nobody learns from."""
    n_per_shard: int = 50

    def digest(self, texts: Sequence[str]) -> str:
        """SHA-256, in hex, of all that the corpus follows from but flite itself."""
        plain = json.dumps([_FORMAT, asdict(self), list(texts)], sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecipe:
    """Stage 3."""

    n_codes: int = 512
    n_directions: int = 60
    """In which content features are told apart; the codebook's other columns are zeros."""
    n_points: int = 120_000
    """Tokens the codebook is learnt from, drawn from all; all where there are fewer."""
    n_rounds: int = 25
    seed: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticRecipe:
    """Stage 5."""

    model: SemanticConfig = field(
        default_factory=lambda: SemanticConfig(
            width=256, n_heads=4, n_layers=6, n_tokens=TokenRecipe().n_codes + 1, linguistic_width=1
        )
    )
    options: SemanticOptions = field(
        default_factory=lambda: SemanticOptions(
            epochs=2,
            n_lanes=8,
            n_passes=2,
            rate=1e-3,
            warm_up=300,
            ceiling=1.0,
            dropout=0.0,
            replaced=0.1,
            bf16=True,
            fused=True,
            look_every=100,
        )
    )
    n_pairings: int = 6
    """Ways in which sentences are joined in pairs; an epoch goes through all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All stages."""

    corpus: CorpusRecipe = field(default_factory=CorpusRecipe)
    content: ContentConfig = field(default_factory=lambda: ContentConfig(n_classes=len(PHONES)))
    content_options: ContentOptions = field(default_factory=lambda: ContentOptions(epochs=10))
    tokens: TokenRecipe = field(default_factory=TokenRecipe)
    decoder: DecoderConfig = field(
        default_factory=lambda: DecoderConfig(
            codebook_size=TokenRecipe().n_codes,
            content_width=ContentConfig(n_classes=len(PHONES)).width,
            width=96,
            latent_width=96,
            filter_width=256,
            n_layers=4,
            crossing_width=128,
            style_hidden=64,
            style_width=128,
            flow_layers=2,
            posterior_layers=8,
            generator=SpectralConfig(),
        )
    )
    decoder_options: DecoderOptions = field(
        default_factory=lambda: DecoderOptions(
            epochs=7,
            n_lanes=8,
            rate=8e-4,
            text_share=1.0,
            warm_up=200,
            anneal=True,
            decay=1.0,
            ceiling=1.0,
            bf16=True,
            fused=True,
            crop_frames=64,
            divergence_warm_up=500,
            judged=False,
            windows=(512, 1024, 2048),
            look_every=200,
        )
    )
    polish_options: DecoderOptions = field(
        default_factory=lambda: DecoderOptions(
            epochs=3,
            n_lanes=8,
            rate=2e-4,
            text_share=1.0,
            warm_up=100,
            anneal=True,
            decay=1.0,
            ceiling=1.0,
            bf16=True,
            fused=True,
            windows=(512, 1024, 2048, 4096),
            look_every=200,
        )
    )
    """Of the decoder once more, judged by discriminators this time."""
    semantic: SemanticRecipe = field(default_factory=SemanticRecipe)
