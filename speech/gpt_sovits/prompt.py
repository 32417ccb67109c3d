"""A prompt: what a voice's recordings and the transcript of the first one become, once for each version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from speech.backbones import CONTENT_SAMPLE_RATE, SpeakerBackbone
from speech.errors import SpeechError, VoiceError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.recording import Recording, read_recording, resample
from speech.networks import fbank
from speech.networks.decoder import Decoder
from speech.networks.spectrogram import linear_spectrogram
from speech.text.lexicon import Lexicon
from speech.text.utterance import Span
from speech.units import SAMPLE_RATE
from speech.voice import PromptFile

SPOKEN_SECONDS: Final = (3.0, 10.0)
"""Shortest and longest recording to go on speaking from; upstream refuses others, unseen in training."""
TIMBRE_SECONDS: Final = (1.0, 60.0)
"""The same of a recording that gives its timbre only."""

SILENCE: Final = 9_600
"""Samples of silence after the prompt, at 16 kHz: 0.6 s. Upstream means 0.3 s, reckoned at 32 kHz; voices are
used with what it does."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an utterance is spoken after, and with which timbre."""

    phonemes: Tensor
    """`int64[P]`, of the first recording's transcript."""
    linguistic: Tensor
    """`float[P, W]`, likewise."""
    tokens: Tensor
    """`int64[S]`, the first recording's."""
    style: Tensor
    """`[G]`, the mean of all recordings' styles."""
    lexicon: Lexicon = field(default_factory=Lexicon)
    """The voice's own."""


@torch.inference_mode()
def make_prompt(
    files: Sequence[PromptFile], front: Front, decoder: Decoder, backbones: Backbones, lexicon: Lexicon
) -> Prompt:
    """The prompt that these recordings make.

    Raises:
        VoiceError: there is none, a recording or its transcript is unfit, or a backbone is missing.
    """
    if not files:
        raise VoiceError("the voice has no prompt: `lectorium voice add` gives its weights one")
    recordings = [read_recording(file.path) for file in files]
    for number, (file, recording) in enumerate(zip(files, recordings, strict=True)):
        shortest, longest = TIMBRE_SECONDS if number else SPOKEN_SECONDS
        if not shortest <= recording.seconds <= longest:
            raise VoiceError(
                f"prompt {file.path.name}: {recording.seconds:.1f} s, not {shortest:g} to {longest:g}"
            )
    return Prompt(
        *_read_transcript(files[0], front, lexicon),
        _tokens_of(recordings[0], decoder, backbones),
        _style_of(recordings, decoder, backbones).cpu(),
        lexicon,
    )


def _read_transcript(file: PromptFile, front: Front, lexicon: Lexicon) -> tuple[Tensor, Tensor]:
    """Phonemes `[P]` and linguistic features `[P, W]` of what the recording says."""
    try:
        phonemes = front.phonemise([Span(file.transcript, file.language)], lexicon)
        [linguistic] = front.linguistic([phonemes])
    except VoiceError:
        raise
    except SpeechError as error:
        raise VoiceError(f"prompt {file.path.name}: transcript: {error}") from error
    return torch.tensor(phonemes.ids), linguistic


def _tokens_of(recording: Recording, decoder: Decoder, backbones: Backbones) -> Tensor:
    """The recording's tokens `[S]`. Upstream resamples for the content backbone by soxr; this is sinc."""
    sound = F.pad(recording.at(CONTENT_SAMPLE_RATE), (0, SILENCE))
    content = backbones.content()(sound)  # [1, C, F]
    if content.shape[1] != decoder.config.content_width:
        raise VoiceError(
            f"the content backbone is {content.shape[1]} wide; the voice wants {decoder.config.content_width}"
        )
    tokens: Tensor = decoder.quantiser(content)[0]
    return tokens.cpu()


def _style_of(recordings: Sequence[Recording], decoder: Decoder, backbones: Backbones) -> Tensor:
    """The mean of the recordings' styles, `[G]`."""
    width = decoder.config.speaker_width
    backbone = backbones.speaker() if width else None
    device = decoder.quantiser.codebook.device
    styles = []
    for recording in recordings:
        sound = recording.at(SAMPLE_RATE)
        spectrogram = linear_spectrogram(sound[None].to(device))  # [1, bins, F]
        embedding = _embedding_of(sound, backbone, width) if backbone else None
        n_frames = torch.tensor([spectrogram.shape[2]], device=device)
        styles.append(decoder.style(spectrogram, n_frames, embedding)[0])
    return torch.stack(styles).mean(dim=0)


def _embedding_of(sound: Tensor, backbone: SpeakerBackbone, width: int) -> Tensor:
    """The speaker embedding `[1, W]` of sound at 32 kHz, resampled once more, as upstream has it."""
    embedding = backbone(resample(sound, SAMPLE_RATE, fbank.SAMPLE_RATE))
    if embedding.shape[0] != width:
        raise VoiceError(f"the speaker backbone is {embedding.shape[0]} wide; the voice wants {width}")
    return embedding[None]
