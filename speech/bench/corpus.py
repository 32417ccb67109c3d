"""The sentences of the bench: always the same, of the lengths that books have. No torch."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

TOKENS_PER_PHONEME: Final = 2.2
"""English read aloud: 25 tokens a second, between 11 and 12 phonemes."""

N_SENTENCES: Final = 2000

_SEED: Final = 1851
_MEAN_PHONEMES: Final = 61  # 5.4 seconds
_SPREAD: Final = 0.68  # deviation of the length over its mean
_SHORTEST, _LONGEST = 6, 220  # "Yes." and what a script's utterances are cut at

_WORDS: Final = """
    the of and a to in he was that it his her with as had for she not at but be on they have him which
    said all from this one were would there been their when who will no more if out so up into them can
    only other time new some could these two may first then do any like my now over such our man me even
    most made after also did many off before must well back through years much where your way down
    should because long each just state those people too mister little good world make very year still
    see own work men day get here old life both between being under three never know same last another
    while us might great house went right during came take against used himself few window garden letter
    morning evening river mother father captain soldier village winter summer candle shadow silence
    answer quietly slowly suddenly perhaps however
""".split()  # noqa: SIM905 - words are read as words


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the corpus."""

    text: str
    n_phonemes: int
    """About one for each letter and mark; the text is as long as it needs to be for that."""

    @property
    def n_tokens(self) -> int:
        """Tokens it is given, exactly."""
        return max(1, round(TOKENS_PER_PHONEME * self.n_phonemes))


def sentences(n: int = N_SENTENCES) -> list[Sentence]:
    """The first `n` sentences of the corpus; their lengths follow a log-normal distribution."""
    chance = random.Random(_SEED)  # noqa: S311 - to be repeatable is the point
    # Deviation and mean of the logarithm that give the length's own:
    sigma = math.sqrt(math.log(1 + _SPREAD**2))
    mu = math.log(_MEAN_PHONEMES) - sigma**2 / 2
    made = []
    for _ in range(n):
        n_phonemes = min(max(round(chance.lognormvariate(mu, sigma)), _SHORTEST), _LONGEST)
        words: list[str] = []
        while sum(map(len, words)) < n_phonemes - 1:
            words.append(chance.choice(_WORDS))
        made.append(Sentence(" ".join(words).capitalize() + ".", n_phonemes))
    return made
