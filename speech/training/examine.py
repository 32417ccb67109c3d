"""Whether a recording is fit to learn from, and what all that are fit hold together: the report.

A training takes hours and learns whatever it is given, hum and music too. So each recording is measured
before the first of them, and what is dropped is told in one line each.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from speech.levels import Levels, measure_levels
from speech.text.runs import language_of
from speech.text.symbols import SYMBOLS, SymbolsVersion
from speech.units import SAMPLE_RATE
from speech.voice import Samples

SHORTEST_SECONDS: Final = 0.7
"""More than the 32 frames that the decoder learns from at once, in whole tokens."""
LONGEST_SECONDS: Final = 54.0
"""What upstream's training takes."""
LEAST_LEVEL_DBFS: Final = -45.0
LEAST_SPOKEN: Final = 0.3
"""Share of the recording that is speech."""
LEAST_SNR_DB: Final = 15.0
MOST_CLIPPED: Final = 0.001
"""Share of the samples that stand in flat tops."""
MOST_HELD: Final = 0.4
"""Share of the sound's tones that stay where they are for `_HOLD_SECONDS`. Readers hold up to 0.16 of theirs,
music nearly all, and a reader with music 10 dB below 0.52."""

_ARPABET: Final = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
)
_INITIALS: Final = "b c ch d f g h j k l m n p q r s sh t w x y z zh"
_JAPANESE: Final = "I N U a b by ch cl d dy e f g gy h hy i j k ky m my n ny o p py r ry s sh t ts u v w y z"
_TONE_WINDOW: Final = 8192  # 256 ms: 3.9 Hz, less than a sixth of a semitone from 400 Hz on
_TONE_HOP: Final = 1024
_HOLD_SECONDS: Final = 0.38
_LOWEST_HZ, _HIGHEST_HZ = 150, 4000


class Fault(enum.StrEnum):
    """Why a recording is dropped."""

    UNREADABLE = "unreadable"
    SHORT = "too short"
    LONG = "too long"
    SILENT = "silent"
    CLIPPED = "clipped"
    NOISE = "noise"
    MUSIC = "music"
    UNTOLD = "no transcript"
    LANGUAGE = "language"
    TRANSCRIPT = "transcript"
    TWICE = "twice"


@dataclass(frozen=True, slots=True)
class Examined:
    """One recording, or one stretch of a long one, and what became of it."""

    name: str
    seconds: float
    language: str = ""
    """BCP 47; "" where it was dropped before that mattered."""
    snr_db: float | None = None
    fault: Fault | None = None
    reason: str = ""
    """One line that begins with the recording's name; "" for one that is kept."""
    recognised: str = ""
    """What a recogniser wrote down, where nobody said what is said in it: for somebody to check."""

    def dropped(self, fault: Fault, reason: str) -> Examined:
        """The same recording, not to be learnt from."""
        return replace(self, fault=fault, reason=f"{self.name}: {fault}: {reason}")


def examine(name: str, sound: Samples, *, language: str, clipped: float = 0.0) -> Examined:
    """What a recording is as sound, without its transcript.

    Args:
        name: for the report.
        sound: mono `[N]` at 32 kHz.
        language: BCP 47.
        clipped: the share of it that was cut off at the top, as it came.
    """
    seconds = len(sound) / SAMPLE_RATE
    found = Examined(name, round(seconds, 3), language)
    if seconds < SHORTEST_SECONDS:
        return found.dropped(Fault.SHORT, f"{seconds:.2f} s; at least {SHORTEST_SECONDS:g} s")
    if seconds > LONGEST_SECONDS:
        return found.dropped(
            Fault.LONG, f"{seconds:.0f} s with one transcript; at most {LONGEST_SECONDS:g} s"
        )
    levels = measure_levels(sound)
    found = Examined(name, found.seconds, language, round(levels.snr_db, 1))
    fault = _fault_of(sound, levels, clipped)
    return found.dropped(*fault) if fault else found


def _fault_of(sound: Samples, levels: Levels, clipped: float) -> tuple[Fault, str] | None:
    if levels.loud_dbfs < LEAST_LEVEL_DBFS:
        return Fault.SILENT, f"{levels.loud_dbfs:.0f} dBFS; speech must reach {LEAST_LEVEL_DBFS:g} dBFS"
    if levels.spoken < LEAST_SPOKEN:
        return Fault.SILENT, f"{levels.spoken:.0%} of it is speech; at least {LEAST_SPOKEN:.0%}"
    if clipped > MOST_CLIPPED:
        return Fault.CLIPPED, f"{clipped:.2%} of it is cut off at the top; at most {MOST_CLIPPED:.1%}"
    if (held := held_share(sound)) > MOST_HELD:
        return Fault.MUSIC, f"{held:.0%} of its tones are held, as in music; at most {MOST_HELD:.0%}"
    if levels.snr_db < LEAST_SNR_DB:
        return Fault.NOISE, (
            f"speech stands {levels.snr_db:.0f} dB above the noise; at least {LEAST_SNR_DB:g} dB"
        )
    return None


