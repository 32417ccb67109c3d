"""The backbones at hand: each is read from disk when a voice first wants it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from speech.backbones import ContentBackbone, LinguisticBackbone, SpeakerBackbone
from speech.errors import VoiceError
from speech.gpt_sovits.files import OWN_CONTENT
from speech.text.chinese.g2pw import G2pw
from speech.text.chinese.words import Polyphones

POLYPHONES: Final = "polyphones"
"""The folder of g2pW, which only voices want whose manifest says so."""


class Backbones:
    """The three backbones that all voices of the family share.

    The content and the speaker backbone are wanted once for each prompt and given back at once; the
    linguistic one stays, because every Chinese sentence needs it.
    """

    def __init__(
        self,
        folder: Path | None,
        device: torch.device,
        *,
        weights: Path | None = None,
        with_polyphones: bool = False,
    ) -> None:
        """Backbones from `folder`, one folder each: `content`, `linguistic`, `speaker`.

        Args:
            folder: where they are.
            device: where they run.
            weights: the folder of the voice's weights; a content backbone of their own goes before `content`.
            with_polyphones: whether Mandarin is read with g2pW, from the folder `polyphones`. The manifest
                says it, not the disk: a voice version reads alike on every machine.
        """
        self._folder = folder
        self._weights = weights
        self._device = device
        self._with_polyphones = with_polyphones
        self._linguistic: LinguisticBackbone | None = None
        self._g2pw: G2pw | None = None

    def content(self) -> ContentBackbone:
        """HuBERT, or the weights' own. Raises VoiceError where it is missing."""
        own = self._weights / OWN_CONTENT if self._weights else None
        if own is not None and own.is_dir():
            return ContentBackbone(own, self._device)
        return ContentBackbone(self.place("content", "no prompt can be heard"), self._device)

    def speaker(self) -> SpeakerBackbone:
        """ERes2NetV2. Raises VoiceError where it is missing."""
        return SpeakerBackbone(self.place("speaker", "no v2Pro voice can be heard"), self._device)

    def linguistic(self) -> LinguisticBackbone:
        """RoBERTa. Raises VoiceError where it is missing."""
        if self._linguistic is None:
            place = self.place("linguistic", "no Chinese can be read")
            self._linguistic = LinguisticBackbone(place, self._device)
        return self._linguistic

    def polyphones(self) -> Polyphones | None:
        """g2pW, read from disk when the first Chinese sentence wants it; None for a voice without it."""
        return self._tell_apart if self._with_polyphones else None

    def _tell_apart(self, sentence: str) -> Sequence[str | None]:
        if self._g2pw is None:
            vocabulary = self.place("linguistic", "no Chinese can be read") / "vocab.txt"
            folder = self.place(POLYPHONES, "the voice does not read Chinese as it was made to")
            self._g2pw = G2pw(folder, vocabulary)
        return self._g2pw(sentence)

    def place(self, kind: str, harm: str) -> Path:
        """The folder of a backbone.

        Raises:
            VoiceError: it is not there; the message says what suffers and what to do.
        """
        if self._folder is None or not (self._folder / kind).is_dir():
            where = f"{self._folder / kind} does not exist" if self._folder else "the voice knows no folder"
            raise VoiceError(
                f"without the {kind} backbone {harm}: {where}; `lectorium voice pull backbones` brings it"
            )
        return self._folder / kind
