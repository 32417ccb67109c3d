"""What the networks read of a recording, made once and kept by digest.

As upstream's `prepare_datasets` (commit 48b1a016): sound is levelled and rounded to 16 bits, the content
backbone hears it at 16 kHz and 1145.14 times as loud, the quantiser makes tokens of that.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from speech.backbones import CONTENT_SAMPLE_RATE, ContentBackbone, SpeakerBackbone
from speech.errors import SpeechError, TrainingError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.recording import resample
from speech.networks import fbank
from speech.networks.masks import pad_lanes
from speech.networks.quantiser import Quantiser
from speech.text.lexicon import Lexicon
from speech.text.utterance import Span
from speech.training.batches import SAMPLES_PER_TOKEN, Features
from speech.training.recordings import Recording
from speech.training.slicing import level
from speech.units import FRAMES_PER_TOKEN, SAMPLE_RATE

_FORMAT: Final = 1  # another number makes all features anew
_CONTENT_LOUDNESS: Final = 1145.14  # upstream's; HuBERT's first norm makes next to nothing of it
_LEAST_TOKENS: Final = 15  # 0.6 s, as upstream
PHONEMES_A_SECOND: Final = (3.0, 25.0)
"""Fewer or more do not fit the recording; upstream passes over them."""
_log = logging.getLogger(__name__)


class FeatureMaker:
    """Makes features for one base voice."""

    def __init__(
        self,
        front: Front,
        backbones: Backbones,
        quantiser: Quantiser,
        *,
        speaker_width: int = 0,
        digests: Sequence[str] = (),
        kept: Path | None = None,
        n_lanes: int = 1,
    ) -> None:
        """A maker.

        Args:
            front: text to phonemes and linguistic features.
            backbones: the content one is read when the first recording wants it, the speaker one likewise.
            quantiser: the base voice's.
            speaker_width: of the base voice; 0 for one without a speaker embedding.
            digests: of everything above that decides what comes out: the backbones', the base's, the code's.
            kept: the folder where features are kept; None keeps none.
            n_lanes: recordings heard side by side. On a CPU one at a time is quicker: nothing is filled up.
        """
        self._front, self._backbones, self._quantiser = front, backbones, quantiser
        self._speaker_width = speaker_width
        self._digests = tuple(digests)
        self._kept = kept
        self._n_lanes = n_lanes
        self._content: ContentBackbone | None = None
        self._speaker: SpeakerBackbone | None = None

    def make(self, recording: Recording) -> Features:
        """The features of a recording; those that were kept are read.

        Raises:
            TrainingError: it is too short, or its text cannot be read or does not fit its length; the message
                names it.
            VoiceError: a backbone is missing.
        """
        [made] = self.make_all([recording])
        if isinstance(made, TrainingError):
            raise made
        return made

    def make_all(self, recordings: Sequence[Recording]) -> list[Features | TrainingError]:
        """The features of each recording, or why it has none, as `make`; those of like length side by side.

        Raises:
            VoiceError: a backbone is missing.
        """
        made: dict[int, Features | TrainingError] = {}
        read: dict[int, Features] = {}
        for index, recording in enumerate(recordings):
            path = self._path_of(recording)
            found = _recall(path, recording.name) if path is not None else None
            if found is not None:
                made[index] = found
                continue
            try:
                read[index] = self._read(recording)
            except TrainingError as error:
                made[index] = error
        by_length = sorted(read, key=lambda index: len(read[index].sound))
        for first in range(0, len(by_length), self._n_lanes):
            indices = by_length[first : first + self._n_lanes]
            for index, features in zip(indices, self._hear([read[i] for i in indices]), strict=True):
                made[index] = features
                if (path := self._path_of(recordings[index])) is not None:
                    _keep(path, features)
        return [made[index] for index in range(len(recordings))]

    @torch.inference_mode()
    def _read(self, recording: Recording) -> Features:
        """A recording's sound and phonemes, and no tokens yet."""
        sound = prepare(recording.sound)
        n_tokens = len(sound) // SAMPLES_PER_TOKEN
        if n_tokens < _LEAST_TOKENS:
            seconds = len(sound) / SAMPLE_RATE
            raise TrainingError(f"{recording.name}: {seconds:.2f} s of sound are too short to learn from")
        phonemes, linguistic = self._phonemise(recording)
        rate = len(phonemes) / len(sound) * SAMPLE_RATE
        low, high = PHONEMES_A_SECOND
        if not low <= rate <= high:
            raise TrainingError(
                f"{recording.name}: {rate:.1f} phonemes a second, not {low:g} to {high:g}: "
                "the transcript does not fit the recording"
            )
        return Features(
            name=recording.name,
            sound=sound,
            tokens=torch.empty(0, dtype=torch.int64),
            phonemes=phonemes,
            linguistic=linguistic,
        )

    @torch.inference_mode()
    def _hear(self, lanes: Sequence[Features]) -> list[Features]:
        """The same with their tokens and speaker embeddings."""
        sounds = [lane.sound for lane in lanes]
        tokens, speakers = self._tokens_of(sounds), self._embeddings_of(sounds)
        return [
            replace(lane, tokens=own, speaker=speaker)
            for lane, own, speaker in zip(lanes, tokens, speakers, strict=True)
        ]

    def _phonemise(self, recording: Recording) -> tuple[Tensor, Tensor | None]:
        """Phonemes `[P]`, and linguistic features `[P, W]` where the language has any."""
        try:
            phonemes = self._front.phonemise([Span(recording.text, recording.language)], Lexicon())
        except SpeechError as error:
            raise TrainingError(f"{recording.name}: {error}") from error
        has_any = any(run.language == "zh" for run in phonemes.runs)
        linguistic = self._front.linguistic([phonemes])[0] if has_any else None
        return torch.tensor(phonemes.ids), linguistic

    def _tokens_of(self, sounds: Sequence[Tensor]) -> list[Tensor]:
        """One token for each 40 ms, `int64[S]`. The backbone ends a frame early: its last is said twice."""
        if self._content is None:
            self._content = self._backbones.content()
        heard = [resample(sound * _CONTENT_LOUDNESS, SAMPLE_RATE, CONTENT_SAMPLE_RATE) for sound in sounds]
        whole = []
        for sound, content in zip(sounds, self._content.hear_all(heard), strict=True):  # [C, F - 1]
            missing = len(sound) // SAMPLES_PER_TOKEN * FRAMES_PER_TOKEN - content.shape[1]
            assert 0 <= missing <= FRAMES_PER_TOKEN, f"the content backbone gave {content.shape[1]} frames"
            whole.append(F.pad(content, (0, missing), mode="replicate"))
        lanes, n_frames = pad_lanes(whole, dim=1)  # [B, C, F]
        tokens: Tensor = self._quantiser(lanes.to(self._quantiser.codebook.device)).cpu()  # [B, S]
        n_tokens = (n_frames // FRAMES_PER_TOKEN).tolist()
        return [row[:n].clone() for row, n in zip(tokens, n_tokens, strict=True)]

    def _embeddings_of(self, sounds: Sequence[Tensor]) -> Sequence[Tensor | None]:
        if not self._speaker_width:
            return [None] * len(sounds)
        if self._speaker is None:
            self._speaker = self._backbones.speaker()
        heard = [resample(sound, SAMPLE_RATE, fbank.SAMPLE_RATE) for sound in sounds]
        return [embedding.clone() for embedding in self._speaker.hear_all(heard).cpu()]

    def _path_of(self, recording: Recording) -> Path | None:
        if self._kept is None:
            return None
        digest = hashlib.sha256()
        said = [_FORMAT, recording.language, recording.text, self._front.symbols, self._speaker_width]
        digest.update(json.dumps([*said, *self._digests]).encode())
        digest.update(np.ascontiguousarray(recording.sound, np.float32).tobytes())
        return self._kept / f"{digest.hexdigest()}.safetensors"


def prepare(sound: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    """Sound to learn from, `float[N]`: levelled, rounded to 16 bits, cut to whole tokens.

    Raises:
        TrainingError: it is not finite.
    """
    if not np.isfinite(sound).all():
        raise TrainingError("the sound is not finite")
    whole = level(sound[: len(sound) - len(sound) % SAMPLES_PER_TOKEN])
    rounded = np.clip(np.trunc(whole * 32768), -32768, 32767) / 32768
    return torch.from_numpy(rounded.astype(np.float32))


def _recall(path: Path, name: str) -> Features | None:
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        return Features(
            name=name,
            sound=tensors["sound"],
            tokens=tensors["tokens"],
            phonemes=tensors["phonemes"],
            linguistic=tensors.get("linguistic"),
            speaker=tensors.get("speaker"),
        )
    except (SafetensorError, KeyError):
        _log.warning("%s: its kept features are damaged and are made anew", name)
        return None


def _keep(path: Path, features: Features) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "sound": features.sound,
        "tokens": features.tokens,
        "phonemes": features.phonemes,
        "linguistic": features.linguistic,
        "speaker": features.speaker,
    }
    half_written = path.with_suffix(f".{os.getpid()}.part")
    save_file({k: tensor.contiguous() for k, tensor in tensors.items() if tensor is not None}, half_written)
    half_written.replace(path)
