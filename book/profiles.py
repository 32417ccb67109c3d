"""Delivery profiles: how loud a finished chapter is, and how it begins and ends.

A profile is about the sound. The container it is delivered in is a `book.encode.Format`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Profile:
    """What the sound of one delivered chapter file must measure. Levels are dB relative to full scale."""

    name: str
    loudness: Literal["rms", "lufs"] | None
    """What `target` counts: RMS of the whole file, integrated loudness after BS.1770-4, or nothing (no
    gain)."""
    target: float = 0.0
    """The level the one gain of a chapter aims at: dBFS RMS or LUFS."""
    lowest: float = 0.0
    """The encoded file may not measure less."""
    highest: float = 0.0
    """The encoded file may not measure more."""
    peak_limit: float = 0.0
    """The highest peak of the encoded file, dB."""
    peak_is_true: bool = True
    """Whether the limit is on the true peak (dBTP, BS.1770-4 Annex 2) or on the highest sample (dBFS)."""
    noise_limit: float | None = None
    """The quietest half second of the file may not be louder than this, dBFS RMS; None: not asked."""
    head_seconds: float = 0.6
    """Silence put before the first sound."""
    tail_seconds: float = 1.5
    """Silence put after the last sound."""
    head_range: tuple[float, float] | None = None
    """Shortest and longest head the encoded file may measure, seconds; None: not asked."""
    tail_range: tuple[float, float] | None = None
    """The same for the tail."""
    sample_rate: int | None = 44_100
    """Samples a second of the file; None: the track's own rate. Opus is always 48,000."""
    mp3_bit_rate: int = 128_000
    """Constant bit rate of an MP3, bits a second."""
    longest_file_seconds: float | None = None
    """A longer chapter is delivered in several files; None: no limit."""


ACX: Final = Profile(
    # ACX audio submission requirements,
    # https://help.acx.com/s/article/what-are-the-acx-audio-submission-requirements
    name="acx",
    loudness="rms",
    target=-20.5,  # the middle of the window: 2.5 dB for the limiter and the codec on either side
    lowest=-23.0,
    highest=-18.0,
    peak_limit=-3.0,
    peak_is_true=False,
    noise_limit=-60.0,
    head_seconds=0.6,  # 0.1 s over the least, so that a breath before the first word cannot fall short
    tail_seconds=1.5,
    head_range=(0.5, 1.0),
    tail_range=(1.0, 5.0),
    mp3_bit_rate=192_000,
    longest_file_seconds=120 * 60.0,
)
PODCAST: Final = Profile(
    # Apple Podcasts: -16 LKFS +-1, true peak at most -1 dB. The same sound in one channel measures 3.01 LU
    # less than in two (BS.1770-4 adds the power of the channels), hence -19 for our mono files. Half the
    # tolerance.
    name="podcast",
    loudness="lufs",
    target=-19.0,
    lowest=-19.5,
    highest=-18.5,
    peak_limit=-1.0,
)
EBU_R128: Final = Profile(
    # EBU R 128 (2023): programme loudness -23.0 LUFS +-0.5 LU, true peak at most -1 dBTP; production is at
    # 48 kHz.
    name="ebu-r128",
    loudness="lufs",
    target=-23.0,
    lowest=-23.5,
    highest=-22.5,
    peak_limit=-1.0,
    sample_rate=48_000,
)
NONE: Final = Profile(
    # No gain at all: the voice's own level and rate. Head and tail stay, for they are the pauses between
    # chapters.
    name="none",
    loudness=None,
    sample_rate=None,
)

PROFILES: Final = {profile.name: profile for profile in (ACX, PODCAST, EBU_R128, NONE)}


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises ValueError naming those there are."""
    if name not in PROFILES:
        raise ValueError(f"profile {name!r} is not one of {', '.join(PROFILES)}")
    return PROFILES[name]
