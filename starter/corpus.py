"""Stage 1: sentences become a corpus of sound, phones and times, in shards.

A shard is one safetensors file named after its number and the digest of all that it follows from. It is
written beside its place and renamed, so that one that is there is whole: a second run makes those that are
missing, and what was made of another recipe or other texts is never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import safe_open
from torch import Tensor

from speech.errors import TrainingError
from speech.noise import seed_of
from speech.training.order import hold_out
from starter.flite import SAMPLE_RATE, Spoken, speak
from starter.narrators import Narrator, narrator_of
from starter.recipe import CorpusRecipe
from starter.stage_files import STATE, write_file

_SEED: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of the corpus and who reads it."""

    text: str
    narrator: Narrator


@dataclass(frozen=True, slots=True)
class Entry:
    """A sentence of the corpus, spoken."""

    name: str
    """`00003:17`: its shard and its place in it."""
    text: str
    narrator: str
    """The narrator's name; without a blank or an @ in it, one of flite's own."""
    is_held_out: bool
    spoken: Spoken

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.spoken.sound) / SAMPLE_RATE


class Corpus:
    """A corpus on disk, made or not yet made."""

    def __init__(self, folder: Path, recipe: CorpusRecipe, own: Sequence[str], read: Sequence[str]) -> None:
        """The corpus that follows from a recipe and these texts: sentences of our own, and of books."""
        chosen = [*own[: recipe.n_own], *_evenly(read, recipe.n_read)]
        texts = sorted(dict.fromkeys(chosen), key=lambda text: seed_of(f"{_SEED}:order:{text}"))
        self.lines = [Line(text, narrator_of(text, recipe.plain_share)) for text in texts]
        self.digest = recipe.digest(texts)
        self._held_out = set(hold_out(texts, recipe.n_held_out, _SEED)[1])
        self._folder, self._n_per_shard = folder, recipe.n_per_shard

    @property
    def n_shards(self) -> int:
        """How many files it has when it is whole."""
        return -(-len(self.lines) // self._n_per_shard)

    def missing(self) -> list[int]:
        """Numbers of the shards that are still to be made."""
        return [number for number in range(self.n_shards) if not self._path(number).is_file()]

    def make(
        self,
        *,
        n_threads: int = 1,
        must_stop: Callable[[], bool] = lambda: False,
        report: Callable[[int, int], None] = lambda _n, _of: None,
    ) -> None:
        """Makes what is missing.

        Args:
            n_threads: flites that run at once.
            must_stop: asked before each shard.
            report: told how many shards there are, and of how many.

        Raises:
            TrainingError: flite is not there, or a sentence cannot be spoken.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        missing = self.missing()
        with ThreadPoolExecutor(n_threads) as pool:
            for n_made, number in enumerate(missing, start=1):
                if must_stop():
                    return
                lines = self._lines_of(number)
                spoken = list(pool.map(lambda line: speak(line.narrator, line.text), lines))
                _write(self._path(number), lines, spoken)
                report(self.n_shards - len(missing) + n_made, self.n_shards)

    def entries(self) -> Iterator[Entry]:
        """All that is spoken, in order.

        Raises:
            TrainingError: it has not been made, or not of these texts.
        """
        if missing := self.missing():
            raise TrainingError(
                f"the corpus lacks {len(missing)} of {self.n_shards} shards: first run the stage corpus, "
                "with the same books"
            )
        for number in range(self.n_shards):
            with safe_open(self._path(number), framework="pt") as file:
                lines = json.loads(file.metadata()[STATE])
                for place, (text, narrator) in enumerate(lines):
                    sound, phones, ends = (
                        file.get_tensor(f"{kind}/{place}") for kind in ("sound", "phones", "ends")
                    )
                    is_held_out = number * self._n_per_shard + place in self._held_out
                    yield Entry(
                        f"{number:05d}:{place:02d}", text, narrator, is_held_out, Spoken(sound, phones, ends)
                    )

    def _lines_of(self, number: int) -> list[Line]:
        return self.lines[number * self._n_per_shard :][: self._n_per_shard]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}-{self.digest[:16]}.safetensors"


def _write(path: Path, lines: Sequence[Line], spoken: Sequence[Spoken]) -> None:
    tensors: dict[str, Tensor] = {}
    for place, one in enumerate(spoken):
        tensors |= {f"sound/{place}": one.sound, f"phones/{place}": one.phones, f"ends/{place}": one.ends}
    state = json.dumps([[line.text, str(line.narrator)] for line in lines])
    write_file(path, tensors, {STATE: state})


def _evenly(texts: Sequence[str], n: int) -> list[str]:
    """`n` of the texts, from beginning to end; all where there are no more."""
    return list(texts) if len(texts) <= n else [texts[i * len(texts) // n] for i in range(n)]
