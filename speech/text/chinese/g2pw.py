"""Polyphonic characters by their sentence: g2pW, where its published model is at hand.

g2pW (Chen and others, "g2pW: A Conditional Weighted Softmax BERT for Polyphone Disambiguation in Mandarin",
2022) asks, for one character of a sentence, which of its readings fits there. The model was trained on
traditional characters and answers in bopomofo. Its folder is the one that upstream downloads (G2PWModel 1.1):
`g2pW.onnx`, `POLYPHONIC_CHARS.txt`, `bopomofo_to_pinyin_wo_tune_dict.json`, `config.py`. It needs ONNX Runtime.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from speech.errors import VoiceError

if TYPE_CHECKING:
    import opencc

MODEL: Final = "g2pW.onnx"
CHARACTERS: Final = "POLYPHONIC_CHARS.txt"
PINYIN: Final = "bopomofo_to_pinyin_wo_tune_dict.json"
CONFIG: Final = "config.py"

_LEFT_ALONE: Final = frozenset("一不和咋嗲剖差攢倒難奔勁拗肖瘙誒泊听噢")
"""Characters that the model's list has and upstream never asks it about: rules and words read them better."""
_REACH: Final = 16
"""Characters on either side of the first and last asked about that the model sees, as upstream."""
_LONGEST: Final = 510
"""Characters that the model holds beside the two tokens at the ends."""

Inputs = Mapping[str, npt.NDArray[Any]]


class G2pw:
    """The model, loaded."""

    def __init__(self, folder: Path, vocabulary: Path) -> None:
        """The model in `folder`; `vocabulary` is that of Chinese BERT, which is RoBERTa's `vocab.txt` too.

        Raises:
            VoiceError: a file is missing or not what it should be, or ONNX Runtime is not installed.
        """
        self._network = _open_network(_file(folder / MODEL))
        try:
            self._learn(folder)
            self._pinyin: Mapping[str, str] = json.loads(_file(folder / PINYIN).read_text(encoding="utf-8"))
        except (ValueError, SyntaxError) as error:
            raise VoiceError(f"the g2pW model in {folder}: {error}") from error
        words = _file(vocabulary).read_text(encoding="utf-8").split("\n")
        self._ids = {word: index for index, word in enumerate(words)}
        self._converter = _converter()

    def _learn(self, folder: Path) -> None:
        """The readings of each character, and how the model numbers both."""
        settings = _settings_of(_file(folder / CONFIG))
        lines = _file(folder / CHARACTERS).read_text(encoding="utf-8").split("\n")
        pairs = [line.split("\t") for line in lines if line.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{CHARACTERS} has a line that is not a character, a tab and a reading")
        of_characters = bool(settings.get("use_char_phoneme"))
        labels = [f"{character} {reading}" if of_characters else reading for character, reading in pairs]
        self._labels = sorted(set(labels))
        self._characters = {c: index for index, c in enumerate(sorted({pair[0] for pair in pairs}))}
        numbers = {label: index for index, label in enumerate(self._labels)}
        self._masks: dict[str, npt.NDArray[np.float32]] = {}
        for (character, _), label in zip(pairs, labels, strict=True):
            masks = self._masks.setdefault(character, np.zeros(len(self._labels), np.float32))
            masks[numbers[label]] = 1
        if not settings.get("use_mask", True):
            self._masks = {character: np.ones_like(mask) for character, mask in self._masks.items()}

    def __call__(self, sentence: str) -> list[str | None]:
        """The syllable of each character, "chang2"; None for those it is not asked about.

        Args:
            sentence: normalised: Han characters and marks.
        """
        syllables: list[str | None] = [None] * len(sentence)
        traditional = self._traditional(sentence)
        asked = [at for at, c in enumerate(traditional) if c in self._characters and c not in _LEFT_ALONE]
        for at, label in zip(asked, self._choose(traditional, asked), strict=True):
            bopomofo = label.rpartition(" ")[2]
            plain = self._pinyin.get(bopomofo[:-1])
            syllables[at] = plain.replace("u:", "v").replace("ü", "v") + bopomofo[-1] if plain else None
        return syllables

    def _choose(self, sentence: str, asked: list[int]) -> Iterable[str]:
        """The model's label for each character asked about."""
        if not asked:
            return
        start, stop = max(0, asked[0] - _REACH), min(len(sentence), asked[-1] + _REACH + 1)
        together = [asked] if stop - start <= _LONGEST else [[at] for at in asked]
        for group in together:
            start, stop = max(0, group[0] - _REACH), min(len(sentence), group[-1] + _REACH + 1)
            inputs = self._inputs(sentence[start:stop], [at - start for at in group])
            [likely, *_] = self._network.run(None, dict(inputs))  # [B, labels]
            for row in likely:
                yield self._labels[int(np.argmax(row))]

    def _inputs(self, text: str, asked: list[int]) -> Inputs:
        """What the model reads: a lane for each character asked about, all of one text."""
        unknown = self._ids["[UNK]"]
        tokens = [self._ids.get(character, unknown) for character in text]
        row = np.array([self._ids["[CLS]"], *tokens, self._ids["[SEP]"]], np.int64)
        ids = np.tile(row, (len(asked), 1))  # [B, T]
        return {
            "input_ids": ids,
            "token_type_ids": np.zeros_like(ids),
            "attention_mask": np.ones_like(ids),
            "phoneme_mask": np.stack([self._masks[text[at]] for at in asked]),
            "char_ids": np.array([self._characters[text[at]] for at in asked], np.int64),
            "position_ids": np.array([at + 1 for at in asked], np.int64),  # after the token at the beginning
        }

    def _traditional(self, sentence: str) -> str:
        """The sentence in the characters the model has learnt, one for one."""
        converted = self._converter.convert(sentence)
        return converted if len(converted) == len(sentence) else sentence


def _file(path: Path) -> Path:
    if not path.is_file():
        raise VoiceError(f"the g2pW model in {path.parent} has no {path.name}")
    return path


def _open_network(path: Path) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise VoiceError("g2pW needs ONNX Runtime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a process for each core reads faster than a core for each layer
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes, which it does not document
        raise VoiceError(f"{path} is no model that ONNX Runtime opens: {error}") from error


def _settings_of(path: Path) -> dict[str, object]:
    """The constants that a Python file sets, read and not run."""
    settings: dict[str, object] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                settings[name] = value
    return settings


def _converter() -> opencc.OpenCC:
    import opencc

    return opencc.OpenCC("s2tw")
