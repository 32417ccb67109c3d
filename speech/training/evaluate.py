"""How like its speaker a voice is: what it says beside what the speaker said of the same text.

Speaker similarity, pitch, rate and spectral distance need no listener and no recogniser. They compare voices
with one another on the same recordings; none of them says whether a voice is good. Where there is a
recogniser, what it mishears tells how well a voice can be understood, beside what it mishears of the speaker.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speech.networks.spectrogram import linear_spectrogram
from speech.training.losses import log_mels
from speech.units import SAMPLE_RATE
from speech.voice import Samples

Floats = npt.NDArray[np.float64]
Embed = Callable[[Tensor], Tensor]
"""Sound `[N]` at 32 kHz to its speaker embedding `[E]`."""

_LOWEST_HZ, _HIGHEST_HZ = 60.0, 500.0
_PITCH_WINDOW: Final = 1600
_PITCH_HOP: Final = 320
_VOICED: Final = 0.6
"""Of the autocorrelation at the period, to that at 0."""
_N_CEPSTRA: Final = 13
_DB: Final = 20 / np.log(10)
_WITHOUT_BLANKS: Final = frozenset({"ja", "yue", "zh"})
"""Languages that put no blanks between words."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a voice said beside what its speaker said."""

    similarity: float | None
    """Cosine of the two speaker embeddings, -1 to 1; None without a speaker backbone."""
    pitch_semitones: float | None
    """How much higher the voice's median pitch is; None where one of them has no voiced sound."""
    pitch_range: float | None
    """The spread of the voice's pitch (10th to 90th percentile, semitones) over that of the speaker."""
    rate: float
    """How much faster the voice speaks: 1.1 is a tenth."""
    spectral_db: float
    """Distance of the two spectra, smoothed, loudness apart, aligned in time."""
    misheard: float | None = None
    """`misheard_share` of what the voice said; None without a recogniser."""
    misheard_of_speaker: float | None = None
    """Likewise of what the speaker said: what the recogniser itself gets wrong."""

    @classmethod
    def mean(cls, found: Sequence[Likeness]) -> Likeness:
        """Of several texts; each figure of those that have it."""

        def of(name: str) -> float | None:
            known = [value for one in found if (value := getattr(one, name)) is not None]
            return round(sum(known) / len(known), 4) if known else None

        return cls(**{field.name: of(field.name) for field in fields(cls)})  # type: ignore[arg-type]  # rate and distance are always known


def compare(made: Samples, real: Samples, embed: Embed | None = None) -> Likeness:
    """How like the recording `real` the sound `made` of the same text is; both `[N]` at 32 kHz, not empty."""
    pitch_made, pitch_real = pitch_of(made), pitch_of(real)
    is_voiced = min(pitch_made.size, pitch_real.size) >= 10
    spreads = [
        float(np.subtract(*np.percentile(p, (90, 10)))) if is_voiced else 0.0
        for p in (pitch_made, pitch_real)
    ]
    return Likeness(
        similarity=None
        if embed is None
        else _cosine(embed(torch.from_numpy(made)), embed(torch.from_numpy(real))),
        pitch_semitones=float(np.median(pitch_made) - np.median(pitch_real)) if is_voiced else None,
        pitch_range=spreads[0] / spreads[1] if spreads[1] else None,
        rate=_spoken_seconds(real) / _spoken_seconds(made),
        spectral_db=spectral_distance(cepstra_of(made), cepstra_of(real)),
    )


def misheard_share(said: str, heard: str, language: str) -> float:
    """The word error rate, or the character error rate of a language that puts no blanks between its words.

    Words (characters) lost, invented and mistaken, over those said; case, punctuation and width count for
    nothing. "10" for "ten" is a mistake: the same text in the same language is compared, voice beside voice.

    Args:
        said: the text, with at least one letter.
        heard: what a recogniser made of it.
        language: BCP 47.
    """
    wanted, got = (_counted(text, language) for text in (said, heard))
    row = np.arange(len(got) + 1)
    for count, word in enumerate(wanted, start=1):
        other = np.array([word != one for one in got], dtype=np.int64)
        best = np.minimum(row[1:] + 1, row[:-1] + other)
        # what is invented adds one a place: the least of all places before it, each with its way there
        best = np.concatenate(([count], best)) - np.arange(len(row))
        row = np.minimum.accumulate(best) + np.arange(len(row))
    return float(row[-1]) / max(1, len(wanted))


