"""Prompts: any recording becomes the mono WAV a voice is cloned from, or one line says why it will not do.

A prompt is all that a cloned voice knows of its speaker: what is wrong with it is wrong with every sentence
of every book. So it is measured here, once, before it is anybody's voice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models_store.hearing import HearingError, Sound, hear
from models_store.manifest import ManifestPrompt
from models_store.transcripts import check_language, check_transcript
from speech.errors import VoiceError
from speech.levels import measure_levels
from speech.wav import wav_bytes

LEAST_SECONDS: Final = 3.0
MOST_SECONDS: Final = 10.0
"""The family has heard prompts of these lengths in training; upstream refuses others."""
MOST_EDGE_SECONDS: Final = 1.0
"""Silence before the first word or after the last: more is spoken back as a pause in each sentence."""
LEAST_SPOKEN: Final = 0.3
"""Share of the recording that is speech."""
LEAST_LEVEL_DBFS: Final = -45.0
"""Of the speech; below, the sixteen bits at rest are mostly noise."""
LEAST_SNR_DB: Final = 15.0
MOST_CLIPPED: Final = 0.001
"""Share of the samples that stand in flat tops."""

_MOST_DECODED_SECONDS: Final = 30.0
"""Whoever sends an hour of sound is told so after half a minute of it."""


class PromptError(VoiceError):
    """The recording will not do; the message names the fault and the figure."""


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt ready for the shelf, and what was measured of it."""

    path: Path
    """Mono WAV of 16-bit samples at `units.SAMPLE_RATE`, named after its content."""
    transcript: str
    """"" for a prompt that gives timbre only."""
    language: str
    """BCP 47, lower case."""
    seconds: float
    snr_db: float
    level_dbfs: float
    """Of the speech, the pauses left out."""

    @property
    def entry(self) -> ManifestPrompt:
        """What a manifest says of it, the file standing beside the manifest."""
        return ManifestPrompt(file=self.path.name, transcript=self.transcript, language=self.language)


def prepare_prompt(path: Path, *, transcript: str | None, language: str, folder: Path) -> PreparedPrompt:
    """The recording at `path` as a prompt, written into `folder`.

    Args:
        path: any sound file libav reads, of any rate and number of channels.
        transcript: what is said in it, word for word; None for a prompt that gives timbre only.
        language: the language spoken, BCP 47.
        folder: where the WAV goes.

    Raises:
        PromptError: no sound, too short, long, quiet, noisy or clipped, or too much silence.
        SaidError: a language that is not known, or a transcript that cannot be what is said.
    """
    place = f"prompt {path.name}"
    tag = check_language(language, place=place)
    try:
        heard = hear(path, most_seconds=_MOST_DECODED_SECONDS)
    except HearingError as error:
        raise PromptError(f"{place}: {error}") from error
    seconds = heard.seconds
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        told = f"more than {_MOST_DECODED_SECONDS:g}" if seconds > _MOST_DECODED_SECONDS else f"{seconds:.3f}"
        raise PromptError(f"{place}: {told} s long; it must be {LEAST_SECONDS:g} to {MOST_SECONDS:g} s")
    if heard.clipped > MOST_CLIPPED:
        raise PromptError(
            f"{place}: clipped: {heard.clipped:.2%} of it is cut off at the top; at most {MOST_CLIPPED:.1%}"
        )
    at_rest = heard.at_rest()
    level_dbfs, snr_db = _check_levels(at_rest, place=place)
    text = "" if transcript is None else check_transcript(transcript, tag, seconds, place=place)
    content = wav_bytes(at_rest)
    target = folder / f"prompt-{hashlib.sha256(content).hexdigest()[:12]}.wav"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return PreparedPrompt(target, text, tag, seconds, snr_db, level_dbfs)


def _check_levels(sound: Sound, *, place: str) -> tuple[float, float]:
    """Level of the speech and its distance from the noise, in decibels."""
    levels = measure_levels(sound)
    if levels.loud_dbfs < LEAST_LEVEL_DBFS:
        raise PromptError(
            f"{place}: nearly silent: {levels.loud_dbfs:.0f} dBFS; "
            f"speech must reach {LEAST_LEVEL_DBFS:g} dBFS"
        )
    edges = (("before the first word", levels.seconds_before), ("after the last word", levels.seconds_after))
    for where, seconds in edges:
        if seconds > MOST_EDGE_SECONDS:
            raise PromptError(f"{place}: {seconds:.1f} s of silence {where}; at most {MOST_EDGE_SECONDS:g} s")
    if levels.spoken < LEAST_SPOKEN:
        raise PromptError(
            f"{place}: mostly silent: {levels.spoken:.0%} of it is speech; at least {LEAST_SPOKEN:.0%}"
        )
    if levels.snr_db < LEAST_SNR_DB:
        raise PromptError(
            f"{place}: noisy: speech stands {levels.snr_db:.0f} dB above the noise; "
            f"at least {LEAST_SNR_DB:g} dB"
        )
    return levels.level_dbfs, levels.snr_db
