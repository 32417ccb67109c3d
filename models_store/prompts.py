"""Prompts: any recording becomes the mono WAV a voice is cloned from, or one line says why it will not do.

A prompt is all that a cloned voice knows of its speaker: what is wrong with it is wrong with every sentence
of every book. So it is measured here, once, before it is anybody's voice.
"""

from __future__ import annotations

import hashlib
import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
import numpy.typing as npt

from book.sound import resampled
from models_store.manifest import ManifestPrompt
from models_store.transcripts import check_language, check_transcript
from speech.errors import VoiceError
from speech.units import SAMPLE_RATE

Sound = npt.NDArray[np.float32]

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

_MOST_DECODED_SECONDS: Final = 120.0
"""Whoever sends an hour of sound is told so after two minutes of it."""
_FORMATS: Final = "aac,aiff,amr,ape,asf,au,caf,flac,matroska,webm,mov,mp4,m4a,3gp,mp3,ogg,tta,w64,wav,wv"
"""Containers that hold sound themselves: not playlists, which name other files for the decoder to open."""
_FRAME: Final = SAMPLE_RATE // 50  # 20 ms: shorter than a stop's closure, longer than a pitch period
_HOP: Final = SAMPLE_RATE // 100
_SILENCE_DBFS: Final = -90.0  # about the rounding of sixteen bits
_FLAT: Final = 0.999  # of the peak
_FLAT_SAMPLES: Final = 3
_FAINT: Final = 0.01  # -40 dBFS: below, the steps of sixteen bits are flat tops too


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
    sound, rate, clipped = _decode(path, place=place)
    seconds = sound.size / rate
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise PromptError(
            f"{place}: {seconds:.3f} s long; it must be {LEAST_SECONDS:g} to {MOST_SECONDS:g} s"
        )
    if clipped > MOST_CLIPPED:
        raise PromptError(
            f"{place}: clipped: {clipped:.2%} of it is cut off at the top; at most {MOST_CLIPPED:.1%}"
        )
    at_rest = np.concatenate(list(resampled([sound], rate, SAMPLE_RATE)))
    at_rest /= max(1.0, float(np.abs(at_rest).max(initial=0.0)))
    level_dbfs, snr_db = _check_levels(at_rest, place=place)
    text = "" if transcript is None else check_transcript(transcript, tag, seconds, place=place)
    content = _wav(at_rest)
    target = folder / f"prompt-{hashlib.sha256(content).hexdigest()[:12]}.wav"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return PreparedPrompt(target, text, tag, seconds, snr_db, level_dbfs)


def _decode(path: Path, *, place: str) -> tuple[Sound, int, float]:
    """The sound, mono `[N]`, its rate, and the share of its samples that are clipped in some channel."""
    blocks: list[Sound] = []
    n_samples = 0
    try:
        # An open file, and a list of containers: no other file or address is ever opened for this one.
        options = {"format_whitelist": _FORMATS}
        with path.open("rb") as file, av.open(file, "r", options=options) as container:
            if not container.streams.audio:
                raise PromptError(f"{place}: holds no sound")
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            rate = stream.codec_context.sample_rate
            to_float = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                blocks += [part.to_ndarray().astype(np.float32) for part in to_float.resample(frame)]
                n_samples += frame.samples
                if n_samples > _MOST_DECODED_SECONDS * rate:
                    break
    except (av.error.FFmpegError, OSError) as error:
        raise PromptError(f"{place}: cannot be read as sound: {error.strerror}") from error
    if len({block.shape[0] for block in blocks}) != 1 or not rate:
        raise PromptError(f"{place}: holds no sound" if not blocks else f"{place}: changes its channels")
    channels = np.concatenate(blocks, axis=1)  # [C, N]
    if not np.isfinite(channels).all():
        raise PromptError(f"{place}: holds samples that are no numbers")
    clipped = max(_clipped(channel) for channel in channels)
    return channels.mean(axis=0, dtype=np.float32), rate, clipped


def _clipped(channel: Sound) -> float:
    """The share of samples in runs of three or more at the peak, which nothing but a limit makes.

    The peak counts wherever it lies: a recording clipped by the recorder is often made quieter afterwards.
    """
    loudness = np.abs(channel)
    flat = loudness >= _FLAT * loudness.max(initial=_FAINT)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _FLAT_SAMPLES].sum() / max(1, channel.size))


def _check_levels(sound: Sound, *, place: str) -> tuple[float, float]:
    """Level of the speech and its distance from the noise, in decibels.

    The noise is what the quietest twentieth of the frames hold, the speech what the loudest half of those
    above it hold: recordings have pauses, and if they have none, a stop's closure is one.
    """
    levels = _frame_levels(sound)
    noise, loud = (float(value) for value in np.percentile(levels, (5, 95)))
    if loud < LEAST_LEVEL_DBFS:
        raise PromptError(
            f"{place}: nearly silent: {loud:.0f} dBFS; speech must reach {LEAST_LEVEL_DBFS:g} dBFS"
        )
    is_spoken = levels > max(loud - 30.0, min(noise + 6.0, loud - 12.0))
    spoken = np.flatnonzero(is_spoken)
    edges = (("before the first word", spoken[0]), ("after the last word", levels.size - 1 - spoken[-1]))
    for where, n_frames in edges:
        seconds = n_frames * _HOP / SAMPLE_RATE
        if seconds > MOST_EDGE_SECONDS:
            raise PromptError(f"{place}: {seconds:.1f} s of silence {where}; at most {MOST_EDGE_SECONDS:g} s")
    if is_spoken.mean() < LEAST_SPOKEN:
        raise PromptError(
            f"{place}: mostly silent: {is_spoken.mean():.0%} of it is speech; at least {LEAST_SPOKEN:.0%}"
        )
    level = float(10 * np.log10(np.mean(10 ** (levels[is_spoken] / 10))))
    snr = level - noise
    if snr < LEAST_SNR_DB:
        raise PromptError(
            f"{place}: noisy: speech stands {snr:.0f} dB above the noise; at least {LEAST_SNR_DB:g} dB"
        )
    return level, snr


def _frame_levels(sound: Sound) -> npt.NDArray[np.float64]:
    """The level of each frame of 20 ms, one every 10 ms, in dBFS."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    starts = np.arange(0, sound.size - _FRAME + 1, _HOP)
    power = (energy[starts + _FRAME] - energy[starts]) / _FRAME
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DBFS / 10))))


def _wav(sound: Sound) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(np.rint(sound * 2.0**15), -(2**15), 2**15 - 1).astype("<i2").tobytes())
    return out.getvalue()