def _counted(text: str, language: str) -> list[str]:
    """The words or characters of a text that count."""
    plain = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" else " " if letter not in "'’" else ""
        for letter in unicodedata.normalize("NFKC", text).casefold()
    )
    has_blanks = language.partition("-")[0] not in _WITHOUT_BLANKS
    return plain.split() if has_blanks else [letter for letter in plain if letter != " "]


def pitch_of(sound: Samples) -> Floats:
    """The pitch of every voiced frame, in semitones above 100 Hz, every 10 ms.

    The highest peak of the autocorrelation, with the window's own divided out (Boersma 1993).
    """
    padded = np.pad(sound.astype(np.float64), (0, _PITCH_WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _PITCH_WINDOW)[::_PITCH_HOP]
    loud = np.sqrt(np.mean(np.square(frames), axis=1))
    frames = frames[loud > 0.1 * np.quantile(loud, 0.95)]
    window = np.hanning(_PITCH_WINDOW)
    shortest, longest = round(SAMPLE_RATE / _HIGHEST_HZ), round(SAMPLE_RATE / _LOWEST_HZ)
    own = _autocorrelation(window[None])[0]
    around = _autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * window)
    around = around / np.maximum(around[:, :1], 1e-12) / (own / own[0])
    reach = around[:, shortest : longest + 1]
    # the first peak nearly as high as the highest: not the octave below
    top = reach.max(axis=1, keepdims=True)
    is_peak = np.zeros_like(reach, dtype=bool)
    is_peak[:, 1:-1] = (reach[:, 1:-1] >= reach[:, :-2]) & (reach[:, 1:-1] >= reach[:, 2:])
    first = np.argmax(is_peak & (reach > 0.9 * top), axis=1)
    strength = reach[np.arange(len(reach)), first]
    voiced = (strength > _VOICED) & is_peak[np.arange(len(reach)), first]
    return np.asarray(12 * np.log2(SAMPLE_RATE / (shortest + first[voiced]) / 100.0))


def cepstra_of(sound: Samples) -> Floats:
    """The smoothed log mel spectrum of each frame without its loudness, `[F, 12]`, orthonormal, in dB."""
    spectrogram = linear_spectrogram(torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None])
    mels = log_mels(spectrogram)[0].T.double().numpy() * _DB  # [F, 128]
    n = mels.shape[1]
    place = np.arange(n) + 0.5
    cosines = np.sqrt(2 / n) * np.cos(np.pi / n * np.outer(place, np.arange(1, _N_CEPSTRA)))
    return np.asarray(mels @ cosines)


def spectral_distance(made: Floats, real: Floats) -> float:
    """The mean distance in dB of two rows of cepstra `[F, 12]` along their best alignment."""
    squares = np.square(made).sum(axis=1)[:, None] + np.square(real).sum(axis=1)[None] - 2 * made @ real.T
    cost = np.sqrt(np.maximum(squares, 0.0) / 128)  # of 128 bands
    total = np.full((len(made) + 1, len(real) + 1), np.inf)
    length = np.zeros_like(total)
    total[0, 0] = 0.0
    for diagonal in range(
        2, len(made) + len(real) + 1
    ):  # all places of one depend on the two before it alone
        i = np.arange(max(1, diagonal - len(real)), min(len(made), diagonal - 1) + 1)
        j = diagonal - i
        ways = np.stack([total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]])
        lengths = np.stack([length[i - 1, j - 1], length[i - 1, j], length[i, j - 1]])
        best = ways.argmin(axis=0)
        total[i, j] = ways.min(axis=0) + cost[i - 1, j - 1]
        length[i, j] = lengths[best, np.arange(len(i))] + 1
    return float(total[-1, -1] / length[-1, -1])


def _autocorrelation(frames: Floats) -> Floats:
    spectrum = np.fft.rfft(frames, 2 * frames.shape[1], axis=1)
    return np.asarray(np.fft.irfft(np.square(np.abs(spectrum)), axis=1)[:, : frames.shape[1]])


def _spoken_seconds(sound: Samples) -> float:
    """From the first to the last hop that is not silent."""
    hop = SAMPLE_RATE // 100
    whole = np.abs(sound[: len(sound) // hop * hop]).reshape(-1, hop).max(axis=1)
    loud = np.flatnonzero(whole > 0.02 * whole.max(initial=0.0))
    return float(loud[-1] - loud[0] + 1) / 100 if loud.size else len(sound) / SAMPLE_RATE


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one.float(), other.float(), dim=0))
