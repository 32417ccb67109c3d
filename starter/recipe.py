"""How much of what: the numbers of every stage, as frozen dataclasses. Their digest names what they make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from speech.networks.config import ContentConfig
from speech.training.options import ContentOptions
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
    n_points: int = 120_000
    """Tokens the codebook is learnt from, drawn from all; all where there are fewer."""
    n_rounds: int = 25
    seed: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All stages."""

    corpus: CorpusRecipe = field(default_factory=CorpusRecipe)
    content: ContentConfig = field(default_factory=lambda: ContentConfig(n_classes=len(PHONES)))
    content_options: ContentOptions = field(default_factory=lambda: ContentOptions(epochs=10))
    tokens: TokenRecipe = field(default_factory=TokenRecipe)