def held_share(sound: Samples) -> float:
    """How much of the power in spectral peaks stays at one pitch for `_HOLD_SECONDS` or longer, 0 to 1.

    A voice glides all the time, an instrument does not. Peaks are local maxima of a spectrum of 256 ms, from
    150 Hz to 4 kHz, at least a tenth as high as the frame's highest; a peak is held that has another in the
    same or the next bin in every frame around it.
    """
    padded = np.pad(sound, (0, max(0, _TONE_WINDOW - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _TONE_WINDOW)[::_TONE_HOP]
    low, high = (hertz * _TONE_WINDOW // SAMPLE_RATE for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    window = np.hanning(_TONE_WINDOW).astype(np.float32)
    height = np.stack([np.abs(np.fft.rfft(frame * window))[low:high] for frame in frames])  # [frames, bins]
    power = np.square(height)
    inner = height[:, 2:-2]
    peaks = np.pad(
        (inner >= height[:, 1:-3])
        & (inner >= height[:, 3:-1])
        & (inner > height[:, :-4])
        & (inner > height[:, 4:]),
        ((0, 0), (2, 2)),
    )
    loud = power.sum(axis=1)
    peaks &= height > 0.1 * height.max(axis=1, keepdims=True)
    peaks &= (loud > np.quantile(loud, 0.95) * 10**-2.5)[:, None]  # not the pauses' hum
    near = peaks | np.roll(peaks, 1, axis=1) | np.roll(peaks, -1, axis=1)
    n = round(_HOLD_SECONDS * SAMPLE_RATE / _TONE_HOP)
    held = np.zeros_like(peaks)
    for i in range(len(peaks) - n + 1):
        held[i : i + n] |= near[i : i + n].all(axis=0)
    total = float(power[peaks].sum())
    return float(power[peaks & held].sum()) / total if total else 0.0


def inventory(language: str, symbols: SymbolsVersion) -> frozenset[str]:
    """The phonemes of a language that this table knows, without stress and tone."""
    name = language_of(language, symbols)
    if name == "en":
        found = set(_ARPABET.split())
    elif name == "ja":
        found = set(_JAPANESE.split())
    elif name == "ko":
        found = {symbol for symbol in SYMBOLS[symbols] if "\u3131" <= symbol <= "\u3163"}
    else:
        is_cantonese = name == "yue"
        toned = {symbol for symbol in SYMBOLS[symbols] if symbol[-1] in "123456" and symbol[:2] != "SP"}
        found = {_plain(symbol) for symbol in toned if symbol.startswith("Y") == is_cantonese}
        found -= set(_ARPABET.split())
        found |= {symbol for symbol in SYMBOLS[symbols] if is_cantonese and re.fullmatch("Y[a-z]+", symbol)}
        found |= set() if is_cantonese else set(_INITIALS.split())
    return frozenset(found)


def _plain(symbol: str) -> str:
    """A phoneme without its stress or tone."""
    return symbol.rstrip("0123456789")


@dataclass(frozen=True, slots=True)
class Report:
    """What a set of recordings holds, as far as it is fit to learn from."""

    n_kept: int
    seconds: float
    """Of speech that is kept."""
    dropped: tuple[Examined, ...]
    languages: dict[str, float]
    """Seconds of each."""
    coverage: dict[str, float]
    """Of each language, the share of its phonemes that are heard at least once."""
    missing: dict[str, tuple[str, ...]]
    """Of each language, phonemes that are not heard: the voice has to guess them."""
    kept: tuple[Examined, ...]

    @property
    def lines(self) -> list[str]:
        """The report for people, a line each."""
        spoken = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.languages.items())
        told = [f"{self.n_kept} recordings, {self.seconds:.1f} s of speech ({spoken or 'none'})"]
        told += [f"{name}: {share:.0%} of the phonemes are heard" for name, share in self.coverage.items()]
        return told + [one.reason for one in self.dropped]

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return asdict(self)


def report(
    examined: Iterable[Examined], phonemes: Mapping[str, Sequence[int]], symbols: SymbolsVersion
) -> Report:
    """The report of these recordings.

    Args:
        examined: all of them.
        phonemes: the ids of each that is kept, by its name.
        symbols: which table the ids are of.
    """
    examined = tuple(examined)
    kept = tuple(one for one in examined if one.fault is None)
    seconds: dict[str, float] = {}
    heard: dict[str, set[str]] = {}
    for one in kept:
        seconds[one.language] = seconds.get(one.language, 0.0) + one.seconds
        names = {_plain(SYMBOLS[symbols][index]) for index in phonemes[one.name]}
        heard.setdefault(one.language, set()).update(names)
    wanted = {language: inventory(language, symbols) for language in heard}
    return Report(
        n_kept=len(kept),
        seconds=round(sum(one.seconds for one in kept), 3),
        dropped=tuple(one for one in examined if one.fault is not None),
        languages={language: round(total, 3) for language, total in seconds.items()},
        coverage={
            language: round(len(heard[language] & all_) / len(all_), 3) for language, all_ in wanted.items()
        },
        missing={language: tuple(sorted(all_ - heard[language])) for language, all_ in wanted.items()},
        kept=kept,
    )
