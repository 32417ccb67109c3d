"""Text becomes what the networks read: phonemes, and a row of linguistic features for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from speech.errors import UnreadableTextError, VoiceError
from speech.gpt_sovits.company import Backbones
from speech.text.lexicon import Lexicon
from speech.text.phonemes import Phonemes, SpokenRun, phonemise
from speech.text.symbols import SymbolsVersion
from speech.text.utterance import Span

_LONGEST_RUN = 510
"""Characters that RoBERTa holds beside the two tokens at the ends."""


class Front:
    """The way from texts to readings for one version's symbols."""

    def __init__(self, symbols: SymbolsVersion, linguistic_width: int, backbones: Backbones) -> None:
        self.symbols = symbols
        self._width = linguistic_width
        self._backbones = backbones

    def phonemise(self, spans: Sequence[Span], lexicon: Lexicon) -> Phonemes:
        """The phonemes of a text.

        Raises:
            UnreadableTextError: it cannot be read, or a stretch of Mandarin is longer than RoBERTa holds.
            LexiconError: an entry's symbol is none of this version.
            VoiceError: there is Mandarin in it and no linguistic backbone.
        """
        phonemes = phonemise(
            spans, symbols_version=self.symbols, lexicon=lexicon, polyphones=self._backbones.polyphones()
        )
        mandarin = [run for run in phonemes.runs if run.language == "zh"]
        if mandarin:
            self._backbones.linguistic()  # if it is missing, this text is the one to say so
        for run in mandarin:
            if len(run.text) > _LONGEST_RUN:
                raise UnreadableTextError(
                    f"{len(run.text)} characters without a break from {run.text[:20]!r} on; "
                    f"the most is {_LONGEST_RUN}"
                )
        return phonemes

    def linguistic(self, texts: Sequence[Phonemes]) -> list[Tensor]:
        """The linguistic features of texts, `float[P, W]` each on the CPU; all Mandarin is read together.

        Zeros for every other language, as in training.

        Raises:
            VoiceError: the linguistic backbone is missing or of another width.
        """
        rows = iter(self._rows([run for phonemes in texts for run in phonemes.runs if run.language == "zh"]))
        return [
            torch.cat(
                [
                    next(rows) if run.language == "zh" else torch.zeros(run.n_phonemes, self._width)
                    for run in phonemes.runs
                ]
            )
            for phonemes in texts
        ]

    def _rows(self, runs: Sequence[SpokenRun]) -> list[Tensor]:
        """The features of each run, `[P, W]`: a character's row for each of its phonemes."""
        if not runs:
            return []
        rows = []
        for run, characters in zip(
            runs, self._backbones.linguistic()([run.text for run in runs]), strict=True
        ):
            if characters.shape[1] != self._width:
                raise VoiceError(
                    f"the linguistic backbone is {characters.shape[1]} wide; the voice wants {self._width}"
                )
            assert run.word2ph is not None, "Mandarin is read by characters"
            rows.append(characters.repeat_interleave(torch.tensor(run.word2ph).to(characters.device), dim=0))
        return [row.cpu() for row in rows]
